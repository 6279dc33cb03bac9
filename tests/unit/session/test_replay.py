"""Recordings give back what was recorded, and say where they are damaged."""

import asyncio
import os
import random
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from recordings import CLASSES, NOON, Every, Opened, Recorded, RecordedForeign, bare, block

import syscast as sc
from syscast.events.lost import lost
from syscast.session.recording import Recorder


@pytest.fixture(autouse=True)
def ledger_of_each_piece(monkeypatch):
    """However slow the machine is, the ledger is read for each piece that is written."""
    monkeypatch.setattr("syscast.sinks.arrowfile._ACCOUNT_SHARE", 0)


def recorded(path, *, blocks=5, count=40, seed=1, kinds=(1, 3), flush=False):
    rand = random.Random(seed)
    data = [block(rand, count, kinds, start=number * count) for number in range(blocks)]
    session = Recorded(data)
    with Recorder(session, path) as recorder:
        for batch in session.batches():
            recorder.write(batch)
            if flush:
                recorder.flush()
    assert recorder.events == blocks * count
    return session


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.arrows"


@pytest.mark.parametrize("kinds", [(1,), (3,), (1, 3)])
@pytest.mark.parametrize("seed", range(5))
def test_events_come_back_field_by_field(path, seed, kinds):
    session = recorded(path, seed=seed, kinds=kinds)
    with sc.replay(path) as again:
        events = list(again)
        assert again.ended
    assert events == session.live
    assert [each.envelope for each in events] == [each.envelope for each in session.live]
    assert [each.to_json() for each in events] == [each.to_json() for each in session.live]
    assert {type(each) for each in events} == {CLASSES[kind] for kind in kinds}


def test_events_of_other_peoples_objects_have_no_envelope(path):
    rand = random.Random(1)
    session = RecordedForeign([bare(block(rand, 10, (3,))), bare(block(rand, 20, (3,)))])
    with Recorder(session, path) as recorder:
        recorder.run()
    with sc.replay(path) as again:
        events = list(again)
        assert [event._raw for event in events] == session.tuples
    assert events == session.live
    assert {event.envelope for event in events} == {None}
    with sc.replay(path, speed="original") as again:
        (batch,) = again.batches()
        assert batch.array.dtype.names == ("path", "flags", "mac", "pid")


def test_tuples_and_batches_are_the_same_too(path):
    session = recorded(path)
    with sc.replay(path) as again:
        assert [raw for rows in again.tuples() for raw in rows] == session.tuples
    with sc.replay(path) as again:
        batches = list(again.batches())
    assert [event for batch in batches for event in batch.events()] == session.live
    times = [time for batch in batches for time in batch.times(Opened).astype(int).tolist()]
    assert times == [each.time for each in session.live if isinstance(each, Opened)]


def test_the_arrow_stream_of_a_recording(path):
    session = recorded(path)
    with sc.replay(path) as again:
        table = again.arrow().to_arrow()
    assert table.num_rows == len(session.live)
    assert table.column("time").cast("int64").to_pylist() == [each.time for each in session.live]
    assert table.column("probe").to_pylist() == [each.probe for each in session.live]
    paths = [each.path for each in session.live if isinstance(each, Opened)]
    opened = [name == "Opened" for name in table.column("event").to_pylist()]
    assert table.filter(opened).column("path").to_pylist() == paths


def test_asyncio_run_read_and_parts_of_the_stream(path):
    session = recorded(path)

    async def all_of_it():
        with sc.replay(path) as again:
            return [event async for event in again]

    assert asyncio.run(all_of_it()) == session.live
    found = []
    with sc.replay(path) as again:
        again.run(found.append)
    assert found == session.live
    with sc.replay(path) as again:
        first = list(again.events(count=3))
        for event in again:
            first.append(event)
            if len(first) == 50:
                break
        assert [*first, *again] == session.live
        assert again.read() == []


def test_ledger_and_provenance_before_and_after_the_events(path):
    session = recorded(path)
    with sc.replay(path) as again:
        assert again.stats() == session.stats()
        assert again.describe() == ["kprobe on do_open"]
        assert again.provenance().host == "here"
        list(again)
        assert again.stats() == session.stats()
        assert again.account().complete
        assert again.unfinished() == ""


