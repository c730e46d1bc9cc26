"""Mixed traffic with faults, for long: `python -m bench.soak`."""
