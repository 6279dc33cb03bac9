from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from syscast.events.sequence import SequenceTracker


def record(number, program=0, cpu=0, time=0):
    return (time, number, 0, 0, 0, 1, program, cpu, b"")


def told(tracker):
    """The gaps that it noted: program, CPU, first, end, count, time before and behind."""
    return [
        (each.program, each.cpu, each.first, each.end, each.count, each.since, each.until)
        for each in tracker.take()
    ]


def observed(*records):
    tracker = SequenceTracker()
    tracker.observe(records)
    return tracker


def test_no_gap_where_every_number_comes():
    tracker = observed(*(record(number) for number in range(10)))
    assert tracker.gaps(0) == 0
    assert tracker.received(0) == 10
    assert tracker.disorder == {}


def test_what_is_missing_at_the_start_counts():
    assert observed(record(3)).gaps(0) == 3


def test_each_program_and_cpu_has_its_own_numbers():
    tracker = observed(record(0), record(0, cpu=1), record(2), record(5, program=7, cpu=1))
    assert tracker.gaps(0) == 1
    assert tracker.gaps(7) == 5
    assert tracker.gaps(1) == 0
    assert (tracker.received(0), tracker.received(7)) == (3, 1)


def test_a_late_number_fills_its_gap_and_is_noted():
    tracker = observed(record(0), record(2), record(1), record(3))
    assert tracker.gaps(0) == 0
    assert tracker.disorder == {0: 1}
    assert tracker.received(0) == 4


def test_missing_counts_the_last_numbers_too():
    tracker = observed(record(0), record(2), record(0, cpu=1))
    assert tracker.gaps(0) == 1
    assert tracker.missing(0, {0: 5, 1: 1, 2: 4}) == 1 + 2 + 0 + 4


RECORDS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 2), st.integers(0, 2)), max_size=30
)


@given(st.lists(RECORDS, max_size=3))
def test_columns_give_what_single_records_give(batches):
    single, columns = SequenceTracker(), SequenceTracker()
    clock = count(1)
    for batch in batches:
        records = [record(*each, time=next(clock)) for each in batch]
        single.observe(records)
        numbers = np.array([each[1] for each in records], np.uint64)
        words = [each[5] | each[6] << 16 | each[7] << 32 for each in records]
        times = np.array([each[0] for each in records], np.uint64)
        columns.observe_words(numbers, np.array(words, np.uint64), times)
    for program in range(3):
        assert columns.gaps(program) == single.gaps(program)
        assert columns.received(program) == single.received(program)
    assert columns.disorder == single.disorder
    assert sorted(told(columns)) == sorted(told(single))
    assert columns.late == single.late


RUNS = st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=12), max_size=4)


@given(RUNS, st.booleans())
def test_a_run_of_one_program_gives_what_single_records_give(runs, rising):
    single, whole = SequenceTracker(), SequenceTracker()
    clock = count(1)
    for drawn in runs:
        numbers = sorted(set(drawn)) if rising else drawn
        times = [next(clock) for _ in numbers]
        single.observe(
            record(number, program=3, cpu=1, time=time)
            for number, time in zip(numbers, times, strict=True)
        )
        whole.observe_run(1 | 3 << 16 | 1 << 32, numbers, times)
    assert (whole.gaps(3), whole.received(3)) == (single.gaps(3), single.received(3))
    assert whole.disorder == single.disorder
    assert told(whole) == told(single)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_gaps_equal_drops(kept, batch):
    """The second witness: what a full ring drops is what the numbers lack."""
    tracker = SequenceTracker()
    records = [record(number) for number, keep in enumerate(kept) if keep]
    for at in range(0, len(records), batch):
        tracker.observe(records[at : at + batch])
    assert tracker.missing(0, {0: len(kept)}) == kept.count(False)


def test_a_gap_is_noted_with_its_neighbours_times():
    tracker = observed(record(0, time=10), record(0, cpu=1, time=11), record(4, time=20))
    assert told(tracker) == [(0, 0, 1, 4, 3, 10, 20)]
    assert told(tracker) == []  # each once
    tracker.observe([record(5, time=30), record(7, cpu=1, time=40)])
    assert told(tracker) == [(0, 1, 1, 7, 6, 11, 40)]
    assert tracker.last_time(1 << 16) == 40
    assert tracker.last_time(9) == 0


def test_a_gap_that_a_late_record_fills_is_not_told():
    tracker = observed(record(0), record(4), record(2), record(1), record(3), record(5))
    assert told(tracker) == []
    tracker = observed(record(0), record(4), record(2))
    assert [each[4] for each in told(tracker)] == [2]
    tracker.observe([record(3)])  # after it was told
    assert tracker.late == {0: 1}
    assert tracker.gaps(0) == 1


def test_many_gaps_are_put_together():
    tracker = observed(*(record(number, time=number) for number in range(0, 2000, 2)))
    found = told(tracker)
    assert len(found) <= 16
    assert sum(each[4] for each in found) == tracker.gaps(0) == 999
    assert (found[0][2], found[0][5], found[-1][6]) == (1, 0, 1998)
    # They do not grow without a bound where nobody takes them.
    tracker.observe(record(number) for number in range(2000, 60_000, 2))
    assert len(tracker.found) <= 10_000
    assert sum(each[4] for each in told(tracker)) == tracker.gaps(0) - 999
