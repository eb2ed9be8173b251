"""The records that AWS DMS writes to Kinesis; docs/formats/dms.md says what differs and why.

* ``encoder`` in ``encoder``: records of changes
* ``RowEncoder`` in ``rows``: the row of a change, the value of ``data``
* ``treatment`` in ``values``: how the values of a column are written, by its type
* ``table_change`` in ``control``: what a control record tells of a change of a table
* ``indented`` in ``layout``: the layout of ``MessageFormat=json``
"""
