"""What the scheduler is made of: who waits, who is refused, what runs next and with whom."""
