"""The processes in which the model runs: how many, how they are asked, and who replaces them."""
