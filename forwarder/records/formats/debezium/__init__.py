"""The records of Debezium's connector for PostgreSQL: JSON without schemas.

* ``encoder`` in ``envelope``: the records of rows
* ``messages``: the records of what has no row, or lacks it
* ``fields``: the fields of all of them; ``source`` and ``transactions``: where a change comes from
* ``Rows`` in ``rows``: the images of a table's rows, each value as Debezium writes it
* ``converter`` in ``column_types``: what that is for a type
* ``numbers``, ``times``, ``intervals``, ``binary``, ``texts``, ``arrays``: how the values of these are written
"""
