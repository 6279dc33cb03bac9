import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from syscast.events.sequence import SequenceTracker


def record(number, program=0, cpu=0):
    return (0, number, 0, 0, 0, 1, program, cpu, b"")


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
    for batch in batches:
        records = [record(*each) for each in batch]
        single.observe(records)
        numbers = np.array([each[1] for each in records], np.uint64)
        words = [each[5] | each[6] << 16 | each[7] << 32 for each in records]
        columns.observe_words(numbers, np.array(words, np.uint64))
    for program in range(3):
        assert columns.gaps(program) == single.gaps(program)
        assert columns.received(program) == single.received(program)
    assert columns.disorder == single.disorder


RUNS = st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=12), max_size=4)


@given(RUNS, st.booleans())
def test_a_run_of_one_program_gives_what_single_records_give(runs, rising):
    single, whole = SequenceTracker(), SequenceTracker()
    for drawn in runs:
        numbers = sorted(set(drawn)) if rising else drawn
        single.observe(record(number, program=3, cpu=1) for number in numbers)
        whole.observe_run(1 | 3 << 16 | 1 << 32, numbers)
    assert (whole.gaps(3), whole.received(3)) == (single.gaps(3), single.received(3))
    assert whole.disorder == single.disorder


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_gaps_equal_drops(kept, batch):
    """The second witness: what a full ring drops is what the numbers lack."""
    tracker = SequenceTracker()
    records = [record(number) for number, keep in enumerate(kept) if keep]
    for at in range(0, len(records), batch):
        tracker.observe(records[at : at + batch])
    assert tracker.missing(0, {0: len(kept)}) == kept.count(False)
