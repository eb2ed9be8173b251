"""What ``forwarder listen`` runs.

* ``Service`` in ``service``: a worker for each sink, and what they share
"""
