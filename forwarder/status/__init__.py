"""What ``forwarder listen`` tells over HTTP."""
