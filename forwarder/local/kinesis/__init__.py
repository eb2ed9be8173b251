"""A local Kinesis: the JSON API in memory, with the limits and the faults that no other emulator has.

::

    async with serve(LocalKinesis(faults=[LoseResponse(operation="PutRecords", times=1)])) as endpoint:
        client = session.create_client("kinesis", endpoint_url=endpoint.url, ...)

``protocol`` and ``constraints`` are the API's shapes and rules, ``operations`` its table; ``stream`` and what it is made
of (``shards``, ``log``, ``sequence``, ``budget``) is pure; ``faults`` decides and ``server`` carries out.
"""

from forwarder.local.kinesis.local_kinesis import LocalKinesis
from forwarder.local.kinesis.server import Endpoint, serve

__all__ = ["Endpoint", "LocalKinesis", "serve"]
