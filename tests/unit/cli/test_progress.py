"""Bars are for a terminal, give way to every line, and leave nothing behind."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest
from rich.control import strip_control_codes
from rich.text import Text

from forwarder.cli import progress
from forwarder.cli.progress import Bars, Count, Told


class Terminal:
    """A pseudo-terminal in place of both standard streams."""

    def __init__(self) -> None:
        self._ours, self._theirs = pty.openpty()
        self.stream = os.fdopen(self._theirs, "w", closefd=False)

    def screen(self) -> str:
        """What was written so far, with its control characters."""
        self.stream.flush()
        os.set_blocking(self._ours, False)
        found = b""
        try:
            while part := os.read(self._ours, 1 << 16):
                found += part
        except BlockingIOError:
            return found.decode()
        return found.decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def attached(*, term: str = "xterm") -> Iterator[Terminal]:
    """Have this process at a terminal for the length of a block. No fixture: pytest captures the streams anew before each test."""
    terminal = Terminal()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TERM", term)
        patched.setenv("COLUMNS", "100")
        patched.setattr(sys, "stderr", terminal.stream)
        patched.setattr(sys, "stdout", terminal.stream)
        yield terminal
    terminal.close()


def plain(screen: str) -> str:
    return strip_control_codes(Text.from_ansi(screen).plain)


async def drawn() -> None:
    """Let the bars be drawn once more, at least."""
    await anyio.sleep(2.5 * progress.DRAW_SECONDS)


async def test_a_bar_is_drawn_moves_and_is_gone_at_the_end() -> None:
    with attached() as terminal:
        bars, bar = Bars(), Count("orders", unit="changes", total=50_000)
        bars.add(bar)
        async with bars.shown():
            await drawn()
            bar.done = 12_000
            await drawn()
            screen = plain(terminal.screen())
        end = terminal.screen()
    assert "0 of 50,000 changes" in screen
    assert "12,000 of 50,000 changes" in screen
    # The cursor is shown again, and the last thing that happens is that the line of the bar is erased.
    assert "\x1b[?25h" in end
    assert end.endswith("\x1b[2K")


async def test_a_line_that_is_printed_meanwhile_comes_out_whole_on_a_line_of_its_own() -> None:
    with attached() as terminal:
        bars = Bars()
        bars.add(Told("orders", lambda: "reading"))
        async with bars.shown():
            await drawn()
            terminal.screen()
            print("a result")  # noqa: T201 - as a command does
            screen = terminal.screen()
            await drawn()
            again = plain(terminal.screen())
    # First the bar is erased, then the line is written from the first column on.
    assert screen.endswith("\x1b[2Ka result\r\n")
    assert "reading" in again


@pytest.mark.parametrize("wish", ["quiet", "dumb"])
async def test_nothing_is_shown_where_nobody_wants_it(wish: str) -> None:
    with attached(term="dumb" if wish == "dumb" else "xterm") as terminal:
        bars = Bars(quiet=wish == "quiet")
        bars.add(Count("orders", unit="changes"))
        async with bars.shown():
            await drawn()
        assert not terminal.screen()
    assert not bars.are_shown


async def test_nothing_is_shown_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    bars = Bars()
    bars.add(Count("orders", unit="changes"))
    async with bars.shown():
        await drawn()
    assert capfd.readouterr() == ("", "")


def test_a_count_says_how_fast_it_goes_and_how_long_it_takes() -> None:
    bar = Count("orders", unit="changes", total=1000)
    bar.text(now=0.0)
    bar.done = 400
    assert bar.text(now=4.0) == "400 of 1,000 changes, 100/s, 6.0 s left"
    bar.note = "waiting\x1b[2J"
    assert bar.text(now=4.0).endswith(", waiting\\u001b[2J")
    assert Count("letters", unit="sent").text(now=0.0) == "0 sent"
