"""Kernel trouble is found in what kernels print, and only there."""

import pytest

from vmtest.console import Watcher, classify


@pytest.mark.parametrize(
    ("line", "kind", "fatal"),
    [
        ("[   11.4] Kernel panic - not syncing: sysrq triggered crash", "panic", True),
        ("[    4.2] BUG: unable to handle page fault for address: ffffffffffffff80", "oops", True),
        (
            "[    4.2] BUG: kernel NULL pointer dereference, address: 0000000000000000",
            "oops",
            True,
        ),
        ("[    4.2] Oops: 0010 [#1] PREEMPT SMP NOPTI", "oops", True),
        ("[    4.2] general protection fault, probably for non-canonical address", "oops", True),
        ("[    4.2] kernel BUG at mm/slub.c:305!", "oops", True),
        (
            "[   70.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [python3:99]",
            "lockup",
            True,
        ),
        ("[   70.1] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "lockup", True),
        ("[  130.1] INFO: task python3:99 blocked for more than 120 seconds.", "lockup", True),
        ("[    4.2] BUG: sleeping function called from invalid context at x.c:1", "bug", False),
        (
            "[    4.2][  T99] WARNING: CPU: 1 PID: 99 at kernel/bpf/x.c:12 f+0x1/0x2",
            "warning",
            False,
        ),
        ("[    4.2] WARNING: kernel/bpf/x.c:12 at f+0x1/0x2, CPU#1: python3/99", "warning", False),
        ("syscast-init: no root disk", "init", True),
    ],
)
def test_trouble(line, kind, fatal):
    trouble = classify(line)
    assert trouble is not None
    assert (trouble.kind, trouble.fatal) == (kind, fatal)


@pytest.mark.parametrize(
    "line",
    [
        "[    2.1] clocksource: Switched to clocksource tsc",
        "[    2.1] EXT4-fs (vda): mounted filesystem without journal. Quota mode: none.",
        "[    2.1] tsc: Marking TSC unstable due to clocksource watchdog",
        "[    2.1] NMI watchdog: Perf NMI watchdog permanently disabled",
        "[    2.1] Warning: unable to open an initial console.",
        "[    2.1] debug: the word BUGS is in here",
        "",
    ],
)
def test_no_trouble(line):
    assert classify(line) is None


def test_watcher_joins_lines_over_reads_and_keeps_a_bounded_tail():
    watcher = Watcher(keep=3)
    assert watcher.feed(b"one\r\ntwo\nKernel pan") == []
    (trouble,) = watcher.feed(b"ic - not syncing: x\nfour\n")
    assert trouble.kind == "panic"
    assert watcher.tail == ["two", "Kernel panic - not syncing: x", "four"]


def test_watcher_survives_bytes_that_are_no_text():
    watcher = Watcher()
    watcher.feed(b"\xff\xfe\x00\n")
    assert len(watcher.tail) == 1
