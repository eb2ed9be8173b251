"""Reads the outbox, wakes for it, shares what was read, and empties it.

* ``Source`` in ``source``: the connections for reading, and the feed that the sinks of a process share
* ``Feed`` in ``feed``: hands each page to every sink that has come as far
* ``Outbox``, ``Page`` in ``pages``: reads events, all that is new or page by page
* ``Position``, ``Snapshot`` in ``position``: where a sink stands
* ``Ahead`` in ``delivered_ahead``: what a sink has delivered beyond its position
* ``EventReader`` in ``event_reader``, ``Registry`` in ``registry``: from rows to events
* ``Janitor`` in ``janitor``, ``Survey`` in ``survey``: empties leaves, measures
"""
