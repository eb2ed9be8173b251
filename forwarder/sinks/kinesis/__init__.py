"""The sink for Amazon Kinesis Data Streams: ``sink`` is where to begin reading.

* ``kinesis_sink`` in ``sink``: a stream for the length of a block
"""
