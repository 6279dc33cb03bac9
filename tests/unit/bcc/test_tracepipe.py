"""The parts of lines of ``trace_pipe``, as several kernels write them."""

from __future__ import annotations

import os

import pytest

from syscast.bcc import tracepipe
from syscast.bcc.tracepipe import NOTHING, TracePipe, parsed


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b"          python3-1234    [001] d..31  5321.120021: bpf_trace_printk: Listening on 7f000001",
            (b"python3", 1234, 1, b"d..31", 5321.120021, b"Listening on 7f000001"),
        ),
        (
            b"           <...>-24585 [000] d... 14157.413224: 0x00000001: hi: there",
            (b"<...>", 24585, 0, b"d...", 14157.413224, b"hi: there"),
        ),
        (
            b"     a-1 [000] b-7       (      7) [002] .N.. 1.5: bpf_trace_printk: ",
            (b"a-1 [000] b", 7, 2, b".N..", 1.5, b""),
        ),
        (b"nonsense", (b"Unknown", 0, 0, b"Unknown", 0.0, b"nonsense")),
    ],
)
def test_parts_of_a_line(line, expected):
    assert parsed(line) == expected


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    """A trace pipe of our own: gives the writing end and its reader."""
    path = tmp_path / "trace_pipe"
    os.mkfifo(path)
    monkeypatch.setattr(tracepipe.tracefs, "root", lambda: str(tmp_path))
    keeper = os.open(path, os.O_RDWR)
    reader = TracePipe()
    yield keeper, reader
    reader._close_pipe()
    os.close(keeper)


def test_lines_about_lost_events_are_left_out(pipe):
    writer, reader = pipe
    os.write(
        writer,
        b"CPU:0 [LOST 12 EVENTS]\n             cat-7  [000] d... 1.0: bpf_trace_printk: x\n",
    )
    assert reader.trace_fields() == (b"cat", 7, 0, b"d...", 1.0, b"x")


def test_nothing_there(pipe):
    _, reader = pipe
    assert not reader.trace_readline(nonblocking=True)
    assert reader.trace_fields(nonblocking=True) == NOTHING


def test_lines_as_they_come(pipe):
    writer, reader = pipe
    os.write(writer, b"one \ntwo\n")
    assert [reader.trace_readline(), reader.trace_readline()] == [b"one", b"two"]
