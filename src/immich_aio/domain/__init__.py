"""Plain values and pure decisions; imports nothing but numpy."""
