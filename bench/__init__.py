"""Benchmarks of the recognition models: not part of the installed package."""
