import io
import json
from ipaddress import ip_address

import msgspec
import pytest

from syscast.cli import listen
from syscast.cli.listen import _Owners, _wanted, table
from syscast.cli.listening import Listening, Wanted
from syscast.cli.options import Options
from syscast.events.envelope import Origin
from syscast.events.event import make_events
from syscast.events.schema import record_struct
from syscast.sinks.console import ConsoleSink
from syscast.sinks.jsonl import JsonlSink
from syscast.symbols.container import Container, Owner


def listening(address, protocol=6, port=8080, comm=b"nginx"):
    made = Listening(
        protocol=protocol,
        address=ip_address(address),
        port=port,
        backlog=511,
        netns=4026531840,
        uid=33,
    )
    schema = Listening.schema(1)
    raw = (0, 0, 77, 1234, 1234, 1, 0, 0, comm, *made._raw[9:])
    packed = record_struct(schema).pack(*raw)
    (event,) = make_events(
        [record_struct(schema).unpack(packed)], {1: Listening}, Origin(0, {0: "inet_listen"})
    )
    return event


OWNER = Owner(Container("docker", "0123456789ab", ""), "docker-0123.scope", None)


@pytest.mark.parametrize(
    ("event", "cells"),
    [
        (listening("192.0.2.1"), ["tcp", "192.0.2.1:8080"]),
        (listening("::", 262), ["mptcp", "[::]:8080"]),
        (listening("::ffff:10.0.0.1"), ["tcp", "[::ffff:10.0.0.1]:8080"]),
        (listening("2001:db8::1", 132), ["132", "[2001:db8::1]:8080"]),
    ],
)
def test_the_table_shows_protocol_and_address(event, cells):
    found = table(lambda _: OWNER)
    shown = dict(zip([column.title for column in found.columns], found.cells(event), strict=True))
    assert [shown["PROTO"], shown["ADDRESS"]] == cells
    assert shown["PID"] == "1234"
    assert shown["COMM"] == "nginx"
    assert shown["UID"] == "33"
    assert shown["BACKLOG"] == "511"
    assert shown["NETNS"] == "4026531840"
    assert shown["OWNER"] == "docker:0123456789ab"


def test_hostile_names_are_escaped_in_the_table_and_right_in_json():
    event = listening("::1", comm=b"a\x1b[2J\n\xff\xc3\xa9")
    text = io.StringIO()
    ConsoleSink(text, table=table(lambda _: Owner())).write([event])
    (line,) = text.getvalue().splitlines()
    assert "\x1b" not in line
    assert "a\\x1b[2J\\x0a\\xffé" in line
    assert line.endswith("\t-")
    raw = io.BytesIO()
    owners = _Owners()
    owners.of = lambda _: OWNER
    JsonlSink(raw, describe=owners.described).write([event])
    found = json.loads(raw.getvalue())
    assert found["comm"] == "a\x1b[2J\n\\xffé"
    assert (found["address"], found["port"], found["protocol"]) == ("::1", 8080, "tcp")
    assert found["container"] == "docker:0123456789ab"
    assert found["pod"] is None
    assert found["unit"] == "docker-0123.scope"


@pytest.mark.parametrize(
    ("ports", "netns", "wanted"),
    [
        ((), None, Wanted(0, 65535, 0)),
        ((80,), None, Wanted(80, 80, 0)),
        ((443, 80), "42", Wanted(80, 443, 42)),
    ],
)
def test_ports_and_namespace_become_constants(ports, netns, wanted):
    assert _wanted(Options(netns=netns), ports) == wanted


def test_several_ports_are_picked_one_by_one(monkeypatch):
    """The kernel lets the range pass; the rest is done here."""
    seen = {}

    def fake_stream(*arguments):
        seen["accept"] = arguments[-1]
        return 0

    monkeypatch.setattr("syscast.cli.streaming.stream", fake_stream)
    listen.command.callback(Options(), (80, 443))
    accept = seen["accept"]
    assert accept(listening("::", port=80))
    assert not accept(listening("::", port=100))
    listen.command.callback(Options(), (80,))
    assert seen["accept"] is None


def test_the_json_form_is_stable():
    owners = _Owners()
    owners.of = lambda _: Owner()
    found = msgspec.json.decode(msgspec.json.encode(owners.described(listening("192.0.2.7"))))
    assert list(found) == [
        "event", "time", "probe", "cpu", "pid", "tid", "comm", "cgroup_id", "seq",
        "protocol", "address", "port", "backlog", "netns", "uid",
        "container", "pod", "unit",
    ]  # fmt: skip
