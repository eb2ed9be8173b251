"""For consumers of the stream, in a Lambda or with KCL: decodes the records of any format, drops repeats, checks order and transactions.

It needs nothing but Python itself: to import it loads no PostgreSQL, no AWS SDK, no event loop. docs/consumer.md has examples.

* ``decode`` in ``decoder``: from the data of a record to its changes
* ``Change`` in ``change``: one change, whatever format told of it
* ``Unreadable`` in ``unreadable``: what is raised of data that is no record
* ``Deduplicator`` in ``deduplicator``: drops what a consumer has had already
* ``OrderCheck`` in ``order_check``: tells of each change whether it is new, a repeat or late
* ``Transactions``, ``Incomplete`` in ``transactions``: puts transactions together again

What reads streams and files is in ``forwarder.consumer.reading``, which is imported apart, since it does need the AWS SDK.
"""

from forwarder.consumer.change import Change
from forwarder.consumer.decoder import decode
from forwarder.consumer.deduplicator import Deduplicator
from forwarder.consumer.order_check import OrderCheck
from forwarder.consumer.transactions import Incomplete, Transactions
from forwarder.consumer.unreadable import Unreadable

__all__ = ["Change", "Deduplicator", "Incomplete", "OrderCheck", "Transactions", "Unreadable", "decode"]
