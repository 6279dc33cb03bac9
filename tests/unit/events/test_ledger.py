import pytest

from syscast.events.ledger import Ledger, LedgerRow, RaisedSite
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
            row(probe="openat", role="entry", ran=60, filtered=10, raised=1, tried=0, dropped=0),
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
            "sequence gaps 5 > dropped 4 + aggregated 0 + discarded 0 + decode errors 0",
        ),
        ({"gaps": 3}, "sequence gaps 3 < dropped 4 + aggregated 0 + discarded 0"),
    ],
    ids=str,
)
def test_each_broken_equation_is_named(changed, text):
    problems = Ledger((row(**changed),)).problems()
    assert f"probe 'inet_listen': {text}" in problems
    assert not Ledger((row(**changed),)).consistent()


def test_raised_sites_name_the_line():
    site = SiteMeta(0, "ZeroDivisionError", "probe.py", 12, 9, "    x = a // b")
    other = SiteMeta(1, "OverflowError", "probe.py", 3, 5)
    never = SiteMeta(2, "ValueError", "probe.py", 4, 5)
    ledger = Ledger((), (RaisedSite(other, 1), RaisedSite(site, 3), RaisedSite(never, 0)))
    assert ledger.details() == [
        "probe.py:12:9: ZeroDivisionError 3 times: x = a // b",
        "probe.py:3:5: OverflowError 1 time",
    ]
