"""Whole tables of a machine of the tests' own, held against ss(8), /proc and bpf(2)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from own_network import Network

import syscast as sc
from syscast import features, i32, u32, u64
from syscast.btf import source
from syscast.cli import rows
from syscast.kernel import bpfinfo
from syscast.probes import iterator as tables
from syscast.probes import registry
from syscast.session.scope import EVERYTHING, Scope
from syscast.session.snapshot import open_table

pytestmark = pytest.mark.kernel

IN_VM = bool(os.environ.get("SYSCAST_VM"))
SS_STATES = {
    "ESTAB": "ESTABLISHED",
    "SYN-RECV": "NEW_SYN_RECV",
    "LISTEN": "LISTEN",
    "TIME-WAIT": "TIME_WAIT",
}


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return [source.kernel(), *map(source.module, source.modules())]


@pytest.fixture(autouse=True)
def _own_machine():
    if not IN_VM:
        pytest.skip("reads whole tables: only inside a test VM")
    if not features.probe("iterator"):
        pytest.skip("the kernel has no iterators")


def own_rows(table, scope=EVERYTHING):
    """The rows that ``syscast snapshot`` shows."""
    choice = registry.choose(f"iter:{table}")
    made = rows.make(choice.target, choice.types, rows.Wish())
    with open_table(made.job, scope) as opened:
        found = opened.snapshot()
        assert opened.stats().details() == []
    return found


def test_tcp_is_what_ss_shows():
    if shutil.which("ss") is None:
        pytest.skip("needs ss")
    with Network() as network:
        network.run(
            "held += [socket.create_server(('127.0.0.1', 0)), socket.create_server(('::1', 0), family=10)];"
            "held += [socket.create_connection(each.getsockname()[:2]) for each in held[:2] * 3];"
            "one, _ = held[0].accept(); one.close(); held.pop(2).close(); say(0)"
        )
        found = own_rows("tcp", Scope(netns=network.path))
        done = subprocess.run(
            ["nsenter", f"--net={network.path}", "ss", "-Htan"],
            capture_output=True,
            text=True,
            check=True,
        )
    shown = sorted(
        (SS_STATES[words[0]], *(each.rpartition(":")[2].replace("*", "0") for each in words[3:5]))
        for words in map(str.split, done.stdout.splitlines())
    )
    assert sorted((row.state.name, str(row.port), str(row.peer_port)) for row in found) == shown
    assert {"LISTEN", "ESTABLISHED", "TIME_WAIT"} <= {row.state.name for row in found}


def test_tasks_are_those_of_proc():
    def listed():
        found = set()
        for process in Path("/proc").glob("[0-9]*/task"):
            found |= {(int(process.parent.name), int(each.name)) for each in process.iterdir()}
        return found

    before = listed()
    found = {(row.pid, row.tid): row for row in own_rows("task")}
    after = listed()
    assert before & after <= found.keys() <= before | after | {(os.getpid(), os.getpid())}
    mine = found[os.getpid(), os.getpid()]
    assert (mine.ppid, mine.comm) == (os.getppid(), Path("/proc/self/comm").read_text().strip())
    assert found[2, 2].comm == "kthreadd"


def test_maps_and_programs_are_those_of_bpf():
    class Id(sc.Event):
        id: u32

    @sc.iterator("bpf_prog")
    def programs(prog):
        return Id(id=prog.aux.id)

    @sc.iterator("bpf_map")
    def maps(held):
        return Id(id=held.id)

    with programs.open() as table:
        assert {row.id for row in table.snapshot()} == set(bpfinfo.ids("program"))
    with maps.open() as table:
        assert {row.id for row in table.snapshot()} == set(bpfinfo.ids("map"))


def test_columns_of_tables_can_be_read():
    """Of some: the others are loaded by test_iterators, and cost minutes under emulation."""
    with Network() as network:
        for name in ("netlink", "task_file", "bpf_prog", "bpf_map"):
            scope = Scope(netns=network.path) if name == "netlink" else EVERYTHING
            assert own_rows(name, scope), name


@pytest.mark.parametrize("order", ["descendants_pre", "descendants_post"])
def test_more_cgroups_than_the_kernel_gives_at_once(order):
    if "cgroup" not in tables.names(source.kernel()):
        pytest.skip("this kernel has no table of cgroups")

    class Group(sc.Event):
        id: u64
        level: i32

    @sc.iterator("cgroup")
    def groups(cgroup):
        return Group(id=cgroup.kn.id, level=cgroup.level)

    top = Path("/sys/fs/cgroup/many")
    made = [top / f"{a}" / f"{b}" for a in range(20) for b in range(20)]
    for each in made:
        each.mkdir(parents=True)
    try:
        expected = {each.stat().st_ino for each in (top, *top.rglob("*")) if each.is_dir()}
        rows = groups.snapshot(cgroup=str(top), order=order)
        assert sorted(row.id for row in rows) == sorted(expected)
        levels = [row.level for row in rows]
        assert levels[0 if order == "descendants_pre" else -1] == min(levels)
        few = groups.snapshot(cgroup=str(top / "7"), order=order)
        assert len(few) == 21
        (own,) = groups.snapshot(cgroup=str(top), order="self_only")
        assert own.id == top.stat().st_ino
        assert (
            groups.snapshot(cgroup=str(made[0]), order="ancestors_up")[0].id
            == made[0].stat().st_ino
        )
    finally:
        for each in sorted((top, *top.rglob("*")), key=lambda path: -len(path.parts)):
            if each.is_dir():
                each.rmdir()