def test_a_wall_clock_that_was_set_is_told_row_by_row(path):
    session = Recorded([block(random.Random(2), 30)])
    session.steps = ((10_500_000, NOON + 10**12), (20_500_000, NOON - 10**12))
    with Recorder(session, path) as recorder:
        recorder.run()
    with sc.replay(path) as again:
        events = list(again)
    assert [each.envelope for each in events] == [each.envelope for each in session.live]
    assert events[9].time < events[10].time - 10**11 < events[19].time > events[20].time + 10**12
    with sc.replay(path) as again:
        batches = list(again.batches())
    assert [len(batch) for batch in batches] == [10, 10, 10]
    assert [each.time for batch in batches for each in batch.events()] == [
        each.time for each in session.live
    ]


def test_classes_are_the_programs_own_if_it_has_them(path):
    recorded(path)
    with sc.replay(path) as again:
        assert again.classes == [Every, Opened]


def test_classes_of_programs_that_are_gone_are_made_of_the_schema(path):
    class Opened(sc.Event):
        path: str
        flags: sc.u32

    one = Opened(path="x", flags=1)
    data = block(random.Random(3), 10, (3,))
    with Recorder(Recorded([data]), path) as recorder:
        recorder.run()
    text = path.read_bytes()
    assert b"recordings:Opened" in text
    with sc.replay(path, classes=()) as again:
        assert again.classes[1] is not type(one)
    with pytest.raises(sc.UsageError, match="its fields differ"):
        sc.replay(path, classes=[Opened])


def test_original_timing_and_its_multiples(path):
    session = recorded(path, blocks=2, count=40)  # one event a ms, 80 of them
    for speed, least in (("original", 0.075), (2, 0.038), (None, 0)):
        start = time.monotonic()
        with sc.replay(path, speed=speed) as again:
            events = list(again)
        took = time.monotonic() - start
        assert events == session.live
        assert least <= took < least + 2
    with sc.replay(path, speed=0.1) as again:
        assert len(again.read()) < 10
        assert again.read(0) == []
        assert len(list(again.events(timeout=0.05))) < 40


def test_stop_from_another_thread_ends_a_wait(path):
    recorded(path, blocks=1, count=10)
    with sc.replay(path, speed=1e-6) as again:
        assert len(again.read()) == 1
        timer = threading.Timer(0.05, again.stop)
        timer.start()
        assert again.read() == []
        assert again.ended
        timer.join()


def gap(number, count=5, cause="ring full"):
    """A loss that showed at the event of this number."""
    boot = (number + 1) * 1_000_000
    return lost(
        "opened", cause, count, start=boot - 500, end=boot, cpu=1, wall=lambda each: each + NOON
    )


@pytest.fixture
def lossy(path):
    """A recording with losses: before events 3 and 7, and behind the last of 20."""
    rand = random.Random(9)
    session = Recorded([block(rand, 10), block(rand, 10, start=10)])
    session.lost = [(gap(3), gap(7, cause="missed")), (gap(12),)]
    session.lost_at_last = [gap(40)]
    with Recorder(session, path) as recorder:
        recorder.run()
    return session


def test_losses_stand_where_they_stood(path, lossy):
    live = lossy.live
    with sc.replay(path) as again:
        items = list(again.stream())
    missing = [gap(3), gap(7, cause="missed"), gap(12), gap(40)]
    expected = [*live[:3], missing[0], *live[3:7], missing[1], *live[7:12], missing[2]]
    assert items == [*expected, *live[12:], missing[3]]
    assert [str(each) for each in items if isinstance(each, sc.Lost)] == list(map(str, missing))

    async def all_of_it():
        with sc.replay(path) as again:
            return [item async for item in again.stream()]

    assert asyncio.run(all_of_it()) == items
    with sc.replay(path) as again:
        assert [*again.stream(count=5), *again.stream()] == items
    with sc.replay(path) as again:
        found = [again.collect(), again.collect(), again.collect()]
    assert [*found[0], *found[1], *found[2]] == items


def test_losses_are_warned_of_where_they_are_not_given(path, lossy):
    words = "lost when it was recorded"
    with sc.replay(path) as again, pytest.warns(sc.LostEventsWarning, match=words):
        assert list(again) == lossy.live
    with sc.replay(path) as again, pytest.warns(sc.LostEventsWarning, match=words):
        assert [raw for rows in again.tuples() for raw in rows] == lossy.tuples
    with sc.replay(path) as again:
        found = [each for batch in again.batches() for each in batch.lost]
    assert found == [gap(3), gap(7, cause="missed"), gap(12), gap(40)]


