"""Immich's HTTP API: what its clients ask, and its replies, in the shapes of 2.2 and 3.1; no I/O.

``validation.py`` reads bodies and refuses them in Immich's words, ``search.py`` reads searches,
``assets.py`` and ``accounts.py`` write replies, ``errors.py`` error replies, ``media.py`` knows
file types. Rows come as dictionaries by Immich's own column names.
"""
