"""Inference: models, sessions and the work around them."""
