"""What ``forwarder listen`` runs."""
