"""What ``forwarder verify`` does: compares the rows of a table with what the records of a sink say, or with a copy of the table.

1. What is in the records is folded: of each row the last state.
2. The table is read chunk by chunk, each at a snapshot, and compared with that.
3. Rows that differ may only be on their way: they are read again, and then the records, until they are past that snapshot.

* ``Verification`` in ``verification``: the whole of it
* ``Subject`` in ``subject``: the table
* ``TableChunks`` in ``chunks``: reads rows of a table
* ``RowImages``, ``SentImages``, ``TextImages`` in ``row_images``: the SQL that writes a row as it is compared
* ``Content``, ``Digester`` in ``content``: what a row holds, and in what two rows differ
* ``Encoding`` in ``encoding``: what the records of a sink would say of a row
* ``RecordedTable``, ``ReadSink`` in ``recorded_table``: how the records of a sink tell of a table
* ``Fold`` in ``fold``: from records to states
* ``RowStates`` in ``states``: the states, on disk
* ``Watch`` in ``watch``: the states that a row passes through
* ``StreamTip`` in ``stream_tip``, ``FileTip`` in ``file_tip``: read what has come since they were last asked
* ``Delivery`` in ``delivery``: waits until a sink has delivered what a snapshot sees
* ``Records`` in ``records``, ``Copy`` in ``copied_table``: what a table is compared with
* ``Coverage`` in ``coverage``: how far back the records go
"""
