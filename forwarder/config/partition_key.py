"""Reads the options of a sink URL that choose the partition keys of its records: ``partition_key``, ``prefix`` and ``keyless``. Pure.

``forwarder.records.partition_key`` makes keys by what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from forwarder.config import key_template
from forwarder.config.key_template import Piece, renamed
from forwarder.config.suggestions import nearest
from forwarder.errors import Misconfigured

KeyKind = Literal["primary-key", "table", "transaction", "constant", "column", "template", "random"]
Keyless = Literal["table", "row-hash"]

OPTIONS = ("partition_key", "prefix", "keyless")

# As they are written; what stands behind a colon is up to whoever writes it.
_FORMS = ("primary-key", "table", "transaction", "constant:VALUE", "column:NAME[,NAME]", "template:TEXT", "random")
_FORM_OF = {form.partition(":")[0]: form for form in _FORMS}
_WITH_PREFIX = ("primary-key", "table", "column")
_WITH_KEYLESS = ("primary-key", "column", "template")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRule:
    """How the partition key of an event is made."""

    kind: KeyKind = "primary-key"
    # Of kind constant: the key.
    constant: str = ""
    # Of kind column: the columns whose values make the key.
    columns: tuple[str, ...] = ()
    # Of kind template: what stands in the key, in order.
    pieces: tuple[Piece, ...] = ()
    # Whether keys by column begin with the table's name, so that equal values of two tables are two keys.
    prefix: bool = True
    # The key of a row whose table has no primary key, where that would be used: the table's name, or a hash of the row.
    keyless: Keyless = "table"

    @property
    def scatters_rows(self) -> bool:
        """Whether changes of one row have several keys even if nothing of the row has changed."""
        return self.kind in ("transaction", "random") or any(
            piece.source in ("op", "txid") for piece in self.pieces if not isinstance(piece, str)
        )

    @property
    def row_columns(self) -> tuple[str, ...]:
        """The columns of rows that keys are made of, without those of primary keys."""
        placeholders = [piece for piece in self.pieces if not isinstance(piece, str)]
        members = [piece.member for piece in placeholders if piece.source in ("before", "after") and piece.member]
        return tuple(dict.fromkeys((*self.columns, *members)))

    @property
    def unites_tables(self) -> bool:
        """Whether all changes of a table have one key."""
        return self.kind in ("table", "constant")

    @property
    def own(self) -> KeyRule:
        """By primary key, for events that lack what this rule, or a mapping of DMS, makes keys of."""
        return KeyRule(prefix=self.prefix, keyless=self.keyless)

    def renamed(self, column: Callable[[str], str]) -> KeyRule:
        """The same for a table whose columns are called otherwise."""
        pieces = tuple(renamed(piece, column) for piece in self.pieces)
        return replace(self, columns=tuple(map(column, self.columns)), pieces=pieces)


BY_PRIMARY_KEY = KeyRule()


def parse(options: Mapping[str, str]) -> KeyRule:
    """Read these options, those of others among them.

    Raises:
        Misconfigured: a value is unknown, or does not go with another. The message does not name the URL.
    """
    value = options.get("partition_key", "primary-key")
    name, colon, argument = value.partition(":")
    form = _FORM_OF.get(name)
    if form is None:
        raise Misconfigured(f"partition_key={value!r} is unknown; {nearest(name, _FORMS)}")
    kind: KeyKind = next(kind for kind in get_args(KeyKind) if kind == name)
    if (":" in form) is not bool(argument) or (colon and not argument):
        raise Misconfigured(f"partition_key={value!r} is incomplete or has too much; write partition_key={form}")
    for option, kinds in (("prefix", _WITH_PREFIX), ("keyless", _WITH_KEYLESS)):
        if option in options and kind not in kinds:
            raise Misconfigured(
                f"{option} means nothing with partition_key={name}, only with {', '.join(kinds)}; leave it out"
            )
    return KeyRule(
        kind=kind,
        constant=argument if kind == "constant" else "",
        columns=_columns(argument) if kind == "column" else (),
        pieces=key_template.parse(argument) if kind == "template" else (),
        prefix=_prefix(options.get("prefix", "true")),
        keyless=_keyless(options.get("keyless", "table")),
    )


def _columns(argument: str) -> tuple[str, ...]:
    names = tuple(argument.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise Misconfigured(
            f"partition_key='column:{argument}' has a name that is empty or there twice; write partition_key=column:a,b"
        )
    return names


def _prefix(value: str) -> bool:
    if value not in ("true", "false"):
        raise Misconfigured(f"prefix={value!r} is unknown; {nearest(value, ('false', 'true'))}")
    return value == "true"


def _keyless(value: str) -> Keyless:
    for known in get_args(Keyless):
        if value == known:
            found: Keyless = known
            return found
    raise Misconfigured(f"keyless={value!r} is unknown; {nearest(value, get_args(Keyless))}")
