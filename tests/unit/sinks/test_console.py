import io
import re
import termios

import pytest

from syscast.events.event import Event
from syscast.events.fieldtypes import i32
from syscast.events.lost import Lost
from syscast.sinks.console import Column, ConsoleSink, Table, cell_width, cut

HOST = b"\x7f\0\0\1"


def loss(count=1_234):
    return Lost(
        probe="inet_listen", cause="ring full", count=count, start=5, end=12_000_005, cpu=1
    )


def on(terminal, *batches, **options):
    sink = ConsoleSink(terminal.stream, **options)
    sink.open()
    for batch in batches:
        sink.write(batch)
    sink.close()
    return terminal.drawn().split("\n")[:-1]


def piped(*batches, **options):
    stream = io.StringIO()
    sink = ConsoleSink(stream, **options)
    sink.open()
    for batch in batches:
        sink.write(batch)
    return stream.getvalue()


def test_a_table_on_a_terminal(listen, seen, terminal):
    lines = on(
        terminal,
        [seen(listen, (HOST, 80, 5)), seen(listen, (b"\xc0\xa8\x64\x65", 8080, 4096), pid=7)],
    )
    assert [re.sub(r"\d\d:00:00.000000", "hh:00:00.000000", line) for line in lines] == [
        "TIME             COMM                 PID  ADDR              PORT   BACKLOG",
        "hh:00:00.000000  python3             1234  127.0.0.1           80         5",
        "hh:00:00.000000  python3                7  192.168.100.101   8080      4096",
    ]


def test_known_classes_give_the_header_before_any_event(listen, terminal):
    assert on(terminal, classes=[listen])[0].startswith("TIME ")
    assert piped(classes=[listen]) == ""


def test_a_pipe_gets_whole_values_with_tabs_and_no_header(opened, seen):
    path = b"/" + b"x" * 60
    text = piped([seen(opened, (0xFFFF888000000000, path))])
    assert text.split("\t")[1:] == [
        "python3", "1234", "0xffff888000000000", path.decode() + "\n",
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["pipe", "terminal"])
def test_hostile_strings_stay_on_one_line_and_steer_nothing(opened, seen, terminal, where):
    event = seen(opened, (0, b"a\tb\nc\x1b[31m\xff\xe2\x80\xae"), comm=b"\x1b]0;x\x07\n")
    text = piped([event]) if where == "pipe" else on(terminal, [event])[1] + "\n"
    assert text[:-1].replace("\t", "").isprintable()
    assert r"a\x09b\x0ac\x1b[31m\xff\u202e" in text
    assert "\\x1b]0;x" in text
    assert text.count("\n") == 1
    if where == "pipe":
        assert text.count("\t") == 4


def test_long_strings_are_cut_on_a_terminal(opened, seen, narrow):
    lines = on(narrow, [seen(opened, (1, b"/" + b"x" * 60), comm=b"fifteen-letters")])
    assert lines[1].endswith("x…")
    assert "fifteen-letters" in lines[1]


def test_the_last_column_takes_what_the_terminal_leaves(opened, seen, terminal):
    line = on(terminal, [seen(opened, (1, b"/" + b"x" * 40))])[1]
    assert len(line) <= 100
    assert "/" + "x" * 30 in line


def test_numbers_are_never_cut_and_widen_their_column(listen, seen, terminal):
    small, big = seen(listen, (HOST, 80, 5)), seen(listen, (HOST, 80, 4294967295), pid=123456789)
    lines = on(terminal, [small, big, small])
    assert "123456789" in lines[2]
    assert lines[2].endswith("4294967295")
    assert len(lines[3]) == len(lines[2]) > len(lines[1])


def test_wide_characters_keep_the_columns_aligned(listen, seen, terminal):
    lines = on(
        terminal,
        [seen(listen, (HOST, 80, 5), comm="日本".encode()), seen(listen, (HOST, 80, 5))],
    )
    assert cell_width(lines[1]) == cell_width(lines[2])
    assert len(lines[1]) < len(lines[2])


