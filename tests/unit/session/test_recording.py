"""What a recording does with a full disk, pipes, counts and filters."""

import errno
import json
import os
import random
import resource
import struct
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from recordings import CLASSES, Opened, Recorded, block

import syscast as sc
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


def test_blocks_have_the_sizes_that_the_decoder_wants():
    size = struct.unpack_from("<I", block(random.Random(1), 1, (3,)))[0]
    assert size == 56 + CLASSES[3].schema(3).size
