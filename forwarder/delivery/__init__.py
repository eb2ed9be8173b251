"""Records in memory: which go next, what became of them, how far all is delivered.

* ``Relay`` in ``relay``: takes records in and sends them, many requests at once
* ``Destination`` in ``destination``: a sink, the schedule of its records, and where those go that are too large for it
* ``Sink``, ``Rejection`` in ``sink``: what every sink does and answers
* ``Schedule`` in ``buffer``: which record may go next; the kinds are in ``schedules``
* ``Quarantine`` in ``quarantine``: changes that the sink cannot take
* ``Uploads`` in ``uploads``: objects that have to be stored before their records are sent
* ``Lease`` in ``lease``: how long a leader may send without having heard that it leads
"""
