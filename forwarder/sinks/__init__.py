"""Where records go: one module or folder for each kind of sink, and ``factory``, which opens the one that a URL names.

* ``open_sink`` in ``factory``: opens the sink that a URL names, of whatever kind
* ``Attachments`` in ``claim_check``: puts into S3 what is too large for the stream
"""
