"""A terminal for tools that draw on one, and what they drew as lines."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import termios
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

LINES, COLUMNS = 50, 132
TOKEN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b.|[\x00-\x07\x0e-\x1f]")


class Screen:
    """A pseudo terminal: the tool reads and writes at `tool_side`, what it writes goes to `sink`."""

    def __init__(self, sink: BinaryIO) -> None:
        self._ours, self.tool_side = pty.openpty()
        termios.tcsetwinsize(self.tool_side, (LINES, COLUMNS))
        self._reader = threading.Thread(target=self._read, args=(sink,), daemon=True)
        self._reader.start()

    def _read(self, sink: BinaryIO) -> None:
        with contextlib.suppress(OSError):  # EIO: the tool's side is closed
            while text := os.read(self._ours, 1 << 16):
                sink.write(text)
                sink.flush()

    def close(self) -> None:
        """Wait until all is written that the tool wrote, and give the terminal back."""
        os.close(self.tool_side)
        self._reader.join(5.0)
        os.close(self._ours)


def plain(text: str) -> str:
    """What a tool drew, one picture after the other; text without control sequences as it is."""
    if "\x1b" not in text:
        return text
    picture, last = _Picture(), 0
    for token in TOKEN.finditer(text):
        picture.write(text[last : token.start()])
        last = token.end()
        if token[2]:
            picture.control(token[2], [int(each or 1) for each in token[1].strip("?").split(";")])
    picture.write(text[last:])
    return picture.end()


class _Picture:
    """The few moves of a vt100 that curses makes."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._rows: dict[int, str] = {}
        self._line = self._column = 0

    def write(self, text: str) -> None:
        for char in text:
            if char == "\n":
                self._line, self._column = self._line + 1, 0
            elif char == "\r":
                self._column = 0
            elif char == "\b":
                self._column = max(0, self._column - 1)
            else:
                row = self._rows.get(self._line, "").ljust(self._column)
                self._rows[self._line] = row[: self._column] + char + row[self._column + 1 :]
                self._column += 1

    def control(self, letter: str, numbers: list[int]) -> None:
        count = numbers[0]
        if letter == "H":
            self._line, self._column = count - 1, (numbers[1] if len(numbers) > 1 else 1) - 1
        elif letter in "AB":
            self._line = max(0, self._line + (count if letter == "B" else -count))
        elif letter in "CD":
            self._column = max(0, self._column + (count if letter == "C" else -count))
        elif letter == "J":
            self.end()
        elif letter == "K" and self._line in self._rows:
            self._rows[self._line] = self._rows[self._line][: self._column]

    def end(self) -> str:
        """Put the picture away; all pictures until now."""
        self._done += [self._rows[each] for each in sorted(self._rows)]
        self._rows = {}
        return "\n".join(self._done)
