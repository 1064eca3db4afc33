"""The gateway: Immich's machine-learning protocol in front of every backend."""
