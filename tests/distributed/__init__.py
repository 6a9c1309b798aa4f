"""Several processes give what one gives, and fail together."""
