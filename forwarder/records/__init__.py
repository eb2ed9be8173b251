"""From a change to the bytes of a record and its partition key.

* ``Record``, ``SetAside``, ``Attachment``, ``Body``, ``Stretch`` in ``record``: what a sink is given
* ``Packer``, ``Packed`` in ``packing``: turns events into records that fit
* ``chooser`` in ``partition_key``: the partition keys of events
* ``Renames`` in ``renames``: the names that tables and columns have in records
* ``Origins`` in ``origins``: what the ids of changes begin with
* ``encode`` in ``kpl``: many payloads of one key in one Kinesis record
* ``record_format`` in ``formats.catalogue``: the bytes of records
"""
