"""Table mappings of AWS DMS: the JSON that says which tables to capture, and how names, columns and records change on the way. Pure.

* ``parse`` in ``parsing``: the text of a file, in any of its shapes, as rules
* ``SelectionRule``, ``TransformationRule``, ``ObjectMappingRule`` in ``rules``: what a rule of each type may say
* ``Wildcard`` in ``wildcard``: ``%``, ``_``, ``[ab]``
* ``TableMappings`` in ``table_mappings``: what the rules make of one table
* ``TableNames`` in ``naming``: its names, and those of its columns
* ``columns_of`` in ``columns``: which of its columns are sent, and in which form
* ``ObjectMapping`` in ``object_mapping``: what a record of it holds, and its partition key
"""
