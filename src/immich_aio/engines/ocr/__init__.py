"""Reading text: detector, orientation, recogniser, and the reader that joins them."""
