"""The AI service over many machines: an application for Ray Serve, a deployment an engine."""
