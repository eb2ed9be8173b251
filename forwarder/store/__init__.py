"""What the database remembers of each sink."""
