"""Streams PostgreSQL row changes to Amazon Kinesis: at least once, in order per key, without slowing a write."""

__version__ = "0.1.0"
