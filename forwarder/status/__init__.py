"""What ``forwarder listen`` says of itself over HTTP.

* ``http_server`` in ``server``: health checks and metrics, for the length of a block
"""
