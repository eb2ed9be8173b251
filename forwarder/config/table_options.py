"""What is captured of a table, and how: the options of a ``[[table]]``. Several rules may set them, each its own."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from forwarder.config.section import Section

BeforeImage = Literal["full", "changed", "key", "none"]
AfterImage = Literal["full", "changed", "key"]
Operation = Literal["insert", "update", "delete", "truncate"]

OPERATIONS: tuple[Operation, ...] = ("insert", "update", "delete", "truncate")


# What level = "statement" does not go with: what is looked at in each row, or written beside it.
_ROW_BY_ROW = {"after", "audit", "columns", "context", "outbox", "where"}


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL has no text with a NUL (\\u0000) in it")
    return text


# Text that goes to PostgreSQL.
SqlText = Annotated[str, AfterValidator(_without_nul)]


class ColumnRules(Section):
    """Which columns are sent, and in which form. What is left out or covered never reaches the outbox."""

    include: list[str] | None = Field(
        default=None, description="Only these are sent, and those of the key; a column that is added later is not."
    )
    # Beside `include`, which table mappings alone may have: names that are not sent even if an included column is renamed to one of them.
    exclude: list[str] = Field(default=[], description="These are not sent; a column that is added later is.")
    mask: dict[str, SqlText] = Field(default={}, description="Sent as this text, unless null.")
    hash: list[str] = Field(
        default=[], description="Sent as SHA-256, in hex, of the database's salt and the value, unless null."
    )
    truncate: dict[str, Annotated[int, Field(ge=0, le=(1 << 31) - 1, strict=True)]] = Field(
        default={}, description="Columns of text, of which so many characters are sent."
    )

    mask_digits: dict[str, Annotated[SqlText, Field(pattern=r"^[!-/:-~]$")]] = Field(
        default={},
        description="Columns of text, of which each digit is sent as this character: one that is printed, and no digit.",
    )
    randomize_digits: list[str] = Field(
        default=[],
        description="Columns of text, of which each digit is sent as another one: the same for the same value.",
    )

    @model_validator(mode="after")
    def _one_form_each(self) -> Self:
        covered = [*self.exclude, *self._treated]
        if twice := sorted({name for name in covered if covered.count(name) > 1}):
            raise ValueError(
                f"column {twice[0]} is named twice; let exclude, mask, hash, truncate, mask_digits or randomize_digits have it alone"
            )
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that a rule names."""
        return tuple(dict.fromkeys((*(self.include or ()), *self.exclude, *self._treated)))

    @property
    def _treated(self) -> tuple[str, ...]:
        """The columns that are sent in another form, each as often as it is named."""
        return (*self.mask, *self.hash, *self.truncate, *self.mask_digits, *self.randomize_digits)


class TableOptions(Section):
    """The options of a table. Those that are not set have their defaults."""

    before: BeforeImage = Field(
        default="full",
        description="What an update and a delete keep of the old row: all of it, the columns that an update changes and the key, the key, "
        "or nothing. full costs the writer about 3 µs a row and doubles the record.",
    )
    after: AfterImage = Field(
        default="full",
        description="What is kept of the new row: all of it, the columns that an update changes and the key, or the key.",
    )
    columns: ColumnRules = ColumnRules()
    where: SqlText | None = Field(
        default=None,
        min_length=1,
        description="A condition on NEW, in SQL; rows that do not meet it are not captured. One that comes to meet it arrives as an insert, "
        "one that ceases to as a delete.",
    )
    operations: list[Operation] = Field(default=[*OPERATIONS], min_length=1, description="What is captured.")
    skip_unchanged: bool = Field(default=False, description="Whether an update that changes no byte is left out.")
    only_when: list[str] = Field(
        default=[],
        description="An update is captured only if it changes one of these columns, or the key. Empty: in any case.",
    )
    context: bool = Field(
        default=True, description="Whether records have what the transaction has set as forwarder.context."
    )
    audit: bool | list[Literal["statement"]] = Field(
        default=False,
        description='Whether records say who made the change, from where and when; ["statement"]: and by which statement, which may hold '
        "values of rows.",
    )

    level: Literal["row", "statement"] = Field(
        default="row",
        description='"statement": what a statement inserts or deletes is captured at once, where nothing else is going on. For bulk loads.',
    )
    outbox: bool = Field(
        default=False,
        description="Whether it is an outbox of the application, in Debezium's layout: what is inserted arrives as an event, in the order of "
        "aggregateid; nothing else is captured.",
    )

    @field_validator("operations")
    @classmethod
    def _rows_are_captured(cls, operations: list[Operation]) -> list[Operation]:
        if set(operations) == {"truncate"}:
            raise ValueError("truncate alone says nothing of rows: name insert, update or delete as well")
        return [operation for operation in OPERATIONS if operation in operations]

    @model_validator(mode="after")
    def _no_row_is_looked_at_alone(self) -> Self:
        if self.level == "statement":
            others = self.model_dump(include=_ROW_BY_ROW, exclude_defaults=True)
            if self.before in ("changed", "key"):
                others["before"] = self.before
            if others:
                raise ValueError(f'level = "statement" does not go with {min(others)}: leave out one of them')
        return self

    @property
    def set_ones(self) -> dict[str, Any]:
        """Those that differ from their defaults, by name."""
        return self.model_dump(exclude_defaults=True)


def merged(rules: Iterable[Mapping[str, Any]]) -> TableOptions:
    """The options that these rules set together, in order: the last one that sets an option counts for it.

    Of ``columns`` each member is an option by itself; and a column is treated as the last rule says that names it.

    Raises:
        ValidationError: what they say does not go together.
    """
    values: dict[str, Any] = {}
    columns: dict[str, Any] = {}
    for rule in rules:
        values |= rule
        columns = _overlaid(columns, rule.get("columns", {}))
    return TableOptions.model_validate(values | ({"columns": columns} if columns else {}))


def _overlaid(columns: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    named = {name for member, names in over.items() if member != "include" for name in names}
    kept = {member: _without(names, named) for member, names in columns.items() if member != "include"}
    if "include" in columns and "include" not in over:
        # What only some columns may pass goes on to be so: to leave one out is to take it from these.
        kept["include"] = [name for name in columns["include"] or () if name not in over.get("exclude", ())]
        over = {member: names for member, names in over.items() if member != "exclude"}
    if "include" in over:
        kept.pop("exclude", None)
    return {member: names for member, names in kept.items() if names or member == "include"} | dict(over)


def _without(names: Any, others: set[str]) -> Any:
    if isinstance(names, dict):
        return {name: value for name, value in names.items() if name not in others}
    return [name for name in names if name not in others]
