"""Where records go: one module or folder for each kind of sink, and ``factory``, which opens the one that a URL names."""
