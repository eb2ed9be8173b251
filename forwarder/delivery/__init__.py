"""Records in memory: which go next, what became of them, how far all is delivered."""
