"""``where``: the same events pass whether the filter runs in the kernel or in Python."""

from __future__ import annotations

import contextlib
import functools
import os

import pytest

import syscast as sc
from syscast import i32, u8, u16, u64

pytestmark = pytest.mark.kernel


class Asked(sc.Event):
    who: i32
    low: u8
    half: u16
    wide: u64
    even: bool
    name: str
    port: sc.Port


def named(pid):
    return "two" if pid == 2 else "other"


@sc.syscall("getpgid")
def asked(pid):
    return Asked(
        who=pid,
        low=pid & 0xFF,
        half=pid & 0xFFFF,
        wide=pid & 0xFFFF_FFFF,
        even=pid % 2 == 0,
        name=named(pid),
        port=pid & 0x3FF,
    )


LIMIT = 100
PIDS = (1, 2, 3, 7, 99, 100, 101, 40000, 65535, 65536, 70000, 2147483647)


def is_high(e):
    if e.who < LIMIT:
        return False
    return e.even or e.half == 0


class Range:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def holds(self, e):
        return self.low <= e.who <= self.high


IN_KERNEL = {
    "number": lambda e: e.who < LIMIT,
    "wide": lambda e: e.wide > 65535 and e.low != 112,
    "bool": lambda e: e.even,
    "not": lambda e: not e.even,
    "text": lambda e: e.name == "two",
    "member": lambda e: e.half in (1, 2, 3),
    "port": lambda e: e.port == 99,
    "arithmetic": lambda e: (e.who * 3 + 1) % 7 == 1,
    "named": is_high,
    "method": Range(3, 1000).holds,
    "partial": functools.partial(lambda limit, e: e.who > limit, 5000),
    "process": lambda e: e.pid == os_pid and e.tid == os_pid,
    "comm": lambda e: e.comm != "nobody",
    "first of a pair": (lambda e: e.low == 1, lambda e: e.low == 2)[0],
    "second of a pair": (lambda e: e.low == 1, lambda e: e.low == 2)[1],
    "chain": lambda e: 0 < e.low - 1 < 10 // (e.low - 1),
    "chain of text": lambda e: "two" == e.name != "other",
    "always": lambda e: e.low >= 0,
    "never": lambda e: e.low > 255,
}
IN_ONE_OF_THEM = {
    "prefix": lambda e: e.name.startswith("ot"),
    "suffix": lambda e: e.name.endswith("o"),
}
IN_PYTHON = {
    "a float": (lambda e: e.who / 2 > 30.5, "float"),
    "inside text": (lambda e: "the" in e.name, "decoded text"),
    "captured backslash": (lambda e: e.name.startswith(BACKSLASH), "backslash"),
    "backslash in a tuple": (lambda e: e.name.startswith(("o", BACKSLASH)), "backslash"),
    "compared backslash": (lambda e: e.name != BACKSLASH, "backslash"),
    "chain with in": (lambda e: 1 < e.low in (2, 3), "among other comparisons"),
    "length": (lambda e: len(e.name) == 3, "len"),
    "sequence": (lambda e: e.seq >= 0 and e.who < 5, "reader only"),
    "time": (lambda e: e.time > 0, "reader only"),
    "comprehension": (lambda e: any(e.who == x for x in [1, 2]), ""),
    "fields of all sorts": (lambda e: e.to_dict()["who"] == 7, ""),
    "made by another library": (functools.lru_cache(lambda e: e.who == 7), "no function"),
}
os_pid = os.getpid()
BACKSLASH = "\\x"


def ask():
    for pid in PIDS:
        with contextlib.suppress(OSError):
            os.getpgid(pid)


def run(where, read=list):
    with asked.attach(pid=os.getpid(), where=where) as session:
        ask()
        session.stop()
        found = read(session)
        explained = session.explain()
        session.detach()
        row = session.stats()["getpgid"]
        assert session.stats().problems() == []
    return found, explained, row


def numbers(found):
    return [event.who for event in found]


@pytest.fixture(scope="module")
def everything():
    found, _, row = run(None)
    assert numbers(found) == list(PIDS)
    assert row.filtered == 0
    return found


@pytest.mark.parametrize("name", IN_KERNEL)
def test_a_filter_in_the_kernel_passes_what_python_would(everything, name):
    where = IN_KERNEL[name]
    found, explained, row = run(where)
    want = [event.who for event in everything if where(event)]
    assert numbers(found) == want
    assert explained == [
        "filter 'pid': in the kernel",
        "filter 'where' of probe 'getpgid': in the kernel",
    ]
    assert (row.filtered, row.delivered, row.sifted) == (len(PIDS) - len(want), len(want), 0)


@pytest.mark.parametrize("name", IN_ONE_OF_THEM)
def test_the_outcome_is_the_same_wherever_a_filter_runs(everything, name):
    where = IN_ONE_OF_THEM[name]
    found, _, row = run(where)
    want = [event.who for event in everything if where(event)]
    assert numbers(found) == want
    assert row.filtered == len(PIDS) - len(want)


