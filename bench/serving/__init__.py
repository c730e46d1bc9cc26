"""Our service beside five frameworks over the same engine: `python -m bench.serving`."""
