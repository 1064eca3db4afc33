"""Immich All-in-One: Chinese-aware OCR and CLIP for stock Immich."""

__version__ = "0.1.0"
