"""Faces by InsightFace's networks: SCRFD finds them, ArcFace tells them apart."""
