"""The same engine behind other people's servers, each as its handbook has it."""
