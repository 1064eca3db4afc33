"""Bytes and JSON ↔ domain, one file a protocol; no I/O."""
