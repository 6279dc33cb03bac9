import json

import pytest
from msgspec.structs import replace

from syscast.events.deliverystats import DeliveryStats
from syscast.events.ledger import CpuRow, Ledger, LedgerRow, RaisedSite
from syscast.spec.meta import SiteMeta


def row(**changed):
    known = {
        "probe": "inet_listen",
        "ran": 50,
        "missed": 0,
        "filtered": 3,
        "raised": 2,
        "tried": 45,
        "dropped": 4,
        "read": 41,
        "delivered": 41,
        "gaps": 4,
    }
    return LedgerRow(**(known | changed))


def test_the_summary_says_what_became_of_the_events():
    assert Ledger((row(dropped=0, tried=41, gaps=0, raised=0),)).summary() == (
        "41 events delivered, 0 lost (ring full 0, missed 0), 3 filtered, 0 raised"
    )
    assert Ledger((row(delivered=1, missed=2, decode_errors=1, read=3),)).summary() == (
        "1 event delivered, 8 lost (ring full 4, missed 2, damaged 1, shed 1), 3 filtered, 2 raised"
    )
    assert Ledger((row(),), damaged=2).lost == 6
    assert "(ring full 4, missed 0, damaged 2)" in Ledger((row(),), damaged=2).summary()
    assert Ledger().summary().startswith("0 events delivered, 0 lost")


def test_an_unknown_count_is_never_zero():
    assert "missed unknown" in Ledger((row(missed=None),)).summary()
    assert "missed at least 2" in Ledger((row(missed=None), row(missed=2))).summary()
    assert row(missed=None).fired is None
    assert row(missed=3).fired == 53


def test_derived_counters():
    each = row(discarded=1, read=38, decode_errors=2, delivered=30)
    assert (each.committed, each.left, each.decoded, each.shed) == (41, 2, 36, 6)
    assert each.lost == 4 + 2 + 6


def test_rows_of_one_probe_are_one_and_helpers_do_not_count_as_runs():
    ledger = Ledger(
        (
            row(
                probe="openat",
                role="entry",
                ran=60,
                filtered=10,
                raised=1,
                tried=0,
                dropped=0,
                gaps=0,
            ),
            row(probe="openat", role="exit"),
            row(probe="other"),
        )
    )
    both = ledger["openat"]
    assert (both.ran, both.filtered, both.raised, both.tried) == (50, 3, 3, 45)
    assert ledger.total.ran == 100
    assert ledger.lost == 8
    assert [each.role for each in ledger] == ["entry", "exit", "probe"]
    with pytest.raises(KeyError):
        ledger["nothing"]


def test_a_whole_ledger_is_consistent():
    assert Ledger((row(),)).consistent()
    assert Ledger((row(discarded=1, read=40, delivered=40, gaps=5),)).consistent()
    assert Ledger((row(read=30, delivered=30),)).consistent(drained=False)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"ran": 51}, "ran 51 > filtered 3 + raised 2 + limited 0 + sampled 0 + tried 45"),
        ({"dropped": 46, "gaps": 46, "read": 0, "delivered": 0}, "dropped 46 > tried 45"),
        ({"read": 42, "delivered": 42}, "read 42 + discarded 0 > committed 41"),
        ({"read": 40, "delivered": 40}, "1 records left in a drained ring"),
        ({"delivered": 42}, "delivered 42 > decoded 41"),
        (
            {"gaps": 5},
            "witnesses disagree: 5 sequence numbers never came",
        ),
        (
            {"gaps": 3},
            "witnesses disagree: 3 sequence numbers never came",
        ),
    ],
    ids=str,
)
def test_each_broken_equation_is_named(changed, text):
    problems = Ledger((row(**changed),), drained=True).problems()
    assert any(each.startswith(f"probe 'inet_listen': {text}") for each in problems)
    assert not Ledger((row(**changed),), drained=True).consistent()


def test_a_ledger_of_a_running_session_forgives_what_is_not_there_yet():
    running = row(ran=54, read=30, delivered=30)
    assert Ledger((running,)).problems() == []
    assert len(Ledger((running,)).problems(drained=True)) == 2
    assert Ledger((row(ran=100, read=30, delivered=30),)).problems()


def test_raised_sites_name_the_line():
    site = SiteMeta(0, "ZeroDivisionError", "probe.py", 12, 9, "    x = a // b")
    other = SiteMeta(1, "OverflowError", "probe.py", 3, 5)
    never = SiteMeta(2, "ValueError", "probe.py", 4, 5)
    ledger = Ledger((), (RaisedSite(other, 1), RaisedSite(site, 3), RaisedSite(never, 0)))
    assert ledger.details() == [
        "probe.py:12:9: ZeroDivisionError 3 times: x = a // b",
        "probe.py:3:5: OverflowError 1 time",
    ]


