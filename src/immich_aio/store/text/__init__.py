"""Text as it is searched: folded, cut into words, and cut into the grams of the index."""
