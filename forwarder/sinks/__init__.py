"""Where records go, one kind a module.

* ``open_sink``, ``Outlet`` in ``factory``: opens the sink that a URL names, of whatever kind
* ``Attachments`` in ``claim_check``: puts into S3 what is too large for the stream
"""
