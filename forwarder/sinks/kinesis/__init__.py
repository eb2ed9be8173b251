"""The sink for Amazon Kinesis Data Streams: ``sink`` is where to begin reading."""
