"""How `forwarder tail` reads streams and files, as any consumer would.

* ``StreamReader`` in ``stream_reader``: reads all shards of a stream, children after their parents
* ``KinesisCalls`` in ``kinesis_calls``: makes the calls for that, each as often as it takes
* ``read_file`` in ``file_reader``: reads a file of records, and follows it as it grows
* ``StoredRecord`` in ``stored_record``: what they read
"""
