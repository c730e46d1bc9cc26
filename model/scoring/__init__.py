"""A model as a scorer: of summaries, whole or with parts of the text hidden, and of sentences."""
