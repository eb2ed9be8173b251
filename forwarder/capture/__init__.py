"""What ``forwarder migrate`` does: which tables are captured, and that they are."""
