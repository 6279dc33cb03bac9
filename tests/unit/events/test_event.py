import copy
import json
import pickle
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, ClassVar

import pytest

from syscast.errors import FormatError, UsageError
from syscast.events.envelope import Origin
from syscast.events.event import Event, boot_time, fields_of, make_event_class, make_events
from syscast.events.fieldtypes import u8, u16, u32, u64
from syscast.events.schema import record_struct
from syscast.spec.meta import FieldMeta, SchemaMeta

NOON = 1_782_907_200_000_000_000


class Opened(Event):
    """At module level, so that it pickles."""

    path: Annotated[str, 16]
    flags: u32 = 0

    limit: ClassVar[int] = 3

    @property
    def short(self) -> str:
        return self.path[: self.limit]


class WithPid(Event):
    pid: u32
    comm: str


def event_of(cls, fields, **header):
    schema = cls.schema(4)
    values = {
        "time": 123_456_789,
        "seq": 5,
        "cgroup_id": 77,
        "pid": 1234,
        "tid": 1235,
        "schema": 4,
        "program": 2,
        "cpu": 1,
        "comm": b"python3",
    }
    layout = record_struct(schema)
    raw = layout.unpack(layout.pack(*(values | header).values(), *fields))
    return make_events([raw], {4: cls}, Origin(NOON, {2: "inet_listen"}))[0]


def test_fields_are_given_by_keyword_and_read_back(every, family):
    made = every(
        tiny=-5,
        flag=True,
        path="/tmp/ä",
        mac=b"\1\2\3",
        v4=IPv4Address("10.0.0.1"),
        v6="2001:db8::1",
        either="192.0.2.7",
        port=65535,
        where=0xFFFF_8880_0000_0000,
        family=family.INET6,
        big=(1 << 64) - 1,
        plain=-(1 << 63),
    )
    assert made.tiny == -5
    assert made.flag is True
    assert made.path == "/tmp/ä"
    assert made.mac == b"\1\2\3\0\0\0"
    assert made.v4 == IPv4Address("10.0.0.1")
    assert made.v6 == IPv6Address("2001:db8::1")
    assert made.either == IPv4Address("192.0.2.7")
    assert made.port == 65535
    assert made.where == 0xFFFF_8880_0000_0000
    assert made.family is family.INET6
    assert made.big == (1 << 64) - 1
    assert made.plain == -(1 << 63)
    assert json.loads(made.to_json()) == {
        "event": "Every",
        "tiny": -5,
        "flag": True,
        "path": "/tmp/ä",
        "mac": "010203000000",
        "v4": "10.0.0.1",
        "v6": "2001:db8::1",
        "either": "192.0.2.7",
        "port": 65535,
        "where": "0xffff888000000000",
        "family": "INET6",
        "big": (1 << 64) - 1,
        "plain": -(1 << 63),
    }


def test_a_default_stands_for_an_omitted_field(listen):
    assert listen(addr="127.0.0.1", port=80).backlog == 0
    assert listen(addr="127.0.0.1", port=80) == listen(addr="127.0.0.1", port=80, backlog=0)
    assert [field.default for field in fields_of(listen)][2] == 0


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"port": 80}, TypeError, "event 'Listen': field 'addr' is missing"),
        ({"addr": 1, "port": 2, "prot": 3}, TypeError, "no field 'prot' .it has addr, port"),
        ({"addr": 1, "port": 70000}, OverflowError, "field 'port': 70000 does not fit in Port"),
        ({"addr": 1, "port": -1}, OverflowError, "-1 does not fit in Port"),
        ({"addr": "1.2.3", "port": 1}, ValueError, "field 'addr': Expected 4 octets"),
        ({"addr": 1.5, "port": 1}, TypeError, "1.5 is not an IPv4 address"),
        ({"addr": 1, "port": "x"}, TypeError, "'x' is not an int"),
    ],
)
def test_what_does_not_fit_is_refused(listen, values, error, text):
    with pytest.raises(error, match=text):
        listen(**values)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("x" * 16, "16 bytes and a NUL do not fit in str.16."),
        ("a\0b", "holds a NUL"),
        ("\udc80", "lone surrogates"),
    ],
)
def test_strings_that_do_not_fit_are_refused(path, text):
    with pytest.raises(ValueError, match=text):
        Opened(path=path)


def test_events_are_immutable(listen):
    event = listen(addr="127.0.0.1", port=80)
    with pytest.raises(AttributeError, match="event 'Listen': set 'port': events are immutable"):
        event.port = 81
    with pytest.raises(AttributeError, match="events are immutable"):
        event.other = 81
    with pytest.raises(AttributeError, match="events are immutable"):
        del event.port
    assert not hasattr(event, "__dict__")


def test_equality_is_by_class_and_fields_not_by_envelope(listen):
    seen = event_of(listen, (b"\x7f\0\0\1", 80, 5))
    again = event_of(listen, (b"\x7f\0\0\1", 80, 5), time=9, pid=1)
    made = listen(addr="127.0.0.1", port=80, backlog=5)
    assert seen == again == made
    assert hash(seen) == hash(made)
    assert len({seen, again, made}) == 1
    assert seen != listen(addr="127.0.0.1", port=80, backlog=6)
    assert seen != "something else"
    assert Opened(path="a") != WithPid(pid=0, comm="a")


