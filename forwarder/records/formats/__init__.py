"""The formats of records, one a module.

* ``encoder`` in ``native``: one JSON object a line
"""
