"""What ``forwarder listen`` says of itself over HTTP."""