@pytest.mark.parametrize("name", IN_PYTHON)
def test_what_the_kernel_cannot_say_python_does(everything, name):
    where, why = IN_PYTHON[name]
    found, explained, row = run(where)
    want = [event.who for event in everything if where(event)]
    assert numbers(found) == want
    assert explained[1].startswith("filter 'where' of probe 'getpgid': in Python: ")
    assert why in explained[1]
    away = len(PIDS) - len(want)
    assert (row.filtered, row.delivered, row.sifted) == (away, len(want), away)


def test_batches_and_tuples_respect_a_filter_in_python(everything):
    want = [event.who for event in everything if event.even]
    where = functools.lru_cache(lambda e: e.even)
    batches, _, row = run(where, lambda session: list(session.batches()))
    assert [who for batch in batches for who in numbers(batch)] == want
    assert row.sifted == len(PIDS) - len(want)
    tuples, _, _ = run(where, lambda session: list(session.tuples()))
    assert sum(map(len, tuples)) == len(want)


def test_a_filter_that_raises_is_counted_on_both_sides():
    def where(e):
        return 10 // (e.who - 7) >= 0

    python = functools.lru_cache(where)
    outcomes = []
    for each in (where, python):
        with asked.attach(pid=os.getpid(), where=each) as session:
            ask()
            session.stop()
            found = numbers(session)
            session.detach()
            ledger = session.stats()
        (site,) = [site for site in ledger.sites if site.count]
        row = ledger["getpgid"]
        outcomes.append((found, row.raised, row.filtered, site.site.exception, site.site.line))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1] == 1
    assert 7 not in outcomes[0][0]


seen = sc.Hash[i32, u64]()


@sc.syscall("getpgid")
def asked_twice(pid):
    sc.emit(Asked(who=pid, low=0, half=0, wide=0, even=False, name="a", port=0))
    seen[pid] = 1
    sc.emit(Asked(who=pid, low=1, half=0, wide=0, even=False, name="b", port=0))


def test_a_filter_that_raises_holds_back_one_event_and_the_probe_goes_on():
    def where(e):
        return 10 // (e.who - 7 + e.low) >= -100

    for each in (where, functools.lru_cache(where)):
        with asked_twice.attach(pid=os.getpid(), where=each) as session:
            ask()
            session.stop()
            found = [(event.who, event.low) for event in session]
            session.detach()
            assert session.stats().problems() == []
            (site,) = [site for site in session.stats().sites if site.count]
            assert (site.site.exception, site.count) == ("ZeroDivisionError", 1)
            row = session.stats()["getpgid"]
            assert (row.raised, row.filtered) == (1, 0)
        assert found == [(pid, low) for pid in PIDS for low in (0, 1) if (pid, low) != (7, 0)]
        assert set(dict(seen.items())) == set(PIDS)
        seen.clear()


def write(e):
    seen[e.who] = 1
    return True


def augment(e):
    seen[e.who] += 1
    return True


def delete(e):
    del seen[e.who]
    return True


@pytest.mark.parametrize("where", [write, augment, delete, lambda e: seen.pop(e.who, 0)])
def test_a_filter_may_not_change_state(where):
    with pytest.raises(sc.CompileError, match="a filter looks at events and changes nothing"):
        run(where)


def test_a_field_that_the_event_lacks_is_refused_at_once():
    with pytest.raises(sc.CompileError, match="event Asked has no field 'whom'") as caught:
        run(lambda e: e.whom == 1)
    (finding,) = caught.value.diagnostics
    assert finding.span.file == __file__
    assert finding.source[finding.span.column - 1 : finding.span.end_column - 1] == "e.whom"


def test_a_filter_may_not_ask_who_runs():
    with pytest.raises(sc.CompileError, match=r"ask the event: e\.pid"):
        run(lambda e: sc.current.pid == e.pid)


def test_a_mistake_in_python_is_told_with_its_place():
    with pytest.raises(sc.UsageError, match=r"filter 'where': run: TypeError: .*test_where.py"):
        run(lambda e: e.who + "x" == [1])


def test_what_is_no_function_is_refused():
    with pytest.raises(sc.UsageError, match="filter 'where': set: 5 is no function of an event"):
        run(5)


class Limited:
    """Probes in a class, of an object with constants."""

    def __init__(self, least):
        self.least = least

    def big(self, x):
        return x >= self.least

    @sc.syscall("getpgid")
    def on_ask(self, pid):
        if self.big(pid):
            return Asked(who=pid, low=0, half=0, wide=self.least, even=False, name="m", port=0)
        return None

    @staticmethod
    @sc.syscall("getsid")
    def on_session(pid):
        return Asked(who=pid, low=1, half=0, wide=0, even=False, name="s", port=0)


def test_a_method_is_a_probe_of_its_object():
    with Limited(70000).on_ask.attach(pid=os.getpid()) as session:
        ask()
        session.stop()
        assert [(event.who, event.wide) for event in session] == [
            (70000, 70000),
            (2147483647, 70000),
        ]


def test_several_probes_share_an_event_and_a_filter():
    limited = Limited(65536)
    with sc.attach(
        [limited.on_ask, Limited.on_session], pid=os.getpid(), where=lambda e: e.who != 70000
    ) as session:
        ask()
        os.getsid(0)
        session.stop()
        assert [(event.who, event.low) for event in session] == [
            (65536, 0),
            (2147483647, 0),
            (0, 1),
        ]
