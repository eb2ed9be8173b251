"""The formats of records, one a module.

* ``record_format`` in ``catalogue``: the one that a sink's URL asks for
* ``Encoder``, ``Provenance`` in ``encoder``: what each of them is
* ``encoder`` in ``native``: one JSON object a line
* ``encoder`` in ``debezium.envelope``: as Debezium's connector for PostgreSQL has them
"""
