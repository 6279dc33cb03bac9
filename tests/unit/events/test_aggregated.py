"""Counts of a full ring as events."""

import json
from ipaddress import IPv4Address
from struct import pack

import pytest

from syscast.events.aggregated import Aggregated, Counts, origin_of
from syscast.events.event import Event, is_loss
from syscast.spec.meta import FieldMeta, SchemaMeta

CONNECT = SchemaMeta(
    3,
    "Connect",
    24,
    (
        FieldMeta("addr", "ipv4", 0, 4),
        FieldMeta("port", "port", 4, 2),
        FieldMeta("delta", "int", 8, 4, signed=True),
        FieldMeta("count", "int", 16, 8),
    ),
)
VALUE = pack("<QQQ", 7, 1_000, 13_000_000)
HEAD = pack("<II", 5, 3)


@pytest.mark.parametrize(
    ("by", "key", "fields"),
    [
        (("comm",), pack("<16s", b"curl"), {"comm": "curl"}),
        (("pid", "cpu"), pack("<QQ", 1234, 1), {"pid": 1234, "cpu": 1}),
        (
            ("addr", "port"),
            b"\x7f\0\0\1\0\0\0\0" + pack("<Q", 443),
            {"addr": IPv4Address("127.0.0.1"), "port": 443},
        ),
        (("delta",), pack("<iI", -3, 0), {"delta": -3}),
        (("count",), pack("<Q", 9), {"key_count": 9}),
        ((), b"", {}),
    ],
    ids=str,
)
def test_a_count_has_the_parts_of_its_key_as_fields(by, key, fields):
    made = Counts(CONNECT, by, "tcp_connect").event(
        HEAD + key.ljust(64, b"\0"), VALUE, lambda at: at + 5_000
    )
    assert isinstance(made, Aggregated)
    assert isinstance(made, Event)
    assert made.key == fields
    assert {name: getattr(made, name) for name in fields} == fields
    assert (made.probe, made.count, made.start, made.end) == ("tcp_connect", 7, 6_000, 13_005_000)
    assert made.time == made.end
    assert is_loss(made)


def test_it_says_so_in_words_and_in_json():
    made = Counts(CONNECT, ("comm", "port"), "tcp_connect").event(
        HEAD + pack("<16sQ", b"a b", 80), VALUE, int
    )
    assert str(made) == "7 more events in 13 ms (comm=a b port=80)"
    assert json.loads(made.to_json()) == {
        "event": "Aggregated",
        "probe": "tcp_connect",
        "comm": "a b",
        "port": 80,
        "count": 7,
        "start": 1_000,
        "end": 13_000_000,
    }


def test_a_key_tells_its_program_and_schema():
    assert origin_of(HEAD + b"rest") == (5, 3)
