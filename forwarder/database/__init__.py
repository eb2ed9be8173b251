"""Sessions of PostgreSQL: where it is, how we connect, whom we met."""
