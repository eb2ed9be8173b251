"""Which record may go next."""