def test_what_follows_the_nul_of_a_string_is_no_part_of_it():
    assert event_of(Opened, (b"/etc\0leftover", 0)) == Opened(path="/etc")
    assert event_of(Opened, (b"x" * 16, 0)).path == "x" * 16  # no NUL at all


def test_events_match_patterns(listen):
    match event_of(listen, (b"\x7f\0\0\1", 8080, 5)):
        case listen(addr=_, port=80):
            found = "wrong"
        case listen(addr, port, 5):
            found = f"{addr}:{port}"
    assert found == "127.0.0.1:8080"


def test_the_envelope_of_a_decoded_event(listen):
    event = event_of(listen, (b"\x7f\0\0\1", 80, 5), comm=b"a\xffb\0zz")
    assert event.time == NOON + 123_456_789
    assert boot_time(event) == 123_456_789
    assert (event.probe, event.cpu, event.pid, event.tid) == ("inet_listen", 1, 1234, 1235)
    assert (event.comm, event.cgroup_id, event.seq) == ("a\\xffb", 77, 5)
    envelope = event.envelope
    for name in ("time", "probe", "cpu", "pid", "tid", "comm", "cgroup_id", "seq"):
        assert getattr(envelope, name) == getattr(event, name)
    with pytest.raises(AttributeError):
        envelope.pid = 1


def test_an_event_made_by_hand_has_no_envelope(listen):
    event = listen(addr="127.0.0.1", port=80)
    assert event.envelope is None
    with pytest.raises(AttributeError, match="event 'Listen': it has no envelope"):
        _ = event.pid
    assert "pid" not in event.to_dict()


def test_a_field_may_have_the_name_of_an_envelope_value():
    event = event_of(WithPid, (42, b"inner"))
    assert (event.pid, event.comm) == (42, "inner")
    assert (event.envelope.pid, event.envelope.comm) == (1234, "python3")
    assert event.tid == 1235
    found = event.to_dict()
    assert (found["pid"], found["envelope_pid"]) == (42, 1234)
    assert (found["comm"], found["envelope_comm"]) == ("inner", "python3")


def test_to_dict_keeps_python_values(listen):
    found = event_of(listen, (b"\x7f\0\0\1", 80, 5)).to_dict()
    assert list(found) == [
        "event", "time", "probe", "cpu", "pid", "tid", "comm", "cgroup_id", "seq",
        "addr", "port", "backlog",
    ]  # fmt: skip
    assert found["addr"] == IPv4Address("127.0.0.1")
    assert found["event"] == "Listen"


def test_text_for_people_names_who_and_what(listen):
    event = event_of(listen, (b"\x7f\0\0\1", 80, 5))
    assert repr(event) == "Listen(addr=127.0.0.1, port=80, backlog=5)"
    clock, _, rest = str(event).partition(" ")
    assert clock.endswith("0:00.123456")
    assert rest == "python3[1234] inet_listen: addr=127.0.0.1 port=80 backlog=5"
    assert str(listen(addr="127.0.0.1", port=80)) == "Listen addr=127.0.0.1 port=80 backlog=0"


def test_hostile_strings_are_escaped_on_their_way_to_people():
    event = event_of(Opened, (b"a\x1b[2J\n\xff b", 1), comm=b"\x1b]0;pwned\x07")
    for text in (str(event), repr(event)):
        assert text.isprintable()
    assert r'path="a\x1b[2J\x0a\xff b"' in str(event)
    assert r"\x1b]0;pwned\x07[1234]" in str(event)
    assert json.loads(event.to_json())["path"] == "a\x1b[2J\n\\xff b"
    override = Opened(path="a\u202eb")
    assert str(override) == r"Opened path=a\u202eb flags=0"


def test_an_empty_string_is_seen():
    assert str(Opened(path="")) == 'Opened path="" flags=0'
    assert repr(Opened(path="")) == "Opened(path='', flags=0)"


def test_events_pickle_and_copy():
    seen = event_of(Opened, (b"/etc", 1))
    again = pickle.loads(pickle.dumps(seen))
    assert again == seen
    assert again.envelope == seen.envelope
    assert copy.copy(seen) == copy.deepcopy(seen) == seen
    assert pickle.loads(pickle.dumps(Opened(path="x"))).envelope is None


def test_anonymous_events_pickle():
    cls = make_event_class(SchemaMeta(3, "open", 8, (FieldMeta("dfd", "int", 0, 4, signed=True),)))
    event = event_of(cls, (-100,))
    again = pickle.loads(pickle.dumps(event))
    assert again == event
    assert again.envelope == event.envelope


def test_methods_and_class_variables_are_no_fields():
    assert [field.name for field in fields_of(Opened)] == ["path", "flags"]
    assert Opened(path="/etc/passwd").short == "/et"