def test_several_classes_share_columns_and_name_their_fields(listen, opened, seen, terminal):
    events = [seen(listen, (HOST, 80, 5)), seen(opened, (255, b"/etc/a b"))]
    lines = on(terminal, events, classes=[listen, opened])
    assert lines[0].split() == ["TIME", "COMM", "PID", "PROBE", "FIELDS"]
    assert lines[1].endswith("  addr=127.0.0.1 port=80 backlog=5")
    assert lines[2].endswith('  where=0xff path="/etc/a b"')


def test_a_class_that_was_not_expected_names_its_fields(listen, opened, seen, terminal):
    lines = on(terminal, [seen(listen, (HOST, 80, 5))], [seen(opened, (255, b"/etc"))])
    assert lines[1].endswith("5")
    assert lines[2].endswith("where=0xff path=/etc")


def test_columns_of_ones_own(listen, seen, terminal):
    table = Table(
        (Column("WHERE", 20), Column("UNIT", 6)),
        lambda event: [f"{event.addr}:{event.port}", "a\nb"],
    )
    lines = on(terminal, [seen(listen, (HOST, 80, 5))], table=table)
    assert lines == ["WHERE                 UNIT", "127.0.0.1:80          a\\x0ab"]


def test_events_made_by_hand_have_no_task(listen, terminal):
    lines = on(terminal, [listen(addr="127.0.0.1", port=1, backlog=2)])
    assert lines[1].split() == ["-", "-", "-", "127.0.0.1", "1", "2"]
    assert piped([listen(addr="127.0.0.1", port=1, backlog=2)]) == "-\t-\t-\t127.0.0.1\t1\t2\n"


def test_colour_follows_the_terminal_and_the_environment(listen, seen, terminal, monkeypatch):
    event = seen(listen, (HOST, 80, 5))
    assert not any("\x1b" in line for line in on(terminal, [event]))
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "xterm")
    lines = on(terminal, [event])
    assert lines[0].startswith("\x1b[1mTIME")
    assert "\x1b[36mpython3" in lines[1]
    assert "\x1b" not in piped([event])
    monkeypatch.setenv("TERM", "dumb")
    assert not any("\x1b" in line for line in on(terminal, [event]))


def test_texts_are_cut_by_cells():
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 4) == "abc…"
    assert cut("日本語", 4) == "日…"
    assert cell_width(cut("日本語", 5)) == 5


def test_no_events_no_header(terminal):
    assert on(terminal, []) == []


def test_a_loss_is_a_line_of_its_own(listen, opened, seen, terminal):
    event = seen(listen, (HOST, 80, 5))
    text = "... 1,234 events lost in 12 ms (ring full, cpu 1)"
    assert piped([loss(), event, loss(1)]).split("\n")[::2] == [
        text,
        "... 1 event lost in 12 ms (ring full, cpu 1)",
    ]
    # It says of what, where several probes share a table; and it decides about no columns.
    lines = on(terminal, [loss()], [event, seen(opened, (0, b""))], [loss()])
    assert lines[0] == lines[-1] == f"... inet_listen: {text[4:]}"
    assert lines[1].startswith("TIME ")


def test_a_loss_stands_out_and_fits_the_terminal(listen, terminal):
    termios.tcsetwinsize(terminal.slave, (24, 20))
    lines = on(terminal, [loss()], classes=[listen], colour=True)
    assert lines[1] == "\x1b[33m... 1,234 events lo…\x1b[0m"


def test_a_loss_between_events_of_a_table_of_ones_own(seen, listen):
    table = Table((Column("PORT", 5),), lambda event: [str(event.port)])
    event = seen(listen, (HOST, 80, 5))
    assert piped([event, loss(), event], table=table).split("\n")[1].startswith("... 1,234 events")


class Kill(Event):
    pid: i32
    sig: i32


def test_a_field_does_not_take_the_place_of_the_tasks_pid(seen, terminal):
    header, line = on(terminal, [seen(Kill, (77, 9))])
    assert header.split() == ["TIME", "COMM", "PID", "PID", "(FIELD)", "SIG"]
    assert line.split()[1:] == ["python3", "1234", "77", "9"]
    assert piped([seen(Kill, (77, 9))]).split("\t")[1:] == ["python3", "1234", "77", "9\n"]
