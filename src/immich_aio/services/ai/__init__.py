"""The AI service: MT-Photos' protocol, a page to try it, and metrics."""
