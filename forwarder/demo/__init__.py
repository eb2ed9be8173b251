"""``forwarder demo``: the whole product on this machine alone, and an audit of what it promises.

* ``Demo``, ``Options`` in ``demo``: runs it
* ``Screen`` in ``screen``: shows it
"""
