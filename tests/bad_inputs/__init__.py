"""What happens to arguments that are wrong."""
