"""What a response shows of a summary: its words beside the source, offsets, capitals, warnings."""
