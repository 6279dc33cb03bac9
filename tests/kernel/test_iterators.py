"""Tables of the kernel as rows: the same as /proc, getsockname and bpf(2) say, none lost, none twice.

Rows of the network come from a namespace that the test made, rows of tasks from its own process.
"""

from __future__ import annotations

import collections
import os
import sys
import tempfile
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from own_network import Network

import syscast as sc
from syscast import features, i32, u8, u16, u32, u64
from syscast.btf import source
from syscast.buffers import seqfile
from syscast.cli import rows
from syscast.kernel import bpfmaps
from syscast.kernel.bpfinfo import map_info
from syscast.probes import iterator as tables
from syscast.probes import registry
from syscast.session.scope import EVERYTHING
from syscast.session.snapshot import open_table
from syscast.spec.numbers import MAP_TYPES

pytestmark = [pytest.mark.kernel, pytest.mark.native]

LISTEN = 10
MANY = 12_000


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


@pytest.fixture(autouse=True)
def _iterators():
    if not features.probe("iterator"):
        pytest.skip("the kernel has no iterators")


@pytest.fixture(scope="module")
def network():
    with Network() as made:
        yield made


class Tcp(sc.Event):
    state: u8
    port: sc.Port
    peer: u16
    uid: u32


@sc.iterator("tcp")
def tcp(sk_common, uid):
    return Tcp(
        state=sk_common.skc_state,
        port=sk_common.skc_num,
        peer=sk_common.skc_dport,
        uid=uid,
    )


class Udp(sc.Event):
    port: sc.Port


@sc.iterator("udp")
def udp(udp_sk):
    return Udp(port=udp_sk.inet.sk.skc_num)


class File(sc.Event):
    pid: u32
    tid: u32
    fd: u32
    inode: u64


@sc.iterator("task_file")
def files(task, fd, file):
    return File(pid=task.tgid, tid=task.pid, fd=fd, inode=file.f_inode.i_ino)


def test_every_table_of_btf_is_found_and_loads_or_says_why():
    found = dict(tables.every())
    assert {"tcp", "udp", "task", "task_file", "bpf_map"} <= found.keys()
    for name, types in found.items():
        target = tables.ITER.resolve(name, types)
        assert "meta" not in [each.name for each in target.arguments]
        assert tables.row_of(target)
        why = tables.ITER.obstacle(target, role="probe")
        assert why is None, f"{name}: {why}"


def test_rows_of_tcp_are_the_sockets_of_the_namespace(network):
    ports = network.run(
        "held += [socket.create_server(('127.0.0.1', 0)) for _ in range(3)];"
        "held += [socket.create_connection(each.getsockname()) for each in held[-3:]];"
        "say([each.getsockname()[1] for each in held[-6:]])"
    )
    rows = tcp.snapshot(netns=network.path)
    listening = {row.port for row in rows if row.state == LISTEN}
    assert listening == set(ports[:3])
    assert {row.port for row in rows if row.state == 1} == set(ports)
    assert {row.uid for row in rows} == {0}
    in_proc = [line.split() for line in network.read("tcp")]
    expected = sorted((int(words[1][-4:], 16), int(words[3], 16)) for words in in_proc)
    assert sorted((row.port, row.state) for row in rows) == expected
    assert all(row.envelope.pid == os.getpid() for row in rows)


def test_an_empty_table_has_no_row_and_counts_no_error(network):
    with Network() as empty, tcp.open(netns=empty.path) as table:
        assert table.snapshot() == []
        (row,) = table.stats().rows
        assert (row.ran, row.raised, row.tried) == (0, 0, 0)
    # The last run of a walk has NULL for the socket: it is none.
    with tcp.open(netns=network.path) as table:
        rows = table.snapshot()
        (row,) = table.stats().rows
        assert (row.ran, row.raised, row.filtered) == (len(rows), 0, 0)


