"""The records that AWS DMS writes to Kinesis; docs/formats/dms.md says what differs and why.

* ``encoder`` in ``encoder``: records of changes
* ``RowEncoder`` in ``rows``: the row of a change, the value of ``data``
* ``converter`` in ``values``: the value of a column, by its type
* ``table_change`` in ``control``: what a control record tells of a change of a table
* ``indented`` in ``layout``: the layout of ``MessageFormat=json``
"""
