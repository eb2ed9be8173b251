"""A local Kinesis: the API in JSON and CBOR, served from memory, with the limits of the real one and with scripted faults.

::

    async with serve(LocalKinesis(faults=[LoseResponse(operation="PutRecords", times=1)])) as endpoint:
        client = session.create_client("kinesis", endpoint_url=endpoint.url, ...)

A request comes by ``http1`` or ``http2``, is an ``exchange.Request`` then, and goes through ``server`` (carries out faults), ``faults``
(decides what goes wrong), ``operations`` (a table of the API) and the module of its operation: ``administration``, ``description``,
``shard_listing``, ``resharding``, ``writing``, ``reading``, ``tagging``, ``policies``, ``consumers`` or ``fan_out``. These act on
``account`` and ``stream``, which is made of ``shards``, ``log``, ``sequence``, ``budget`` and each ``subscription``. ``protocol`` has the
API's shapes, ``codecs`` its formats, ``constraints`` its rules, ``errors`` its words.
"""

from forwarder.local.kinesis.local_kinesis import LocalKinesis
from forwarder.local.kinesis.server import Endpoint, serve

__all__ = ["Endpoint", "LocalKinesis", "serve"]
