"""Which record may go next, one kind of order a module.

* ``Lanes`` in ``lanes``: in order per key, with many requests under way
* ``Fifo`` in ``fifo``: one after the other
* ``Unordered`` in ``unordered``: in any order
* ``Routed`` in ``routed``: for many streams, with one of the others for each
"""
