"""Around a call of the model: what of a text is read, in which batches, and what comes of it."""
