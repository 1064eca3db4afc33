"""A miniature of Immich: its tables, its jobs, its machine-learning requests, a part of its API."""
