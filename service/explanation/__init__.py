"""`/explain`: methods of `model.explanation` over the served model, and what they have earned."""
