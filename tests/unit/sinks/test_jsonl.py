import io
import json

from syscast.events.lost import Lost
from syscast.sinks.jsonl import JsonlSink

HOST = b"\x7f\0\0\1"


def written(events, **options):
    stream = io.BytesIO()
    sink = JsonlSink(stream, **options)
    sink.open()
    sink.write(events)
    sink.close()
    return stream.getvalue()


def test_an_object_a_line(listen, seen):
    lines = written([seen(listen, (HOST, 80, 5)), seen(listen, (HOST, 81, 5))]).split(b"\n")
    assert lines[-1] == b""
    assert [json.loads(line)["port"] for line in lines[:-1]] == [80, 81]
    assert json.loads(lines[0]) == {
        "event": "Listen",
        "time": 1_782_907_200_000_000_000,
        "probe": "inet_listen",
        "cpu": 0,
        "pid": 1234,
        "tid": 1234,
        "comm": "python3",
        "cgroup_id": 77,
        "seq": 0,
        "addr": "127.0.0.1",
        "port": 80,
        "backlog": 5,
    }


def test_hostile_strings_are_valid_json_in_utf8(opened, seen):
    data = written([seen(opened, (1, b"a\n\x1b[2J\xff\xc3\xa9\xe2\x80\xae"), comm=b'"\\')])
    assert data.count(b"\n") == 1
    found = json.loads(data)
    assert found["path"] == "a\n\x1b[2J\\xffé\u202e"
    assert found["comm"] == '"\\'


def test_a_terminal_gets_the_same_json_and_nothing_that_steers_it(opened, seen, terminal):
    event = seen(opened, (1, "x\u202e\x9b2Jé\U000e0041".encode()))
    sink = JsonlSink(terminal.stream)
    sink.open()
    sink.write([event, event])
    lines = terminal.drawn().split("\n")
    assert lines[2] == ""
    assert lines[0] == lines[1]
    assert lines[0].isprintable()
    assert r"\u202e\u009b2Jé\udb40\udc41" in lines[0]
    assert json.loads(lines[0]) == json.loads(event.to_json())


def test_other_descriptions_can_be_given(listen, seen):
    data = written([seen(listen, (HOST, 80, 5))], describe=lambda event: {"p": event.port})
    assert data == b'{"p":80}\n'


def test_an_empty_batch_writes_nothing():
    assert written([]) == b""


def test_a_loss_is_an_object_of_its_own():
    loss = Lost(probe="p", cause="missed", count=3, start=1, end=2, cpu=-1)
    data = written([loss], describe=lambda event: {"p": event.port})
    assert json.loads(data) == {
        "event": "Lost", "probe": "p", "cause": "missed", "count": 3, "start": 1, "end": 2, "cpu": -1,
    }  # fmt: skip
