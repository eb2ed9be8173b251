"""What the database remembers of each sink.

* ``Positions``, ``Newcomers`` in ``positions``: where it stands
* ``Leadership`` in ``leadership``: the lock of its only leader
* ``History``, ``identify`` in ``history``: the history that the database is in
* ``keep``, ``read_due``, ``find`` in ``dead_letters``: the changes that it could not be given
* ``Replay`` in ``replay``: sets it back, or has changes of some tables sent again
* ``Load``, ``Loads`` in ``loads``: the tables whose rows it is to be told of, and how far each has come
* ``request``, ``pause``, ``resume``, ``cancel``, ``find`` in ``load_requests``: what `forwarder load` does to them
* ``read_sinks``, ``SinkStatus`` in ``sink_status``: all sinks, and how they are
"""
