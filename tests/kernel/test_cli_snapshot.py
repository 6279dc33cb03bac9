"""``syscast snapshot``: what users see of tables, held against ss(8), /proc and what the test made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from own_network import Network

from syscast import features
from syscast.btf import source
from syscast.kernel import bpfmaps
from syscast.kernel.bpfinfo import map_info
from syscast.probes import iterator
from syscast.spec.numbers import MAP_TYPES

pytestmark = [pytest.mark.kernel, pytest.mark.native]

SYSCAST = [sys.executable, "-m", "syscast", "snapshot"]


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
        made.run(
            "held += [socket.create_server(('127.0.0.1', 0), backlog=7)];"
            "held += [socket.create_server(('::1', 0), family=socket.AF_INET6)];"
            "held += [socket.create_connection(held[0].getsockname())];"
            "held[-1].send(b'hello');"
            "held += [socket.create_connection(held[1].getsockname()[:2])];"
            "one, _ = held[1].accept(); one.close(); held.pop().close();"  # leaves a TIME_WAIT
            "held += [socket.socket(type=socket.SOCK_DGRAM)]; held[-1].bind(('0.0.0.0', 0));"
            "held += [socket.socket(socket.AF_UNIX)]; held[-1].bind(chr(0) + 'hidden');"
            "held[-1].listen();"
            "held += [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)]; held[-1].bind((0, 1));"
            "say(0)"
        )
        yield made


def syscast(*words, code=0):
    done = subprocess.run(
        [*SYSCAST, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def rows(*words):
    return [json.loads(line) for line in syscast(*words, "--json").splitlines()]


def tables():
    """The tables that this kernel has."""
    return set(iterator.names(source.kernel()))


def sockets(network, listening):
    """State, ports and inode of each socket of TCP, by /proc/net/tcp and tcp6."""
    found = set()
    for line in network.read("tcp") + network.read("tcp6"):
        words = line.split()
        if not listening or words[3] == "0A":
            ports = (int(words[each].rpartition(":")[2], 16) for each in (1, 2))
            found.add((int(words[3], 16), *ports, int(words[9])))
    return found


def test_tcp_is_what_proc_has(network):
    names = {1: "ESTABLISHED", 6: "TIME_WAIT", 10: "LISTEN"}
    found = rows("tcp", "--netns", network.path)
    assert {(each["state"], each["port"], each["peer_port"], each["inode"]) for each in found} == {
        (names[state], *rest) for state, *rest in sockets(network, listening=False)
    }
    assert {"LISTEN", "ESTABLISHED", "TIME_WAIT"} == {each["state"] for each in found}
    assert {each["netns"] for each in found} == {network.inode}
    assert [each["recv_q"] for each in found if each["recv_q"] == 5]  # b"hello"
    assert {each["table"] for each in found} == {"tcp"}
    assert "pid" not in found[0]  # that would be the reader's


def test_listeners_with_their_backlog(network):
    found = rows("tcp", "--state", "LISTEN", "--netns", network.path)
    assert {each["port"] for each in found} == {
        port for _, port, _, _ in sockets(network, listening=True)
    }
    by_address = {each["address"]: each for each in found}
    assert by_address["127.0.0.1"]["backlog"] == 7
    assert by_address["127.0.0.1"]["recv_q"] == 1  # the connection that nobody accepted
    assert by_address["::1"]["inode"] > 0
    lines = syscast("tcp", "--state", "listen", "--netns", network.path).splitlines()
    port = by_address["127.0.0.1"]["port"]
    assert any(
        line.startswith(f"LISTEN\t1\t0\t7\t127.0.0.1:{port}\t0.0.0.0:0\t0\t") for line in lines
    )
    assert any(f"\t[::1]:{by_address['::1']['port']}\t[::]:0\t" in line for line in lines)


def test_conditions_over_columns_and_over_the_kernels_structs(network):
    (low,) = rows("tcp", "--netns", network.path, "--if", "state == 10 and backlog == 7")
    given = rows(
        *("tcp", "sk_common.skc_num as port", "uid", "--netns", network.path),
        *("--state", "LISTEN", "--if", f"port == {low['port']}"),
    )
    assert [{"port": each["port"], "uid": each["uid"]} for each in given] == [
        {"port": low["port"], "uid": 0}
    ]
    assert "no such column: 'prt'" in syscast("tcp", "--if", "prt > 1", code=2)


def test_other_sockets(network):
    (udp,) = rows("udp", "--netns", network.path)
    assert (udp["address"], udp["state"]) == ("0.0.0.0", "CLOSE")
    routes = rows("ipv6_route", "--netns", network.path)
    assert "::1" in {each["destination"] for each in routes}
    mine = [each for each in rows("netlink", "--netns", network.path) if each["groups"] == 1]
    assert [(each["protocol"], each["port"]) for each in mine] == [("ROUTE", network.pid)]
    if "unix" not in tables():
        return
    (unix,) = [each for each in rows("unix", "--netns", network.path) if each["path"] == "@hidden"]
    assert (unix["type"], unix["state"]) == ("STREAM", "LISTEN")


def test_files_and_memory_of_a_process(network):
    expected = {
        (int(each.name), str(each.readlink()))
        for each in Path(f"/proc/{network.pid}/fd").iterdir()
    }
    found = rows("task_file", "--pid", str(network.pid))
    assert {(each["fd"], each["path"]) for each in found} == expected
    (task,) = rows("task", "--pid", str(network.pid))
    assert (task["pid"], task["ppid"], task["uid"]) == (network.pid, os.getpid(), 0)
    if "task_vma" not in tables():
        return
    areas = rows("task_vma", "--pid", str(network.pid))
    lines = [line.split() for line in Path(f"/proc/{network.pid}/maps").read_text().splitlines()]
    ranges = {
        (f"0x{w[0].partition('-')[0].lstrip('0')}", w[1]) for w in lines if w[-1] != "[vsyscall]"
    }
    assert {(each["start"], each["perms"]) for each in areas} == ranges


def test_elements_of_a_map():
    attr = bpfmaps.MapAttr(MAP_TYPES["hash"], 4, 16, 10, 0, "own")
    with bpfmaps.map_create(attr) as held:
        bpfmaps.update(held, (7).to_bytes(4, "little"), bytes(range(16)))
        number = map_info(held).id
        (row,) = rows("bpf_map_elem", "--map", str(number))
        assert row["key"] == 7
        assert row["value_8"] == int.from_bytes(bytes(range(8, 16)), "little")
        (own,) = rows("bpf_map", "--if", f"id == {number}")
        assert (own["type"], own["name"], own["max_entries"]) == ("BPF_MAP_TYPE_HASH", "own", 10)


def test_the_list_names_each_table_and_its_row():
    lines = dict(line.split(None, 1) for line in syscast().splitlines())
    assert lines["tcp"] == "struct sock_common *sk_common, uid_t uid"
    assert {"udp", "task", "task_file", "bpf_prog", "bpf_map", "netlink"} <= lines.keys()
    assert all("(" not in row for row in lines.values())  # no obstacle


def test_again_and_again_until_a_signal(network):
    words = [*SYSCAST, "tcp", "--state", "LISTEN", "--netns", network.path, "--json"]
    with subprocess.Popen(
        [*words, "--every", "100ms"], stdout=subprocess.PIPE, text=True
    ) as running:
        for _ in range(6):
            assert json.loads(running.stdout.readline())["state"] == "LISTEN"
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=10)
    assert running.returncode == 0
    started = time.monotonic()
    done = syscast(*words[4:-1], "--every", "200ms", "--duration", "500ms")
    assert len(done.splitlines()) == 2 * 3
    assert time.monotonic() - started < 10


def test_a_closed_pipe_ends_it_quietly(network):
    done = subprocess.run(
        f"{' '.join(SYSCAST)} task_file --pid {network.pid} --every 50ms | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_mistakes():
    assert "did you mean tcp?" in syscast("tpc", code=2)
    assert "there is no state 'OPEN'" in syscast("tcp", "--state", "OPEN", code=2)
    assert "have no states" in syscast("task", "--state", "LISTEN", code=2)
    assert "by 'pid'" in syscast("tcp", "--pid", "1", code=2)
    assert "--map" in syscast("bpf_map_elem", code=2)
    assert "needs --every" in syscast("tcp", "--duration", "1s", code=2)
    assert "no such file" in syscast("tcp", "--netns", "nowhere", code=2)
    assert "no such file" in syscast("bpf_map_elem", "--map", "4294967295", code=1)
