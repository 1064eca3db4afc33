"""The companion: stands in front of Immich, relays everything, and answers a few things better."""
