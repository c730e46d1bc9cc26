"""One file a method. Each says what its scores are, in which unit, and what it costs."""
