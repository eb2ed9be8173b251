"""Reads the outbox, wakes for it, shares what was read, and empties it."""
