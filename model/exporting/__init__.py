"""What an export is made of, what is told of it, and how it is asked without the service."""
