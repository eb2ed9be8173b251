"""Settings, and what they are made of.

* ``load`` in ``reader``: the settings from a file, the environment and flags
* ``Settings`` in ``settings``, with a class for each of its sections
* ``parse``, ``SinkUrl``, ``KinesisTarget`` in ``sink_url``: what a sink URL says
* ``waking``, ``Waking`` in ``wake``: how a listener learns of new changes
"""
