"""What ``forwarder listen`` says of itself over HTTP.

* ``http_server`` in ``server``: serves for the length of a block what ``application`` has at each path
* ``document``: what the status of a listener is, as JSON
"""
