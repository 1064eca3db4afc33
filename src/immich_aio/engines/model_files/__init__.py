"""Model files: what there is to fetch, from where, how it gets here whole, and what is here."""
