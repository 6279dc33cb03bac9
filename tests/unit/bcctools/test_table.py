"""The table of Debian's tools."""

from __future__ import annotations

import json

from bcctools.rows import rows
from bcctools.table import load, table


def result(tool, steps, why=""):
    good = dict(zip(("compiles", "loads", "attaches", "right"), steps, strict=True))
    return json.dumps({"tool": tool, "why": why, **good})


def test_later_results_win_and_reasons_are_told(tmp_path):
    first = tmp_path / "first.jsonl"
    lines = (
        result("opensnoop", (1, 1, 1, 0), "no output"),
        result("capable", (1, 1, 1, 0), "a | b"),
        result("biotop", (1, 1, 0, 0), "open: no such file"),
        result("zfsdist", (1, 0, 0, 0)),
    )
    first.write_text("\n".join(lines))
    second = tmp_path / "second.jsonl"
    second.write_text(result("opensnoop", (1, 1, 1, 1)))
    written = table(load([f"6.1={first}", f"6.1={second}"]), load([f"6.1={second}"]))
    assert "| opensnoop | CLAR | CLAR |  |" in written
    assert "| capable | CLA- |  | 6.1: a \\| b |" in written
    assert (
        "| biotop | CL-- |  | 6.1: does not fit the kernel: blk_account_io_start is inlined |"
        in written
    )
    assert "| zfsdist | C |  | not here: needs the zfs module |" in written
    assert "need 1 of 3 are right" in written
    assert "1 of 2 (50 %)" in written
    assert len([line for line in written.splitlines() if line.startswith("| ")]) == len(rows()) + 2
