"""What ``forwarder check`` looks at: the set-up from end to end, read only, each fact with what is to be done about it.

* ``examine`` in ``examination``: looks at the database and the sinks
* ``Finding``, ``Verdict`` in ``finding``: one fact, and how bad it is
* ``Area``, ``Look`` in ``area``: what belongs together, and is looked at on one session of the database
* ``Report`` in ``report``: what was found, and what it comes to

What is read and how it is judged are two functions in each module: ``judge_…`` are pure.
"""