def test_a_ledger_is_a_table():
    cpus = (
        CpuRow(cpu=0, ran=1_200_000, tried=1_200_000, dropped=1_000, read=1_199_000, gaps=1_000),
        CpuRow(cpu=3, ran=34_567, tried=34_567, dropped=234, read=34_333, gaps=234),
    )
    busy = row(
        ran=1_234_567, filtered=0, raised=0, tried=1_234_567, dropped=1_234, read=1_233_333,
        delivered=1_233_333, gaps=1_234, missed=None, cpus=cpus,
    )  # fmt: skip
    quiet = row(
        probe="tcp_close", limited=2, ran=52, missed=7, dropped=0, tried=45, gaps=0, read=45
    )
    site = RaisedSite(SiteMeta(0, "ZeroDivisionError", "probe.py", 12, 9, "x = a // b"), 2)
    assert str(Ledger((busy, quiet), (site,), drained=True)).split("\n") == [
        "PROBE              RAN  FILTERED  RAISED  LIMITED  DELIVERED   LOST  RING FULL   MISSED  SHED",
        "inet_listen  1,234,567         0       0        0  1,233,333  1,234      1,234  unknown     0",
        "tcp_close           52         3       2        2         41     11          0        7     4",
        "total        1,234,619         3       2        2  1,233,374  1,245      1,234        7     4",
        "",
        "CPU        RAN      TRIED       READ  RING FULL   GAPS",
        "0    1,200,000  1,200,000  1,199,000      1,000  1,000",
        "3       34,567     34,567     34,333        234    234",
        "",
        "1,245 events lost: ring full 1,234, missed 7, shed 4",
        "some probes' missed hits are not counted by this kernel: there may be more",
        "ring full: 1,000 on cpu 0, 234 on cpu 3",
        "raised: probe.py:12:9: ZeroDivisionError 2 times: x = a // b",
    ]


def test_the_table_shows_that_the_witnesses_disagree():
    text = str(Ledger((row(gaps=9),), damaged=1))
    assert "8 events lost: ring full 4, damaged 1, unexplained 4" in text.replace(
        "9 events", "8 events"
    )
    assert "probe 'inet_listen': witnesses disagree: 9 sequence numbers never came" in text
    assert "1 record could not be decoded" in text
    # A gap at the end shows only once the ring was read to its end.
    assert "disagree" not in str(Ledger((row(gaps=3),)))
    assert "disagree" in str(Ledger((row(gaps=3),), drained=True))


def test_probes_that_send_nothing_just_ran():
    silent = row(
        sends=False, ran=1234, filtered=1234, raised=0, tried=0, dropped=0, gaps=0, read=0
    )
    silent = replace(silent, delivered=0)
    assert Ledger((silent,)).summary() == "ran 1,234 times, 0 lost (missed 0), 0 raised"
    once = replace(silent, ran=1, filtered=1, missed=None)
    assert Ledger((once,)).summary() == "ran 1 time, 0 lost (missed unknown), 0 raised"
    both = Ledger((silent, row(dropped=0, tried=41, gaps=0)))
    assert both.summary().startswith("41 events delivered, 0 lost (ring full 0, missed 0)")


def test_rows_by_cause_and_by_cpu():
    cpus = (CpuRow(cpu=1, ran=50, tried=45, dropped=4, read=41, gaps=4, filtered=3, raised=2),)
    entry = row(role="entry", ran=9, filtered=9, raised=0, tried=0, dropped=0, gaps=0, read=0,
                delivered=0, cpus=(CpuRow(cpu=1, ran=9, filtered=9), CpuRow(cpu=0, ran=1)))  # fmt: skip
    ledger = Ledger((row(cpus=cpus, sampled=5), entry), damaged=2)
    assert ledger.losses == {
        "ring full": 4, "missed": 0, "damaged": 2, "shed": 0, "unexplained": 0,
    }  # fmt: skip
    assert ledger.total.held == {
        "filtered": 3, "limited": 0, "sampled": 5, "aggregated": 0, "overwritten": 0,
    }  # fmt: skip
    assert ledger.by_cpu == {0: CpuRow(cpu=0), 1: cpus[0]}
    assert list(ledger.probes) == ["inet_listen"]
    told = ledger.to_dict()
    assert told["lost"] == 6
    assert told["probes"][0]["dropped"] == 4
    assert told["cpus"][1]["read"] == 41
    assert told["complete"] is True
    assert Ledger((row(missed=None),)).to_dict()["losses"]["missed"] is None
    assert Ledger((row(missed=None),)).to_dict()["complete"] is False
    json.dumps(told)


def test_what_was_held_back_stands_in_the_summary_only_if_there_was_some():
    assert Ledger((row(overwritten=3, read=38, delivered=38, gaps=7),)).summary() == (
        "38 events delivered, 4 lost (ring full 4, missed 0), 3 filtered, 3 overwritten, 2 raised"
    )


def test_the_table_leaves_out_what_follows_forks():
    rows = (row(), row(probe="follow_fork", role="follow", missed=7))
    text = str(Ledger(rows))
    assert "follow_fork" not in text
    assert "inet_listen" in text


def test_records_a_wakeup_are_told_only_where_there_was_one():
    assert "a wake-up;" not in str(DeliveryStats("push", "push", 0.01, records=34))
    assert "17 records a wake-up;" in str(
        DeliveryStats("push", "push", 0.01, records=34, wakeups=2)
    )