def test_many_rows_come_once_each_however_they_are_cut(network, monkeypatch):
    ports = network.run(
        f"held += [socket.socket(type=socket.SOCK_DGRAM) for _ in range({MANY})];"
        f"[each.bind(('127.0.0.1', 0)) for each in held[-{MANY}:]];"
        f"say([each.getsockname()[1] for each in held[-{MANY}:]])"
    )
    expected = collections.Counter(ports)
    with udp.open(netns=network.path) as table:
        assert collections.Counter(row.port for row in table.rows()) == expected
        first = table.stats().rows[0]
        # Full buffers make the kernel show sockets again: those runs did not happen.
        assert (first.ran, first.tried, first.delivered, first.gaps) == (MANY, MANY, MANY, 0)
        for size in (100, 4096, 1 << 20):
            monkeypatch.setattr(seqfile.SeqFile.__init__, "__defaults__", (size,))
            assert collections.Counter(row.port for row in table.rows()) == expected, size
        arrays = [batch.array for batch in table.batches()]
        assert collections.Counter(int(each) for a in arrays for each in a["port"]) == expected
        last = table.stats().rows[0]
        assert (last.ran, last.delivered, last.gaps) == (5 * MANY, 5 * MANY, 0)
    network.run(f"[each.close() for each in held[-{MANY}:]]; del held[-{MANY}:]; say(0)")


def test_who_stops_early_can_begin_again(network):
    with tcp.open(netns=network.path) as table:
        whole = table.snapshot()
        walk = table.rows()
        assert next(walk) == whole[0]
        walk.close()
        assert table.snapshot() == whole
        assert table.stats().lost == 0
    with pytest.raises(sc.UsageError, match="closed"):
        table.snapshot()


def test_two_threads_read_one_table(network):
    with tcp.open(netns=network.path) as table:
        counts = []
        walks = [
            threading.Thread(target=lambda: counts.append(sum(1 for _ in table.rows())))
            for _ in range(4)
        ]
        for each in walks:
            each.start()
        for each in walks:
            each.join()
        assert len(set(counts)) == 1
        assert table.stats().lost == 0


