"""Which version of the model answers: those there are, the watch for new ones, the one in use."""
