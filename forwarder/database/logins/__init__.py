"""As whom, and by which password, a session is opened: one module for each setting of ``auth``, behind ``Source`` in ``source``.

Nothing here is kept for longer than it is needed, and nothing secret is in a message, a log or a ``repr``.
"""
