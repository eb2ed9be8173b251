"""Kinesis Data Streams.

* ``kinesis_sink`` in ``sink``: a stream for the length of a block
"""
