"""What ``forwarder migrate`` does: which tables are captured, and that they are.

* ``Pattern``, ``Rule`` in ``selection``: which tables are meant
* ``from_selection``, ``from_nothing``, ``Difference`` in ``plan``: what has to change in a database
* ``decide`` in ``table_decisions``: the part of it that is about tables
* ``apply`` in ``migrations``: brings schema ``forwarder`` up to date
* ``Installation`` in ``apply``: carries out the other changes, table by table
* ``NewTables`` in ``new_tables``: captures tables that come later, while a listener leads
* ``look_at_triggers`` in ``uncaptured``: finds tables that are not captured any more
* ``read_capture_roles`` in ``role``: the roles that the trigger functions run as
"""
