"""Checks of what is deployed, by the programs that will read it: ``./aio deploy-check``."""
