"""What a sink is attacked with from its first day."""
