"""``syscast explain`` on the examples: everything is accounted for, and the stable parts are as drawn.

Instructions, type ids and numbers differ by kernel, IR by compiler: golden files keep the rest. SYSCAST_UPDATE_GOLDEN=1 writes them.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.native]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
GOLDEN = ROOT / "tests/golden/explain"
PR_CAPBSET_DROP = 24  # include/uapi/linux/prctl.h
PRIVILEGES = (21, 38, 39)  # CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF


def syscast(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "syscast", "explain", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        cwd=ROOT,
        **options,
    )


def stable(text):
    """Without instructions, IR, and what differs by kernel."""
    lines = [line for line in text.splitlines() if not line.startswith(("  bpf |", "   ir |"))]
    shown = "\n".join(lines).replace(f"{ROOT}/", "") + "\n"
    shown = re.sub(r" *\d+ insns, \d+ processed", "", shown)
    return re.sub(r"(?m)^  (length|verifier|stack) .*$", r"  \1 N", shown)


def test_the_stable_parts_of_an_example():
    done = syscast("examples/execs.py")
    assert (done.returncode, done.stderr) == (0, "")
    path = GOLDEN / "execs.txt"
    if os.environ.get("SYSCAST_UPDATE_GOLDEN"):
        path.write_text(stable(done.stdout))
    assert stable(done.stdout) == path.read_text()
    ir = [line for line in done.stdout.splitlines() if line.startswith("   ir |")]
    for words in (
        " = argument ",
        " filename @",
        " access=direct",
        " read_str ",
        "current ppid",
        "emit 0 (path=",
    ):
        assert any(words in line for line in ir), words
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("name", ["execs", "exits", "listen"])
def test_every_instruction_and_every_step_is_at_some_line(name):
    done = syscast(f"examples/{name}.py", "--json", "--kernel-log")
    assert (done.returncode, done.stderr) == (0, "")
    programs = [json.loads(line) for line in done.stdout.splitlines()]
    assert programs
    for program in programs:
        insns = [each for line in program["lines"] for each in line["instructions"]]
        indexes = sorted(each["index"] for each in insns)
        wide = {each["index"] + 1 for each in insns if " ll" in each["text"]}
        wide |= {each["index"] + 1 for each in insns if re.search(r"= (map |&|0x)", each["text"])}
        assert sorted({*indexes, *wide}) == list(range(program["length"]))
        cost = program["cost"]
        if cost is None:  # a kind that this kernel does not load
            assert program["missing"]
            continue
        assert sum(each["visits"] for each in insns) == cost["processed"]
        assert sum(line["processed"] for line in program["lines"]) == cost["processed"]
        assert 0 < cost["stack"][0] <= 512
        assert f"processed {cost['processed']} insns" in program["log"]


def test_expressions_are_explained_like_files():
    done = syscast("raw_tracepoint:sys_enter", "id", "current.pid as me", "--if", "id > 5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sys_enter: raw_tracepoint, section ")
    assert re.search(r"verifier  \d+ instructions processed \(of \d+\), \d+ states", done.stdout)
    assert "  filters   pid, tid, follow" in done.stdout
    assert "id > 5" in done.stdout


def test_one_probe_of_a_file_and_none(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(
        "import syscast as sc\n"
        "class E(sc.Event):\n    n: sc.u32\n"
        "@sc.raw_tracepoint\ndef sys_enter() -> E:\n    return E(n=1)\n"
        "@sc.raw_tracepoint('sys_exit')\ndef other() -> E:\n    return E(n=2)\n"
    )
    both = [json.loads(line)["target"] for line in syscast(script, "--json").stdout.splitlines()]
    assert both == ["sys_enter", "sys_exit"]
    one = syscast(script, "--json", "--probe", "other").stdout.splitlines()
    assert [json.loads(line)["target"] for line in one] == ["sys_exit"]
    none = syscast(script, "--probe", "third")
    assert none.returncode == 2
    assert "probe 'third': explain: the file has none of this name (sys_enter, sys_exit)" in (
        none.stderr
    )


def test_without_rights_all_but_the_cost_is_shown():
    libc = ctypes.CDLL(None)

    def drop():
        for capability in PRIVILEGES:
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)

    done = syscast("raw_tracepoint:sys_enter", "id", preexec_fn=drop)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  verifier  not asked: " in done.stdout
    assert "CAP_BPF" in done.stdout
    assert "call ringbuf_reserve#131" in done.stdout


def test_what_cannot_be_explained():
    assert syscast().returncode == 2
    assert "no such file" in syscast("nowhere.py").stderr
    assert "expressions and --if go with a target" in syscast("examples/execs.py", "pid").stderr
    assert "--probe is for" in syscast("syscall:openat", "--probe", "x").stderr
