"""Where records go, one kind a module."""
