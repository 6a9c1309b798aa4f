"""Many devices give what one gives."""