def test_losses_behind_everything_else(path):
    session = Recorded([block(random.Random(9), 10)])
    with Recorder(session, path) as recorder:
        for batch in session.batches():
            recorder.write(batch)
        recorder.flush()
        recorder.lose([gap(40, count=2)])
    with sc.replay(path) as again:
        assert list(again.stream()) == [*session.live, gap(40, count=2)]
    with sc.replay(path) as again, pytest.warns(sc.LostEventsWarning, match="2 events lost"):
        assert [len(batch) for batch in again.batches()] == [10]


def test_losses_go_from_one_recording_to_another(path, lossy, tmp_path):
    assert lossy.live
    with sc.replay(path) as first, Recorder(first, tmp_path / "again.arrows") as recorder:
        recorder.run()
    with sc.replay(path) as first, sc.replay(tmp_path / "again.arrows") as second:
        assert list(first.stream()) == list(second.stream())


@pytest.mark.parametrize("speed", [0, -1, "fast", "nan", "inf", ""])
def test_speeds_that_are_none(path, speed):
    recorded(path, blocks=1)
    with pytest.raises(sc.UsageError, match=r"speed .* set: it is none"):
        sc.replay(path, speed=speed)


def test_a_closed_replay_is_closed(path):
    recorded(path, blocks=1)
    again = sc.replay(path)
    again.close()
    again.close()
    with pytest.raises(sc.UsageError, match="replay: read: it is closed"):
        again.read()
    for reading in (list, lambda p: p.batches(), lambda p: p.tuples()):
        with pytest.raises(sc.UsageError, match="replay: read: it is closed"):
            reading(again)
    for reading in (again.arrow, again.stream, again.events, again.__aiter__):
        with pytest.raises(sc.UsageError, match="replay: read: it is closed"):
            reading()
    assert sum(row.delivered for row in again.stats().rows) == 40


@pytest.mark.parametrize(
    "reading",
    [
        lambda again: again.read(),
        lambda again: list(again.events()),
        lambda again: list(again.batches()),
        lambda again: list(again.tuples()),
    ],
    ids=["read", "events", "batches", "tuples"],
)
def test_close_from_another_thread_ends_a_wait_and_gives_nothing_more(path, reading):
    recorded(path, blocks=1, count=40)
    again = sc.replay(path, speed=0.01)  # 100 ms from event to event
    assert len(again.read()) == 1
    closed_at = []

    def close():
        again.close()
        closed_at.append(time.monotonic())

    timer = threading.Timer(0.05, close)
    timer.start()
    found = reading(again)
    ended = time.monotonic()
    timer.join()
    assert found == []
    assert ended - closed_at[0] < 0.05
    assert again.ended


def test_close_from_a_signal_handler_ends_a_wait(path):
    recorded(path, blocks=1, count=40)
    again = sc.replay(path, speed=0.01)
    before = signal.signal(signal.SIGALRM, lambda *_: again.close())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert list(again.batches()) == []
    finally:
        signal.signal(signal.SIGALRM, before)
    assert again.ended


def test_who_closes_in_a_loop_gets_no_further_event(path):
    recorded(path, blocks=1, count=40)
    again = sc.replay(path)
    found = []
    for event in again:
        found.append(event)
        again.close()
    assert len(found) == 1


@pytest.mark.parametrize("form", ["batches", "tuples"])
def test_what_is_not_due_when_the_time_is_over_comes_at_the_next_reading(path, form):
    session = recorded(path, blocks=2, count=20)
    with sc.replay(path, speed=0.1) as again:  # 10 ms from event to event
        parts = [[len(each) for each in getattr(again, form)(timeout=0.05)] for _ in range(3)]
        counts = [sum(each) for each in parts]
        assert 1 <= counts[0] < 20
        assert sum(counts) < 40
        rest = [event for batch in again.batches() for event in batch.events()]
    assert rest == session.live[sum(counts) :]


def test_losses_are_cut_with_the_events_around_them(path, lossy):
    del lossy
    with sc.replay(path) as again:
        whole = list(again.stream())
    with sc.replay(path, speed=0.1) as again:
        found = []
        while not again.ended:
            for batch in again.batches(timeout=0.03):
                found += [*batch.lost, *batch.events()]
        found += again.missing()
    assert sorted(map(repr, found)) == sorted(map(repr, whole))


def test_a_replay_is_recorded_as_far_as_it_came(path, tmp_path):
    session = recorded(path, blocks=4, count=20)
    with sc.replay(path, speed=0.1) as again, Recorder(again, tmp_path / "cut.arrows") as recorder:
        recorder.run(timeout=0.1)
    with sc.replay(tmp_path / "cut.arrows") as cut:
        events = list(cut)
    assert 2 <= len(events) < 40
    assert events == session.live[: len(events)]


