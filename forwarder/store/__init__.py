"""What the database remembers of each sink.

* ``Positions``, ``Newcomers`` in ``positions``: where it stands
* ``Leadership`` in ``leadership``: the lock of its only leader
* ``History``, ``identify`` in ``history``: the history that the database is in
* ``keep``, ``due``, ``find`` in ``dead_letters``: the changes that it could not be given
* ``Replay`` in ``replay``: sets it back, or has changes of some tables sent again
* ``read_sinks``, ``SinkStatus`` in ``sink_status``: all sinks, and how they are
"""
