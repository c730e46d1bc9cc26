"""What a search chooses among, and the rules that steer it."""
