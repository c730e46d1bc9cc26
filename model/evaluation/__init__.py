"""What is counted and compared of finished summaries; `python -m model.evaluate` prints it."""
