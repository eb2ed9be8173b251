"""The formats of records, one a module.

* ``record_format`` in ``catalogue``: the one that a sink's URL asks for
* ``framed`` in ``framing``: line breaks and compression
* ``Encoder``, ``Provenance`` in ``encoder``: what each of them is
* ``encoder`` in ``native``, ``row_to_lambda``, ``cloudevents``, ``dynamodb``, ``debezium.envelope``, ``dms.encoder``: one JSON object a line
"""
