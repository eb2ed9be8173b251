"""A float that remembers how it was written, so that two numbers that are one float still tell two rows apart. Pure."""

from __future__ import annotations

from typing import Self


class WrittenFloat(float):
    """``WrittenFloat("12345678901234567.1")`` counts as any float does, and its ``repr`` has all digits."""

    __slots__ = ("_text",)

    _text: str

    def __new__(cls, text: str) -> Self:
        """The float nearest to the number, as ``float(text)`` has it."""
        number = super().__new__(cls, text)
        number._text = text
        return number

    def __repr__(self) -> str:
        return self._text
