"""What turns a value as PostgreSQL wrote it into the one of Debezium's record."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

# From the text of a JSON value, which is not null, to what msgspec writes as Debezium's: b'"2024-02-29"' becomes 19782. Of bytes it writes base64.
# A value that is not of the column's type (a rule has hashed it, the type was altered since) may raise one of MISFIT; it then stays as it is.
Convert = Callable[[bytes], object]

MISFIT = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, msgspec.MsgspecError)
