"""What the tokenizer is made of: merges, how they are learnt and left out, and tokens as bytes."""
