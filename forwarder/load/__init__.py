"""Reads the rows that tables have already, chunk by chunk, for sinks that are to be told of them."""
