"""Events of probes on many targets: a number in the record, a name for whoever asks."""

from __future__ import annotations

import json
import pickle

import pytest

from syscast.errors import UsageError
from syscast.events.event import Event, sender
from syscast.events.fieldtypes import u32
from syscast.events.records import Decoder
from syscast.spec.meta import FieldMeta, ProgramMeta, SchemaMeta

NAMES = {4096: "tcp_close", 4097: "tcp_ack.isra.0"}
PROGRAMS = [ProgramMeta("p0", 0, "tcp_*", "kprobe", "tcp_*")]
ANONYMOUS = SchemaMeta(
    1,
    "tcp_*",
    16,
    (
        FieldMeta("function", "function", 0, 8, labels=NAMES),
        FieldMeta("size", "int", 8, 8),
    ),
)


class Sent(Event):
    size: u32


DECLARED = SchemaMeta(
    2,
    "Sent",
    16,
    (
        FieldMeta("size", "int", 0, 4),
        FieldMeta("function", "function", 8, 8, labels=NAMES),
    ),
)


def test_the_field_is_the_name_and_so_is_the_probe(pack):
    decoder = Decoder([ANONYMOUS], PROGRAMS)
    event, other = decoder.events([pack(ANONYMOUS, (4096, 7)), pack(ANONYMOUS, (5000, 8), seq=1)])
    assert (event.function, event.size, event.probe) == ("tcp_close", 7, "tcp_close")
    assert json.loads(event.to_json())["function"] == "tcp_close"
    assert "function=tcp_close" in str(event)
    assert (other.function, other.probe) == ("0x1388", "0x1388")
    assert sender(event) == "tcp_*"
    assert pickle.loads(pickle.dumps(event)).probe == "tcp_close"


def test_a_declared_class_keeps_its_own_fields(pack):
    decoder = Decoder([DECLARED], PROGRAMS, {2: Sent})
    event = decoder.events([pack(DECLARED, (9, 4097))])[0]
    assert event == Sent(size=9)
    assert event.probe == "tcp_ack.isra.0"
    assert event.to_dict()["probe"] == "tcp_ack.isra.0"
    assert "function" not in event.to_dict()
    assert event.envelope is not None
    assert event.envelope.probe == "tcp_ack.isra.0"


def test_other_fields_behind_a_class_s_own_are_refused():
    fields = (*DECLARED.fields[:1], FieldMeta("more", "int", 8, 8))
    with pytest.raises(UsageError, match="its fields differ"):
        Decoder([SchemaMeta(2, "Sent", 16, fields)], PROGRAMS, {2: Sent})


def test_one_made_by_hand_takes_the_name_or_the_number():
    cls = Decoder([ANONYMOUS]).classes[1]
    assert cls(function="tcp_close", size=1) == cls(function=4096, size=1)
    with pytest.raises(TypeError, match="is not an int"):
        cls(function="nonesuch", size=1)
