"""What tracing costs, and what is held back, in numbers and in words."""

import json

import pytest

from syscast.events.coststats import Cost, percent, program_cost
from syscast.events.ledger import Ledger
from syscast.events.pressurestats import PressureStats

COST = Cost(
    2.0,
    (
        program_cost("tcp_connect", "entry", 1000, 400_000_000, 2.0),
        program_cost("tcp_connect", "exit", 500, 100_000_000, 2.0),
        program_cost("idle", "probe", 0, 0, 2.0),
    ),
    reader=0.1,
    process=0.3,
)


def test_shares_are_of_one_cpu():
    assert COST.programs_share == pytest.approx(0.25)
    assert COST.reader_share == pytest.approx(0.05)
    assert COST.process_share == pytest.approx(0.15)
    assert COST.share == pytest.approx(0.30)
    assert [each.ns_per_hit for each in COST.programs] == [400_000, 200_000, 0]


def test_what_ran_is_said_line_by_line():
    assert str(COST).splitlines() == [
        "cost: tcp_connect (entry): 1,000 hits, 400000 ns each, 20 % of a CPU",
        "cost: tcp_connect (exit): 500 hits, 200000 ns each, 5.0 % of a CPU",
        "cost: reader 5.0 % of a CPU, whole process 15 %; programs and reader 30 %",
    ]


def test_before_any_time_has_passed_nothing_is_divided_by_it():
    cost = Cost(0.0, (program_cost("a", "probe", 1, 1, 0.0),), 0.0, 0.0)
    assert cost.share == 0.0


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.00 %"), (0.0025, "0.25 %"), (0.0131, "1.3 %"), (0.85, "85 %"), (2, "200 %")],
    ids=str,
)
def test_shares_are_written_with_two_digits(share, text):
    assert percent(share) == text


def test_sampling_and_budget_are_said():
    assert PressureStats("sample").lines() == [
        "sampling: keeping all events (at most 1 of 1 so far)"
    ]
    budget = PressureStats("drop", 8, 16, 4, 0.01, 0.009, None)
    assert str(budget).splitlines() == [
        "sampling: keeping 1 of 8 events (at most 1 of 16 so far)",
        "budget: 0.90 % of a CPU used, 1.0 % allowed",
    ]
    over = PressureStats("drop", 4096, 4096, 3, 0.01, 0.032, 0.032)
    assert over.lines()[1] == (
        "budget: 3.2 % of a CPU used, 1.0 % allowed (tracing takes 3.2 % of a CPU even where next to "
        "nothing is sent: the budget of 1.0 % cannot be kept)"
    )


def test_a_ledger_shows_both():
    ledger = Ledger(pressure=PressureStats("sample", 4, 4, 1), cost=COST)
    shown = str(ledger)
    assert "keeping 1 of 4 events" in shown
    assert "programs and reader 30 %" in shown
    plain = json.loads(json.dumps(ledger.to_dict()))
    assert plain["pressure"]["keep_one_in"] == 4
    assert plain["cost"]["programs"][0]["ns_per_hit"] == 400_000
