"""What all services share: error replies, uploads, metrics, hung-up callers, serving."""
