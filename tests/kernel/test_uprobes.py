"""Probes in user space: what they see of calls in this process and in a program of the test's own."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from own_programs import Told, built

import syscast as sc
from syscast import current, features, i32, i64, now, u64, user_str
from syscast.btf import source
from syscast.errors import NotSupportedError, TargetError
from syscast.probes import many, many_user, matching
from syscast.probes.kind import NOBODY
from syscast.symbols import binary

pytestmark = [pytest.mark.kernel, pytest.mark.native]

LIBC = ctypes.CDLL(None)
LIBC.atol.restype = ctypes.c_long
TEXT = """
#include <string.h>
#include <unistd.h>
char text[16];
__attribute__((noinline)) int work(int number, const char *name, unsigned long big)
{ __asm__ volatile("" ::: "memory"); return number - 100; }
__attribute__((noinline)) long factorial(long n)
{ if (n < 2) return 1; long rest = factorial(n - 1); __asm__ volatile("" : "+r"(rest)); return n * rest; }
int main(void) {
    char letter;
    strcpy(text, "touched");
    while (read(0, &letter, 1) == 1) {
        if (letter == 'w') work(-7, text, 1UL << 63);
        if (letter == 'f') factorial(4);
        write(1, &letter, 1);
    }
}
"""


class Worked(sc.Event):
    number: i32
    name: str
    big: u64


class Returned(sc.Event):
    ret: i32


class Computed(sc.Event):
    n: i64
    ret: i64
    ns: u64


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return source.kernel()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return built(tmp_path_factory.mktemp("own"), TEXT)


def test_arguments_are_what_annotations_say(program):
    @sc.uprobe(f"{program}:work")
    def probe(number: i32, name: str, big):
        return Worked(number=number, name=name, big=big)

    with Told(program) as told, Told(program) as other, probe.attach(pid=told.pid) as events:
        other.do("w")
        told.do("wfw")
        found = [(each.number, each.name, each.big) for each in events.read(1)]
    assert found == [(-7, "touched", 1 << 63)] * 2


def test_unannotated_arguments_are_words_of_registers(program):
    @sc.uprobe(f"{program}:work")
    def probe(number, name):
        return Worked(number=0, name=user_str(name), big=number)

    with Told(program) as told, probe.attach(pid=told.pid) as events:
        told.do("w")
        (found,) = events.read(1)
    assert (found.name, found.big & 0xFFFFFFFF) == ("touched", 0xFFFFFFF9)


def test_a_return_and_a_recursive_call(program):
    @sc.uretprobe(f"{program}:work")
    def returned(ret: i32):
        return Returned(ret=ret)

    @sc.call(f"uprobe:{program}:factorial")
    def computed(n: i64):
        start = now()
        ret = yield
        return Computed(n=n, ret=ret, ns=now() - start)

    with Told(program) as told, sc.attach(returned, computed, pid=told.pid) as events:
        told.do("wf")
        found = list(events.read(1))
    assert [each.ret for each in found if isinstance(each, Returned)] == [-107]
    computed_ones = [each for each in found if isinstance(each, Computed)]
    assert [(each.n, each.ret) for each in computed_ones] == [(1, 1), (2, 2), (3, 6), (4, 24)]
    times = [each.ns for each in computed_ones]
    assert times == sorted(times)


def test_a_place_inside_a_function_and_an_address(program):
    class Here(sc.Event):
        pid: sc.u32

    (code,) = binary.read(str(program)).find("work")
    with Told(program) as told:
        for place in (f"0x{code.address:x}", "work+0"):

            @sc.uprobe(f"{program}:{place}")
            def probe():
                return Here(pid=current.pid)

            with probe.attach(pid=told.pid) as events:
                told.do("w")
                assert [each.pid for each in events.read(1)] == [told.pid]


def test_a_library_by_its_name_in_this_process():
    @sc.uprobe("c:atol")
    def probe(text: str):
        return Worked(number=0, name=text, big=0)

    with probe.attach(pid=os.getpid()) as events:
        LIBC.atol(b"12345")
        assert [each.name for each in events.read(1)] == ["12345"]
        assert events.describe() == [f"uprobe on {libc_path()}:atol"]


def libc_path():
    maps = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split()[5] for line in maps if line.rpartition("/")[2].startswith("libc."))


def test_what_is_not_there_is_named(program):
    with pytest.raises(TargetError, match=r"function 'wrok' of .*: look up: .*no such symbol"):
        sc.uprobe(f"{program}:wrok")(lambda: None).attach()
    with pytest.raises(TargetError, match="file '/no/such': look up: there is none"):
        sc.uprobe("/no/such:thing")(lambda: None).attach()
    with pytest.raises(
        TargetError, match="process '2000000000': look up: it is not there any more"
    ):
        sc.uprobe("c:malloc")(lambda: None).attach(pid=2_000_000_000)


def test_the_example_of_bash():
    if not binary.read("/bin/bash").find("readline"):
        pytest.skip("this bash has readline in a library")
    path = Path(__file__).parents[2] / "examples/bashreadline.py"
    spec = importlib.util.spec_from_file_location("bashreadline", path)
    example = importlib.util.module_from_spec(spec)
    sys.modules["bashreadline"] = example
    spec.loader.exec_module(example)
    leader, follower = pty.openpty()
    with subprocess.Popen(
        ["/bin/bash", "--norc", "--noprofile", "-i"],
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    ) as shell:  # fmt: skip
        os.close(follower)
        with example.readline.attach(pid=shell.pid) as events:
            # The first line may be typed in a call that began before the probe was there.
            os.write(leader, b"\ntrue hello\nexit\n")
            found = []
            deadline = time.monotonic() + 20
            while (shell.pid, "exit") not in found and time.monotonic() < deadline:
                found += [(each.pid, each.line) for each in events.read(0.5)]
        shell.kill()
    os.close(leader)
    assert found[-2:] == [(shell.pid, "true hello"), (shell.pid, "exit")]


def syscast(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "syscast", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_the_command_line_traces_a_command_in_user_space(program):
    target = f"uprobe:{program}:factorial"
    command = ["--", "sh", "-c", f"printf f | {program} > /dev/null"]
    done = syscast("trace", target, "arg0 as n", "ret", "--json", *command)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [(each["n"], each["ret"]) for each in lines] == [(1, 1), (2, 2), (3, 6), (4, 24)]


def test_the_command_line_counts_by_pattern(program):
    command = ["--", "sh", "-c", f"printf fwf | {program} > /dev/null"]
    if not features.supported("bpf_cookie"):
        match = matching.match(f"uprobe:{program}:*")
        with pytest.raises(NotSupportedError, match=r"attach to many: .*one function at a time"):
            many_user.choice(match, "probe", many.Names(), NOBODY)
        return
    done = syscast("count", f"uprobe:{program}:*", "--json", *command)
    (table,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    counts = {row["by"]["func"].rpartition(":")[2]: row["count"] for row in table["counts"]}
    assert (counts["work"], counts["factorial"], counts["main"]) == (1, 8, 1)
    listed = syscast("list", f"uprobe:{program}:*work*").stdout
    assert listed == f"uprobe:{program}:work\n"
    shown = syscast("show", f"uprobe:{program}:work").stdout
    assert "arg0  unsigned long" in shown
    assert "uprobe          best" in shown
