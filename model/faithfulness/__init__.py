"""How faithful a model's explanations are: `python -m model.faithfulness`."""
