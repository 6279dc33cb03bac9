"""What a recording does with a full disk, pipes, counts and filters."""

import errno
import json
import os
import random
import resource
import struct
import sys
import warnings
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent))
from recordings import CLASSES, PROGRAMS, Opened, Recorded, block

import syscast as sc
from syscast.events.ledger import Ledger, LedgerRow
from syscast.events.schema import record_struct
from syscast.session.recording import Recorder, provenance_of
from syscast.sinks.sink import SinkClosed, SinkError


@pytest.fixture(autouse=True)
def ledger_of_each_piece(monkeypatch):
    """However slow the machine is, the ledger is read for each piece that is written."""
    monkeypatch.setattr("syscast.sinks.arrowfile._ACCOUNT_SHARE", 0)


def session(blocks=6, count=50, seed=2, kinds=(1, 3)):
    rand = random.Random(seed)
    return Recorded([block(rand, count, kinds, start=n * count) for n in range(blocks)])


def replayed(path):
    with sc.replay(path) as again:
        events = []
        with pytest.warns(sc.LostEventsWarning):
            events += again
        return events, again.stats(), again.unfinished()


def in_child(work):
    """Run something in a fork, whose limits are its own; gives what it returns as JSON."""
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(into, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(into)
    text = Path(f"/dev/fd/{out}").read_bytes()
    os.close(out)
    os.waitpid(pid, 0)
    return json.loads(text)


@pytest.mark.parametrize("limit", [41_111, 52_345, 63_000, 70_007])
def test_a_file_that_may_not_grow_keeps_its_last_whole_batch(tmp_path, limit):
    path = tmp_path / "full.arrows"

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        source = session()
        try:
            with Recorder(source, path) as recorder:
                for batch in source.batches():
                    recorder.write(batch)
                    recorder.flush()
        except SinkError as error:
            return [str(error), error.errno, len(source.live)]
        return ["", 0, 0]

    message, number, _ = in_child(work)
    assert number == errno.EFBIG
    assert path.stat().st_size <= limit
    events, ledger, unfinished = replayed(path)
    assert f"'{path}' is whole and holds the first {len(events)} events" in message
    assert message.startswith("sink 'arrow': write: file too large (")
    assert ledger["opened"].delivered == len(events) > 0
    assert "file too large" in unfinished
    whole = session()
    list(whole.batches())
    assert events == whole.live[: len(events)]


def test_a_full_disk_says_so_and_the_sink_takes_nothing_more(tmp_path, monkeypatch):
    path = tmp_path / "full.arrows"
    room = 40_000
    write = os.pwrite

    def pwrite(fd, data, at):
        if at >= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, memoryview(data)[: room - at], at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    source = session()
    recorder = Recorder(source, path)
    recorder.open()
    words = r"no space left on device \(free some space.*holds the first"
    with pytest.raises(SinkError, match=words):  # noqa: PT012  (some of it goes well)
        for batch in source.batches():
            recorder.write(batch)
            recorder.flush()
    held = recorder.events
    for batch in session().batches():
        recorder.write(batch)
    recorder.finish()
    recorder.close()
    monkeypatch.undo()
    events, _, unfinished = replayed(path)
    assert len(events) == held
    assert "no space left on device" in unfinished


def test_a_pipe_gets_all_of_it_at_once(tmp_path):
    fifo = tmp_path / "pipe.arrows"
    os.mkfifo(fifo)
    pid = os.fork()
    if not pid:
        with Recorder(session(), fifo) as recorder:
            recorder.run()
        os._exit(0)
    copy = tmp_path / "copy.arrows"
    copy.write_bytes(fifo.read_bytes())
    os.waitpid(pid, 0)
    with sc.replay(copy) as again:
        assert len(list(again)) == 300
        assert again.account().complete


def test_a_pipe_is_replayed_and_has_its_ledger_at_the_end(tmp_path):
    path, fifo = tmp_path / "file.arrows", tmp_path / "pipe"
    with Recorder(session(), path) as recorder:
        recorder.run()
    os.mkfifo(fifo)
    pid = os.fork()
    if not pid:
        fifo.write_bytes(path.read_bytes())
        os._exit(0)
    with sc.replay(fifo) as again:
        with pytest.raises(sc.UsageError, match="it stands at the end"):
            again.stats()
        assert len(list(again)) == 300
        assert again.stats()["opened"].delivered == 300
    os.waitpid(pid, 0)


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    fifo = tmp_path / "pipe.arrows"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    recorder = Recorder(session(), fifo)
    recorder.open()
    os.close(reader)
    with pytest.raises(SinkClosed):  # noqa: PT012  (either may see it first)
        recorder.run()
        recorder.flush()
    recorder.close()


@pytest.mark.parametrize("count", [1, 49, 50, 51, 120, 300])
def test_count_is_exact_and_the_ledger_knows_it(tmp_path, count):
    path = tmp_path / "some.arrows"
    source = session()
    with Recorder(source, path) as recorder:
        recorder.run(count=count)
    assert recorder.full
    assert source.detached
    with sc.replay(path) as again:
        assert list(again) == source.live[:count]


def test_accept_leaves_out_what_is_not_wanted(tmp_path):
    path = tmp_path / "some.arrows"
    source = session()
    with Recorder(source, path) as recorder:
        recorder.run(accept=lambda event: isinstance(event, Opened) and event.flags & 1)
    with sc.replay(path) as again:
        wanted = [each for each in source.live if isinstance(each, Opened) and each.flags & 1]
        assert list(again) == wanted
        assert 0 < len(wanted) < 200


def test_events_of_several_cpus_come_in_the_order_of_time(tmp_path):
    path = tmp_path / "some.arrows"
    rand = random.Random(5)
    late, early = block(rand, 30, (3,), start=100), block(rand, 30, (1, 3), start=0)
    source = Recorded([late + early])
    with Recorder(source, path) as recorder:
        recorder.run()
    with sc.replay(path) as again:
        events = list(again)
    assert events == sorted(source.live, key=lambda event: event.time)
    assert events != source.live


def test_an_existing_file_is_replaced_only_when_recording_begins(tmp_path):
    path = tmp_path / "old.arrows"
    path.write_bytes(b"precious" * 100_000)
    recorder = Recorder(session(1), path)
    assert path.stat().st_size == 800_000
    with recorder:
        recorder.run()
    with sc.replay(path) as again:
        assert len(list(again)) == 50


def test_where_it_cannot_be_written(tmp_path):
    with pytest.raises(sc.UsageError, match=r"output .*: open: is a directory"):
        Recorder(session(), tmp_path)
    with pytest.raises(sc.UsageError, match=r"output .*: open: no such file or directory"):
        Recorder(session(), tmp_path / "no" / "file.arrows")


def test_probes_that_send_nothing(tmp_path):
    source = Recorded([])
    source.decoder.schemas.clear()
    with pytest.raises(sc.UsageError, match="its probes send no events"):
        Recorder(source, tmp_path / "file.arrows")
    assert not (tmp_path / "file.arrows").exists()


def test_an_error_in_the_middle_leaves_a_file_that_says_so(tmp_path):
    path = tmp_path / "some.arrows"
    source = session(2)
    with pytest.raises(ZeroDivisionError), Recorder(source, path) as recorder:  # noqa: PT012
        recorder.write(next(source.batches()))
        raise ZeroDivisionError
    events, _, unfinished = replayed(path)
    assert len(events) == 50
    assert "the recorder had an error" in unfinished


def test_other_readers_get_columns(tmp_path):
    nanoarrow = pytest.importorskip("nanoarrow")
    path = tmp_path / "file.arrows"
    source = session(2)
    with Recorder(source, path) as recorder:
        recorder.run()
    stream = nanoarrow.ArrayStream.from_path(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's times have no ns
        rows = stream.read_all().to_pylist()
    assert [row["seq"] for row in rows] == [each.envelope.seq for each in source.live]
    assert rows[0].keys() >= {"event", "time", "probe", "comm", "path", "addr", "color"}
    named = {row["color"] for row in rows if row["event"] == "Every"}
    assert named == {"red", "green", "77"}
    keys = {key.decode() for key in dict(stream.schema.metadata)}
    assert keys >= {"syscast.format", "syscast.version", "syscast.probes", "syscast.recorded"}


def test_provenance_has_the_probes_as_they_were_written():
    def opened(flags):
        return Opened(flags=flags)

    told = provenance_of(["kprobe on f"], ["filter 'pid': in the kernel"], {"f": opened})
    assert "return Opened(flags=flags)" in told.probes["f"]
    assert told.command_line == tuple(sys.argv)
    assert told.start - told.clock_offset == told.boot_time
    assert told.host
    assert told.kernel


def test_rings_of_two_objects_keep_their_programs_apart(tmp_path):
    path = tmp_path / "two.arrows"
    rand = random.Random(6)
    one, two = Recorded([block(rand, 20)]), Recorded([block(rand, 20, (3,), start=20)])

    class Both(Recorded):
        @property
        def senders(self):
            return [*one.senders, *two.senders]

        @property
        def ended(self):
            return one.ended and two.ended

        def batches(self, *, timeout=None):
            yield from one.batches(timeout=timeout)
            yield from two.batches(timeout=timeout)

    with Recorder(Both([]), path) as recorder:
        recorder.run()
    with sc.replay(path) as again:
        events = list(again)
    assert events == one.live + two.live
    assert [each.envelope for each in events] == [each.envelope for each in one.live + two.live]


class Pattern(Recorded):
    """Two programs that are on many functions: events are named by these, the ledger by programs."""

    def batches(self, *, timeout=None):
        for batch in super().batches(timeout=timeout):
            for event in batch.events():
                self.sent[event._raw[6]] += 1
            yield batch

    def __init__(self, blocks):
        super().__init__(blocks)
        self.sent = Counter()
        named = {key: (5, {}) for key in self.decoder.schemas}
        self.decoder._origin = replace(self.decoder._origin, functions=named)

    def stats(self):
        rows = (
            LedgerRow(probe=each.probe, ran=n, tried=n, read=n, delivered=n)
            for each in PROGRAMS
            for n in [self.sent[each.id]]
        )
        return Ledger(rows=tuple(rows))


@pytest.mark.parametrize("count", [1, 49, 50, 77, 300])
def test_the_ledger_has_the_events_of_a_pattern_that_are_in_the_file(tmp_path, count):
    path, copy = tmp_path / "some.arrows", tmp_path / "copy.arrows"
    rand = random.Random(3)
    source = Pattern([block(rand, 50, start=n * 50) for n in range(6)])
    with Recorder(source, path) as recorder:
        recorder.run(count=count)
    assert source.live[0].envelope.probe not in {"opened", "other"}
    with sc.replay(path) as again:
        raws = [raw for rows in again.tuples() for raw in rows]
        ledger = again.stats()
        assert again.account().complete
    programs = Counter(raw[6] for raw in raws)
    assert [row.delivered for row in ledger] == [programs[each.id] for each in PROGRAMS]
    assert ledger.total.delivered == count
    with sc.replay(path) as again, Recorder(again, copy) as recorder:
        recorder.run(count=(count + 1) // 2)
    with sc.replay(copy) as third:
        assert len(list(third)) == third.stats().total.delivered == (count + 1) // 2
        assert third.account().complete


def test_the_copy_of_a_recording_that_was_cut_off_says_so_too(tmp_path):
    path, copy = tmp_path / "some.arrows", tmp_path / "copy.arrows"
    with Recorder(session(2), path) as recorder:
        recorder.run()
        recorder.finish(complete=False, reason="the disk was full")
    with sc.replay(path) as again, Recorder(again, copy) as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore", sc.LostEventsWarning)
        recorder.run()
    assert "the disk was full" in replayed(copy)[2]


def test_classes_of_one_name_and_equal_fields_stay_apart(tmp_path):
    path = tmp_path / "same.arrows"
    space = {"sc": sc, "__annotations__": {"n": sc.i64}}
    one = type(sc.Event)("Same", (sc.Event,), {**space, "__module__": "one"})
    two = type(sc.Event)("Same", (sc.Event,), {**space, "__module__": "two"})
    layout = record_struct(one.schema(1))
    parts = []
    for n in range(20):
        header = (n + 1, n, 0, 1, 1, 1 + n % 3 % 2, 0, 0, b"")
        parts += (struct.pack("<II", layout.size, 0), layout.pack(*header, n))
    source = Recorded([b"".join(parts)], {1: one, 2: two})
    with Recorder(source, path) as recorder:
        recorder.run()
    with sc.replay(path) as again:
        events = list(again)
    assert {type(each) for each in source.live} == {one, two}
    assert [type(each) for each in events] == [type(each) for each in source.live]
    assert events == source.live
    with sc.replay(path) as again:
        names = again.arrow().to_arrow().column("event").to_pylist()
    assert names == ["Same" if type(each) is one else "Same_2" for each in events]


def test_a_recorder_that_is_not_open_takes_nothing(tmp_path):
    path = tmp_path / "old.arrows"
    path.write_text("precious")
    source = session(1)
    recorder = Recorder(source, path)
    (batch,) = source.batches()
    with pytest.raises(sc.UsageError, match=r"recorder '.*': write: it is not open \(use it in a"):
        recorder.write(batch)
    with pytest.raises(sc.UsageError, match=r"recorder '.*': finish: it is not open"):
        recorder.finish()
    recorder.close()
    assert path.read_text() == "precious"


def test_a_recorder_takes_no_batch_of_another_session(tmp_path):
    path = tmp_path / "file.arrows"
    source = session(1)
    (batch,) = session(1).batches()
    with Recorder(source, path) as recorder:
        with pytest.raises(sc.UsageError, match="the batch is of another session"):
            recorder.write(batch)
        recorder.run()
    with sc.replay(path) as again:
        assert list(again) == source.live


def test_what_is_no_file_is_not_said_to_be_whole():
    words = r"no space left on device \(.*; 0 events went to '/dev/full' before\)"
    with pytest.raises(SinkError, match=words), Recorder(session(1), "/dev/full") as recorder:
        recorder.run()


def test_blocks_have_the_sizes_that_the_decoder_wants():
    size = struct.unpack_from("<I", block(random.Random(1), 1, (3,)))[0]
    assert size == 56 + CLASSES[3].schema(3).size
