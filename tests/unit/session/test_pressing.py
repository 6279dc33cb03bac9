"""Limits, budgets and what to do under pressure, as users write them."""

import pytest

from syscast.errors import UsageError
from syscast.session.delivery import Delivery
from syscast.session.pressing import Limit, check_names, read_budget, read_limit, read_pressure
from syscast.spec.meta import PRESSURE_AGGREGATE, PRESSURE_SAMPLE, FieldMeta, SchemaMeta

CONNECT = SchemaMeta(
    0, "Connect", 32, (FieldMeta("addr", "ip", 0, 20), FieldMeta("port", "port", 20, 2))
)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/s", Limit(10_000_000, 100, ())),
        ("100/s by comm", Limit(10_000_000, 100, ("comm",))),
        ("10/s by addr, port", Limit(100_000_000, 10, ("addr", "port"))),
        (" 10 / m  by  none ", Limit(6_000_000_000, 1, ())),
        ("10/m burst 5", Limit(6_000_000_000, 5, ())),
        ("120/m", Limit(500_000_000, 2, ())),
        ("100/ms by cpu", Limit(10_000, 100, ("cpu",))),
        ("1/h burst 3 by pid,sk.port", Limit(3_600_000_000_000, 3, ("pid", "sk.port"))),
    ],
    ids=str,
)
def test_a_limit_is_a_step_a_burst_and_a_key(text, limit):
    assert read_limit(text) == limit


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "limit '': set: it is no rate (write '100/s', "),
        ("100", "limit '100': set: it is no rate (write '100/s', "),
        ("many/s", "limit 'many/s': set: 'many' is no number of events (a whole one, from 1; "),
        ("0/s", "limit '0/s': set: '0' is no number of events"),
        ("1.5/s", "'1.5' is no number of events"),
        ("-1/s", "'-1' is no number of events"),
        ("5/d", "limit '5/d': set: 'd' is no unit of time (there are us, ms, s, m, h)"),
        ("5/s burst 0", "'0' is no burst (a number of events, from 1)"),
        ("5/s burst", "it is no rate"),
        ("5/s by", "it is no rate"),
        (
            "5/s by a,",
            "limit '5/s by a,': set: '' is no name to go by (a task's comm, pid, tid, uid, ",
        ),
        ("5/s by pid, pid", "'pid' is there twice"),
        ("5/s by pid, none", "'none' stands alone (one rate for each probe)"),
        ("5/s by a,b,c,d,e,f,g,h,i", "9 names are too many to go by (at most 8)"),
        ("9999999999/s", "it is over one event a nanosecond"),
        ("1/h burst 4000000000", "the burst would last for over a hundred years"),
    ],
    ids=str,
)
def test_a_malformed_limit_says_what_is_wrong(text, cause):
    with pytest.raises(UsageError) as caught:
        Delivery(limit=text)
    assert cause in str(caught.value)


@pytest.mark.parametrize(
    ("value", "share"), [("1%", 0.01), ("0.5 %", 0.005), (0.25, 0.25)], ids=str
)
def test_a_budget_is_a_share_of_one_cpu(value, share):
    assert read_budget(value) == pytest.approx(share)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("much", "budget 'much': set: it is no share of a CPU's time (write '1%')"),
        ("1", "budget '1': set: it is no share"),
        ("0%", "budget '0%': set: it is out of range (above 0%, at most 100% of one CPU)"),
        ("nan%", "it is no share"),
        (-0.1, "it is out of range"),
        (1.5, "it is out of range"),
        (True, "it is no share"),
    ],
    ids=str,
)
def test_a_bad_budget_says_what_is_wrong(value, cause):
    with pytest.raises(UsageError) as caught:
        Delivery(budget=value)
    assert cause in str(caught.value)


def test_what_is_counted_instead_of_dropped_goes_by_comm_or_what_is_said():
    assert Delivery(pressure="drop").aggregate_by is None
    assert Delivery(pressure="aggregate").aggregate_by == ("comm",)
    assert read_pressure("aggregate by pid, port") == ("pid", "port")
    assert Delivery(pressure="aggregate by none").aggregate_by == ()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("samples", "pressure 'samples': set: there is none of this name (there are drop, "),
        ("sample by pid", "pressure 'sample by pid': set: only 'aggregate' has more to say"),
        ("aggregate pid", "only 'aggregate' has more to say (write 'aggregate by comm')"),
        ("aggregate by", "'' is no name to go by"),
    ],
    ids=str,
)
def test_what_to_do_under_pressure_is_checked(text, cause):
    with pytest.raises(UsageError) as caught:
        Delivery(pressure=text)
    assert cause in str(caught.value)


def test_the_options_that_programs_read_are_bits():
    assert not Delivery().config()["delivery"] & (PRESSURE_SAMPLE | PRESSURE_AGGREGATE)
    for options in ({"pressure": "sample"}, {"budget": "1%"}):
        assert Delivery(**options).config()["delivery"] & PRESSURE_SAMPLE
    assert Delivery(pressure="aggregate by pid").config()["delivery"] & PRESSURE_AGGREGATE
    rate = Delivery(limit="20/s").config()
    assert (rate["limit_ns"], rate["limit_burst"]) == (50_000_000, 20)


def test_a_name_that_no_event_has_gets_near_matches():
    check_names([CONNECT], ("addr", "comm"), "limit")
    with pytest.raises(
        UsageError,
        match=r"^limit: set: event 'Connect' has no field 'prot' and a task has none, "
        r"either \(did you mean port\?\)$",
    ):
        check_names([CONNECT], ("prot",), "limit")
    with pytest.raises(
        UsageError, match=r"\(there are addr, port, comm, pid, tid, uid, cgroup, cpu, none\)$"
    ):
        check_names([CONNECT], ("xyzzyx",), "limit")


@pytest.mark.parametrize("value", [None, 5, b"drop", ["drop"]])
@pytest.mark.parametrize(
    "option", ["mode", "rings", "pressure", "limit", "latency", "budget", "ring_size"]
)
def test_a_value_that_is_no_text_is_refused(option, value):
    if (option, value) in [("limit", None), ("budget", None), ("ring_size", None)] or (
        option in {"latency", "ring_size"} and value == 5
    ):
        return
    with pytest.raises(UsageError, match=f"^{option.replace('_', ' ')} .*: set: "):
        Delivery(**{option: value})