def test_a_forked_child_opens_its_own(network):
    with tcp.open(netns=network.path) as table:
        expected = len(table.snapshot())
        child = os.fork()
        if not child:
            try:
                table.snapshot()
            except sc.UsageError:
                os._exit(7 if len(tcp.snapshot(netns=network.path)) == expected else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert len(table.snapshot()) == expected


def test_files_of_a_process_are_those_of_proc():
    with tempfile.TemporaryFile() as one, Network() as child:
        del one
        expected = {
            int(each.name): each.stat().st_ino for each in Path(f"/proc/{child.pid}/fd").iterdir()
        }
        rows = files.snapshot(pid=child.pid)
    assert {row.fd: row.inode for row in rows} == expected
    assert {row.pid for row in rows} == {child.pid}


def test_rows_of_a_thread():
    class Task(sc.Event):
        process: u32
        thread: u32
        name: sc.Comm

    @sc.iterator("task")
    def tasks(task):
        return Task(process=task.tgid, thread=task.pid, name=sc.kernel_str(task.comm))

    ready, done = threading.Event(), threading.Event()

    def wait():
        ready.set()
        done.wait(30)

    other = threading.Thread(target=wait)
    other.start()
    ready.wait()
    try:
        threads = {int(each.name) for each in Path("/proc/self/task").iterdir()}
        assert other.native_id in threads
        assert {row.thread for row in tasks.snapshot(pid=os.getpid())} == threads
        (row,) = tasks.snapshot(tid=other.native_id)
        assert (row.process, row.thread) == (os.getpid(), other.native_id)
        assert row.name == Path(f"/proc/self/task/{other.native_id}/comm").read_text().strip()
        (row,) = tasks.snapshot(tid=other.native_id, pid=os.getpid())
        assert row.thread == other.native_id
        assert tasks.snapshot(tid=other.native_id, pid=1) == []
    finally:
        done.set()
        other.join()


def test_elements_and_ids_of_maps():
    attr = bpfmaps.MapAttr(MAP_TYPES["hash"], 4, 8, 1000, 0, "own")
    with bpfmaps.map_create(attr) as held:
        for number in range(500):
            bpfmaps.update(held, number.to_bytes(4, "little"), (number * 7).to_bytes(8, "little"))
        number = map_info(held).id

        class Element(sc.Event):
            key: u32
            value: u64

        @sc.iterator("bpf_map_elem")
        def elements(_map, key, value):
            return Element(key=sc.cast("u32 *", key)[0], value=sc.cast("u64 *", value)[0])

        class Map(sc.Event):
            id: u32
            entries: u32
            name: sc.Comm

        @sc.iterator("bpf_map")
        def maps(held):
            if held.id == number:
                return Map(id=held.id, entries=held.max_entries, name=sc.kernel_str(held.name))
            return None

        assert {row.key: row.value for row in elements.snapshot(map=number)} == {
            each: each * 7 for each in range(500)
        }
        (row,) = maps.snapshot()
        assert (row.id, row.entries, row.name) == (number, 1000, "own")
        with pytest.raises(sc.UsageError, match="give the map's id"):
            elements.snapshot()


def test_rows_that_raise_are_counted_at_their_line(network):
    class Share(sc.Event):
        share: i32

    @sc.iterator("tcp")
    def shares(sk_common):
        return Share(share=100 // (sk_common.skc_state - LISTEN))

    with shares.open(netns=network.path) as table:
        rows = table.snapshot()
        ledger = table.stats()
    listening = len([row for row in tcp.snapshot(netns=network.path) if row.state == LISTEN])
    assert listening
    assert ledger.rows[0].raised == listening
    assert ledger.rows[0].ran == listening + len(rows)
    assert [site.site.exception for site in ledger.sites if site.count] == ["ZeroDivisionError"]


def test_a_filter_in_python_and_state(network):
    by_state = sc.Counter[u8]()

    @sc.iterator("tcp", where=lambda e: str(e.port).isdigit() and e.state == LISTEN)
    def counted(sk_common):
        by_state[sk_common.skc_state] += 1
        return Tcp(state=sk_common.skc_state, port=sk_common.skc_num, peer=0, uid=0)

    with counted.open(netns=network.path) as table:
        rows = table.snapshot()
        row = table.stats().rows[0]
        found = dict(by_state)
    assert found[LISTEN] == len(rows) > 0
    assert row.sifted == sum(found.values()) - found[LISTEN] > 0


def test_network_by_inode(network):
    assert len(tcp.snapshot(netns=network.inode)) == len(tcp.snapshot(netns=network.path))


def test_mistakes():
    with pytest.raises(sc.TargetError, match="did you mean"):
        sc.iterator("tpc")(tcp.function).snapshot()
    with pytest.raises(sc.UsageError, match="'pid'"):
        tcp.snapshot(pid=os.getpid())
    with pytest.raises(sc.UsageError, match="netns"):
        files.snapshot(pid=os.getpid(), netns="/proc/self/ns/net")
    with pytest.raises(sc.UsageError, match="no such file"):
        tcp.snapshot(netns="no-such-namespace")
    with pytest.raises(sc.KernelError, match="no network namespace"):
        tcp.snapshot(netns="/dev/null")
    with pytest.raises(sc.UsageError, match="names no table"):
        sc.iterator(tcp.function)
    with pytest.raises(sc.UsageError, match="snapshot"):
        sc.attach(tcp)


def test_shows_how_it_would_attach():
    choice = registry.choose("iter:tcp")
    assert choice.kind.name == "iter"
    assert choice.target.signature == "tcp(struct sock_common *sk_common, uid_t uid)"
    assert choice.types is source.kernel()


def test_pull_inside_of_a_session(network):
    class Asked(sc.Event):
        who: i32

    @sc.syscall("getpgid")
    def asked(pid):
        return Asked(who=pid)

    with tcp.open(netns=network.path) as table, asked.attach(pid=os.getpid()) as session:
        entry = session.every("20ms", table.snapshot)
        os.getpgid(os.getpid())
        events = list(session.events(timeout=0.3))
        assert [event.who for event in events] == [os.getpid()]
        assert {row.port for row in entry.last} == {row.port for row in table.snapshot()}
        assert table.stats().rows[0].gaps == 0


def test_the_columns_of_every_table_load():
    for name, types in tables.every():
        if name in {"bpf_map_elem", "bpf_sk_storage_map", "sockmap"}:
            continue  # of one map
        made = rows.make(tables.ITER.resolve(name, types), types, rows.Wish())
        open_table(made.job, EVERYTHING).close()  # not read: this machine is others' too
