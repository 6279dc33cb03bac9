"""Stacks that probes keep: of a program of the test's own, by number, by name, on the command line."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from own_programs import Told, built

import syscast as sc
from syscast import Counter, Stacks, i32
from syscast.btf import source

pytestmark = [pytest.mark.kernel, pytest.mark.native]

TEXT = """
#include <unistd.h>
__attribute__((noinline)) void inner(void) { __asm__ volatile(""); }
__attribute__((noinline)) void outer(void) { inner(); __asm__ volatile(""); }
__attribute__((noinline)) void spin(void) { for (volatile int n = 0; n < 100000; n++); }
int main(void) {
    char letter;
    while (read(0, &letter, 1) == 1) {
        if (letter == 'o') outer();
        if (letter == 'i') inner();
        if (letter == 's') for (;;) { spin(); __asm__ volatile(""); }
        write(1, &letter, 1);
    }
}
"""


class Here(sc.Event):
    user: i32


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return source.kernel()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    flags = ("-fno-omit-frame-pointer", "-fno-optimize-sibling-calls")
    return built(tmp_path_factory.mktemp("own"), TEXT, *flags)


def test_stacks_of_a_process_as_keys_and_fields(program):
    stacks = Stacks(max_entries=256)
    counts = Counter[i32](max_entries=64)

    @sc.uprobe(f"{program}:inner")
    def probe():
        number = stacks.user()
        counts[number] += 1
        return Here(user=number)

    with Told(program) as told:
        with probe.attach(pid=told.pid) as events:
            told.do("ooi")
            found = [each.user for each in events.read(1)]
            names = {number: stacks.folded(number, told.pid) for number in found}
        assert found[0] == found[1] != found[2]
        assert names[found[0]].endswith("main;outer;inner") or names[found[0]].endswith(
            "main;inner"  # at the first instruction the caller's frame is not there yet
        )
        assert dict(counts.most_common()) == {found[0]: 2, found[2]: 1}
        # After the session, the stacks are here.
        assert stacks.folded(found[0], told.pid) == names[found[0]]
        first = stacks.frames(found[0], told.pid)[0]
        assert (first.name, first.module) == ("inner", str(program))
        assert len(stacks) == 2


def test_stacks_of_the_kernel():
    stacks = Stacks()

    class Called(sc.Event):
        number: i32

    @sc.syscall("getppid")
    def probe():
        return Called(number=stacks.kernel())

    with probe.attach(pid=os.getpid()) as events:
        os.getppid()
        (event,) = events.read(1)
        names = [each.name for each in stacks.frames(event.number)]
    assert any("syscall" in name for name in names)
    assert stacks.folded(event.number).count(";") == len(names) - 1


def test_the_example_of_a_profile():
    path = Path(__file__).parents[2] / "examples/profile.py"
    spec = importlib.util.spec_from_file_location("example_profile", path)
    example = importlib.util.module_from_spec(spec)
    sys.modules["example_profile"] = example
    spec.loader.exec_module(example)
    with example.sampled.attach(pid=os.getpid()):
        end = time.process_time() + 0.4
        while time.process_time() < end:
            Path("/proc/self/status").read_bytes()
    lines = [example.stacks.folded(stack) for (_, stack), _ in example.counts.most_common()]
    assert any(";" in line for line in lines), lines
    assert sum(count for _, count in example.counts.most_common()) >= 10


def test_the_command_line_counts_by_stack(program):
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        running.stdin.write(b"s")
        running.stdin.flush()
        done = subprocess.run(
            [sys.executable, "-m", "syscast", "count", "profile:199hz", "by", "ustack", "--json",
             "--pid", str(running.pid), "--duration", "1s"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        running.kill()
    assert done.returncode == 0, done.stderr
    (table,) = [json.loads(line) for line in done.stdout.splitlines()]
    rows = {row["by"]["ustack"]: row["count"] for row in table["counts"]}
    top = max(rows, key=rows.get)
    assert top.endswith("main;spin")
    assert {row["by"]["pid"] for row in table["counts"]} == {running.pid}
