"""How a command shows its usage."""

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose usage names its arguments as man pages do, ``NAME`` and ``[SEQ]...``; typer writes ``{NAME}``.

    An argument is ``hidden``, or help would list it with its Python type, ``list[str]``; the text of the help says what it is.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]
