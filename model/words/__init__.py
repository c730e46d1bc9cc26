"""Single words: the forms of one word, the case in which it is usual, what it stands for."""