def test_fields_are_inherited():
    class Timed(Opened):
        ns: u64

    assert Timed.__match_args__ == ("path", "flags", "ns")
    assert Timed(path="x", ns=3).ns == 3
    assert Timed(path="x", ns=3) != Opened(path="x")

    class Other(Event):
        a: u8

    with pytest.raises(UsageError, match="it inherits fields twice"):
        type("Both", (Timed, Other), {})


def test_annotations_may_be_text_and_name_local_classes():
    class Local(IntEnum):
        ONE = 1

    class Textual(Event):
        which: "Local"
        narrow: "Annotated[Local, u16]"

    assert Textual(which=1, narrow=1).which is Local.ONE


def test_names_that_only_checkers_know_are_explained():
    with pytest.raises(UsageError, match=r"name 'Nowhere' is not defined \(import it outside"):

        class Bad(Event):
            field: "Nowhere"  # noqa: F821


def test_a_taken_name_is_refused():
    with pytest.raises(UsageError, match="event 'Bad': field 'to_json': every event has"):

        class Bad(Event):
            to_json: u8


def test_a_default_must_fit():
    with pytest.raises(UsageError, match="field 'a': its default does not fit: 256 does not fit"):

        class Bad(Event):
            a: u8 = 256


def test_an_unknown_enum_value_stays_an_int(family):
    class Seen(Event):
        which: Annotated[family, u16]

    event = event_of(Seen, (77,))
    assert event.which == 77
    assert not isinstance(event.which, IntEnum)
    assert '"which":77' in event.to_json()
    assert "which=INET6" in str(event_of(Seen, (10,)))


def test_the_payload_is_aligned_and_a_multiple_of_8(every):
    class Small(Event):
        a: u8
        b: u32
        c: u16
        d: u64
        e: bool

    schema = Small.schema(9)
    assert schema.id == 9
    assert schema.name == "Small"
    assert [(each.name, each.offset) for each in schema.fields] == [
        ("a", 0), ("b", 4), ("c", 8), ("d", 16), ("e", 24),
    ]  # fmt: skip
    assert schema.size == 32
    for field in every.schema(1).fields:
        assert field.offset % min(field.size & -field.size, 8) == 0
    assert every.schema(1).size % 8 == 0


def test_an_event_without_fields():
    class Nothing(Event):
        pass

    assert Nothing() == Nothing()
    assert Nothing.schema(1).size == 0
    assert str(event_of(Nothing, ())).endswith("python3[1234] inet_listen")


def anonymous(*fields, name="args"):
    placed = tuple(FieldMeta(field, "int", 8 * index, 8) for index, field in enumerate(fields))
    return make_event_class(SchemaMeta(1, name, 8 * len(fields), placed))


def test_anonymous_classes_are_made_once():
    assert anonymous("a", "b") is anonymous("a", "b")
    assert anonymous("a", "b") is not anonymous("a", "c")
    assert anonymous("a").schema(7).id == 7


def test_anonymous_names_that_python_cannot_say_take_an_underscore():
    cls = anonymous("class", "schema", "pid", "__user")
    event = event_of(cls, (1, 2, 3, 4))
    assert (event.class_, event.schema_, event.pid) == (1, 2, 3)
    assert getattr(event, "__user") == 4
    found = event.to_dict()
    assert (found["class"], found["schema"], found["pid"]) == (1, 2, 3)


def test_anonymous_enums_survive_bad_labels():
    labels = {1: "mro", 2: "a b", 3: "OK", 4: "__x__", -5: "OK", 6: ""}
    field = FieldMeta("state", "enum", 0, 4, signed=True, labels=labels)
    cls = make_event_class(SchemaMeta(1, "args", 8, (field,)))
    assert event_of(cls, (3,)).state.name == "OK"
    for value in labels:
        assert int(event_of(cls, (value,)).state) == value


@pytest.mark.parametrize(
    ("fields", "size", "text"),
    [
        ((FieldMeta("a", "int", 0, 3),), 8, "has no known layout"),
        ((FieldMeta("a", "float", 0, 8),), 8, "has no known layout"),
        ((FieldMeta("a", "ipv4", 0, 8),), 8, "has no known layout"),
        ((FieldMeta("a", "int", 0, 8), FieldMeta("b", "int", 4, 8)), 16, "'b' overlaps"),
        ((FieldMeta("a", "int", -8, 8),), 8, "overlaps"),
        ((FieldMeta("a", "str", 0, 0),), 8, "overlaps"),
        ((FieldMeta("a", "int", 8, 8),), 8, "leaves the payload"),
        ((FieldMeta("a", "int", 0, 4), FieldMeta("a", "int", 4, 4)), 8, "share a name"),
        ((), 1 << 40, "out of range"),
    ],
)
def test_hostile_schemas_are_refused(fields, size, text):
    with pytest.raises(FormatError, match=text):
        make_event_class(SchemaMeta(1, "bad", size, fields))


def test_fields_may_come_in_any_order_of_offset():
    fields = (FieldMeta("late", "int", 8, 8), FieldMeta("early", "int", 0, 4))
    cls = make_event_class(SchemaMeta(1, "args", 16, fields))
    event = event_of(cls, (1, 2))
    assert (event.early, event.late) == (1, 2)
