"""What curses draws on a terminal is read as lines."""

from __future__ import annotations

import io
import subprocess
import sys

from bcctools.screen import Screen, plain

DRAWS = """
import curses
def draw(window):
    for number in (41, 42):
        window.clear()
        window.addstr(0, 0, "page      cache")
        window.addstr(2, 0, f"{12:8} {'root':8} {'cat':16} {number:8}")
        window.refresh()
curses.wrapper(draw)
"""


def test_a_picture_is_read_as_lines_with_its_blanks():
    kept = io.BytesIO()
    screen = Screen(kept)
    ends = [screen.tool_side] * 2
    drawer = [sys.executable, "-c", DRAWS]
    subprocess.run(
        drawer, stdin=ends[0], stdout=ends[1], env={"TERM": "vt100"}, check=True, timeout=30
    )
    screen.close()
    lines = [line.rstrip() for line in plain(kept.getvalue().decode()).split("\n") if line.strip()]
    rows = [f"{12:8} {'root':8} {'cat':16} {number:8}" for number in (41, 42)]
    assert lines == ["page      cache", rows[0], "page      cache", rows[1]]


def test_text_without_control_sequences_stays_as_it_is():
    assert plain("one\ntwo | three\n") == "one\ntwo | three\n"
