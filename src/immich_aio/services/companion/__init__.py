"""The companion: stands before Immich, adds to it, and leaves the rest as it is."""
