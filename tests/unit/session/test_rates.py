"""What `syscast stats` makes of two looks at a session."""

import msgspec
import pytest

from syscast.session import others
from syscast.session.others import Look, ProbeLook, Told, ToldPart, ToldProgram
from syscast.session.rates import between

TOLD = Told(
    version=1,
    pid=77,
    namespace=0,
    command="syscast trace",
    started=5_000_000_000,
    counters=("ran", "tried"),
    parts=(
        ToldPart(
            ledger=3,
            ring=4,
            programs=(ToldProgram(row=0, probe="p", role="probe", sends=True, id=9),),
        ),
    ),
)


def probe(**changed):
    known = {
        "probe": "p", "sends": True, "ran": 100, "sent": 40, "lost": 5, "missed": 1,
        "run_ns": 1_000, "run_count": 10,
    }  # fmt: skip
    return ProbeLook(**(known | changed))


def look(time, *probes, **changed):
    known = {"id": 1, "told": TOLD, "time": time, "probes": probes, "fill": 0.25, "more": 0}
    return Look(**(known | changed))


def test_rates_are_differences_over_time():
    later = probe(ran=300, sent=60, lost=7, run_ns=51_000, run_count=210)
    (session,) = between([look(10.0, probe())], [look(12.0, later)], measured=True)
    (found,) = session.probes
    assert (found.hits_per_s, found.events_per_s, found.lost, found.missed) == (100, 10, 7, 1)
    assert found.ns_per_hit == 250
    assert found.cpu == pytest.approx(50_000 / 2e9)
    assert (session.pid, session.process, session.command) == (77, "77", "syscast trace")
    assert session.ring_fill == 0.25


def test_a_new_session_did_all_of_it_since_its_start():
    (session,) = between([], [look(10.0, probe())], measured=True)
    (found,) = session.probes
    assert (found.hits_per_s, found.events_per_s) == (20, 8)
    assert found.ns_per_hit is None
    assert found.cpu is None


def test_what_is_not_known_is_none():
    silent = probe(missed=None, run_ns=None, run_count=None, sends=False)
    (session,) = between([look(1.0, silent)], [look(2.0, silent)], measured=True)
    (found,) = session.probes
    assert (found.missed, found.events_per_s, found.ns_per_hit, found.cpu) == (None,) * 4
    (session,) = between([look(1.0, probe())], [look(2.0, probe())], measured=False)
    assert session.probes[0].cpu is None
    (session,) = between([look(1.0, probe())], [look(2.0, probe())], measured=True)
    assert (session.probes[0].ns_per_hit, session.probes[0].cpu) == (None, 0)


def test_a_process_of_another_namespace_is_told_apart():
    other = msgspec.structs.replace(TOLD, namespace=4)
    (session,) = between([], [look(6.0, probe(), told=other)], measured=True)
    assert session.process == "[77]"
    assert session.own_namespace is False


def test_what_others_put_into_maps_of_our_name_is_no_session():
    good = msgspec.msgpack.encode(TOLD)
    whole = len(good).to_bytes(4, "little") + good
    assert others._read(whole + bytes(7)) == TOLD
    for bad in (b"", b"\1", bytes(64), whole[:-3], b"\xff" * 64, b"\4\0\0\0" + b"\x80abc"):
        assert others._read(bad) is None
    newer = msgspec.msgpack.encode(msgspec.structs.replace(TOLD, version=2))
    assert others._read(len(newer).to_bytes(4, "little") + newer) is None
