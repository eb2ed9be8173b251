"""Which record may go next, one kind of order a module.

* ``Lanes`` in ``lanes``: in order per key, with many requests under way
* ``Line`` in ``fifo``: one after the other
* ``Crowd`` in ``unordered``: in any order
"""
