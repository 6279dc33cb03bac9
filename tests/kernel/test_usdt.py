"""USDT probes of a program of the test's own: arguments wherever they are, semaphores, several places."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from marks import MARK
from own_programs import Told, built

import syscast as sc
from syscast import i64, u64
from syscast.btf import source
from syscast.diagnostics import CompileError
from syscast.errors import TargetError

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.native,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="its assembly is of x86-64"),
]

TEXT = (
    """
#include <string.h>
#include <unistd.h>
__attribute__((section(".probes"))) volatile unsigned short semaphore;
volatile int table[8] = {10, 20, 30, 40, 50, 60, 70, 80};
char text[16];
"""
    + MARK
    + """
int main(void) {
    char letter;
    long three = 3, big = -5;
    strcpy(text, "touched");
    while (read(0, &letter, 1) == 1) {
        if (letter == 'a')
            MARK("all", "0", "-4@$-7 8@%0 -8@%1 -4@8(%2,%3,4) -4@table+20(%%rip) 1@%h4 4f@%%xmm0",
                 "r"(text), "r"(big), "r"(table), "r"(three), "Q"(0x4321));
        if (letter == 's' && semaphore) MARK("guarded", "semaphore", "8@$1", "r"(0));
        if (letter == 't') MARK("twice", "0", "8@%0", "D"(41L));
        if (letter == 't') MARK("twice", "0", "8@%0", "S"(42L));
        if (letter == 't') MARK("twice", "0", "8@%0", "S"(43L));
        write(1, &letter, 1);
    }
}
"""
)


class All(sc.Event):
    constant: i64
    text: str
    big: i64
    element: i64
    word: i64
    byte: u64


class One(sc.Event):
    value: u64


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    return source.kernel()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return built(tmp_path_factory.mktemp("usdt"), TEXT)


def test_arguments_wherever_they_are(program):
    @sc.usdt(f"{program}:own:all")
    def probe(constant, text: str, big, element, word, byte):
        return All(constant=constant, text=text, big=big, element=element, word=word, byte=byte)

    with Told(program) as told, Told(program) as other, probe.attach(pid=told.pid) as events:
        other.do("a")
        told.do("a")
        (found,) = events.read(1)
    assert (found.constant, found.text, found.big) == (-7, "touched", -5)
    assert (found.element, found.word, found.byte) == (60, 60, 0x43)


def test_a_floating_argument_is_refused(program):
    @sc.usdt(f"{program}:own:all")
    def probe(*, arg6):
        return One(value=arg6)

    with pytest.raises(CompileError, match="'arg6' cannot be read here: it is a floating-point"):
        probe.attach()


def test_a_semaphore_is_raised_while_the_probe_is_attached(program):
    @sc.usdt("own:guarded")
    def probe(value):
        return One(value=value)

    with Told(program) as told:
        told.do("s")
        with probe.attach(pid=told.pid) as events:
            told.do("s")
            assert [each.value for each in events.read(1)] == [1]
        with probe.attach(pid=told.pid) as events:
            told.do("ss")
            assert [each.value for each in events.read(1)] == [1, 1]


def test_several_places_are_one_probe(program):
    @sc.usdt(f"{program}:own:twice")
    def probe(value: u64):
        return One(value=value)

    with Told(program) as told, probe.attach(pid=told.pid) as events:
        told.do("t")
        assert [each.value for each in events.read(1)] == [41, 42, 43]
        assert len(events.describe()) == 2


def test_what_is_not_there_is_named(program):
    with pytest.raises(
        TargetError, match=r"usdt 'own:twise': look up in .*: there is no such probe"
    ):
        sc.usdt(f"{program}:own:twise")(lambda: None).attach()
    with pytest.raises(TargetError, match=r"usdt 'own:twice': look up: in which file\?"):
        sc.usdt("own:twice")(lambda: None).attach()
    with pytest.raises(TargetError, match="a mark is a point, not a call"):
        sc.call(f"usdt:{program}:own:twice")(_call).attach()


def _call():
    yield


def syscast(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "syscast", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_line(program):
    target = f"usdt:{program}:own:twice"
    command = ["--", "sh", "-c", f"printf tt | {program} > /dev/null"]
    out = syscast("trace", target, "arg0 as value", "--json", *command)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert [each["value"] for each in lines] == [41, 42, 43] * 2
    out = syscast("count", target, "by", "arg0", "--json", *command)
    (table,) = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert {row["by"]["arg0"]: row["count"] for row in table["counts"]} == {41: 2, 42: 2, 43: 2}
    assert syscast("list", f"usdt:{program}:*", "--names").splitlines() == [
        f"usdt:{program}:own:{name}" for name in ("all", "guarded", "twice")
    ]
    assert "own:twice(unsigned long arg0)" in syscast("show", target)
