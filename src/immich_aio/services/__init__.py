"""One app each, over the shared ``services.http``."""