def test_a_replay_is_not_recorded_into_its_own_file(path, tmp_path):
    recorded(path)
    before = path.read_bytes()
    (tmp_path / "link.arrows").symlink_to(path)
    with sc.replay(path) as again:
        for name in (path, tmp_path / "link.arrows"):
            with pytest.raises(sc.UsageError, match=r"open: it is the file that is read"):
                Recorder(again, name)
    assert path.read_bytes() == before


def whole(path):
    """What can be read, and the error."""
    found = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with sc.replay(path) as again:
                for event in again:
                    found.append(event)  # noqa: PERF402  (those before an error count)
                again.stats()
    except (sc.FormatError, sc.LostEventsWarning) as error:
        return found, str(error)
    return found, ""


def test_every_cut_gives_what_stands_before_it_and_an_error(path):
    session = recorded(path, blocks=3, count=5, flush=True)
    data = path.read_bytes()
    sizes = set()
    for end in [*range(0, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:end])
        events, error = whole(path)
        assert events == session.live[: len(events)]
        assert error.startswith(f"recording '{path}': read: "), end
        sizes.add(len(events))
    assert sizes == {0, 5, 10, 15}


def test_every_flipped_bit_is_noticed(path):
    session = recorded(path, blocks=2, count=5, flush=True)
    data = bytearray(path.read_bytes())
    rand = random.Random(4)
    for _ in range(300):
        at, bit = rand.randrange(len(data)), 1 << rand.randrange(8)
        data[at] ^= bit
        path.write_bytes(data)
        data[at] ^= bit
        events, error = whole(path)
        assert events == session.live[: len(events)]
        assert error, at


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"hello\n", "it is no recording"),
        (b"\x7fELF" + bytes(60), "it is an ELF object"),
        (b"ARROW1\0\0" + bytes(60), "it is an Arrow file, not a stream"),
        (b"PAR1" + bytes(60), "it is a Parquet file"),
        (b"\xff\xff\xff\xff" + bytes(4), "it is empty"),
        (bytes(100), "it is no recording"),
    ],
)
def test_what_is_no_recording(path, content, words):
    path.write_bytes(content)
    with pytest.raises(sc.FormatError, match=words):
        sc.replay(path)


def test_what_cannot_be_opened(path, tmp_path):
    with pytest.raises(sc.UsageError, match="open: no such file"):
        sc.replay(path)
    with pytest.raises(sc.UsageError, match="open: is a directory"):
        sc.replay(tmp_path)


def test_arrow_streams_of_others(path):
    nanoarrow = pytest.importorskip("nanoarrow")
    from nanoarrow.ipc import InputStream  # noqa: PLC0415

    assert nanoarrow
    path.write_bytes(InputStream.example_bytes())
    with pytest.raises(sc.FormatError, match="its messages have no check sums"):
        sc.replay(path)


def test_a_newer_format_says_what_to_do(path, monkeypatch):
    monkeypatch.setattr("syscast.events.recorded.FORMAT", 2)
    monkeypatch.setattr("syscast.session.recording.__version__", "9.1")
    recorded(path, blocks=1)
    monkeypatch.undo()
    with pytest.raises(sc.FormatError, match=r"format 2, by syscast 9\.1.*install a newer"):
        sc.replay(path)


def test_a_recorder_that_was_killed_leaves_its_events_and_a_ledger(path):
    pid = os.fork()
    if not pid:
        rand = random.Random(1)
        session = Recorded([block(rand, 40), block(rand, 40, start=40)])
        recorder = Recorder(session, path)
        recorder.open()
        for batch in session.batches():
            recorder.write(batch)
            recorder.flush()
        os._exit(0)  # without finish, as by kill -9
    os.waitpid(pid, 0)
    with warnings.catch_warnings(record=True) as said, sc.replay(path) as again:
        warnings.simplefilter("always")
        assert len(list(again)) == 80
        assert again.stats()["opened"].delivered == 80
        assert "the recorder still runs, or was killed" in again.unfinished()
    assert [each.category for each in said] == [sc.LostEventsWarning]


def test_replays_can_be_recorded_again(path, tmp_path):
    session = recorded(path)
    with sc.replay(path) as first, Recorder(first, tmp_path / "again.arrows") as recorder:
        recorder.run()
    with sc.replay(tmp_path / "again.arrows") as again:
        assert list(again) == session.live
        assert again.provenance().start == NOON
        assert again.stats() == session.stats()
