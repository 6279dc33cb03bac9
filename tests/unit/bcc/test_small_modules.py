"""bcc's small modules: names of TCP and of system calls, what the tools share, containers, commands."""

from __future__ import annotations

import argparse
import ctypes as ct
import io
import os
import sys
import time
from types import SimpleNamespace

import pytest

from syscast.bcc import exec as commands
from syscast.bcc import syscall, tcp, utils
from syscast.bcc.containers import filter_by_containers
from syscast.bcc.perf import Perf
from syscast.kernel.syscalls import MACHINE


def test_tcp():
    assert tcp.state2str(10) == "LISTEN"
    assert tcp.state2str(99) == "99"
    assert tcp.flags2str(0x12) == "SYN|ACK"
    assert tcp.flags2str(0) == ""
    assert len(tcp.tcpstate) == 12


def test_system_calls():
    number = {"x86_64": 257, "aarch64": 56}[MACHINE]
    assert syscall.syscall_name(number) == b"openat"
    assert syscall.syscalls[number] == b"openat"
    assert syscall.syscall_name(99999) == b"[unknown: 99999]"


def test_bytes_come_behind_text():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="")
    stream.write("PID COMM\n")
    utils.printb(b"1 \xff", file=stream)
    utils.printb(b"2 b", file=stream, nl=0)
    assert raw.getvalue() == b"PID COMM\n1 \xff\n2 b"


def test_arguments_are_text_and_bytes():
    argument = utils.ArgString("na\u00efve")
    assert bytes(argument) == "na\u00efve".encode()
    assert str(argument) == "na\u00efve"
    assert bytes(utils.ArgString(b"\xff")) == b"\xff"
    with pytest.warns(DeprecationWarning, match="not a bytes object"):
        assert utils._assert_is_bytes("x") == b"x"
    assert utils._assert_is_bytes(b"x") == b"x"
    assert utils._assert_is_bytes(None) is None


def test_cpus():
    assert utils.get_online_cpus() == sorted(utils.get_online_cpus())
    assert set(utils.get_online_cpus()) <= set(utils.get_possible_cpus())


def test_languages():
    candidates = ["c", "java", "perl", "php", "node", "ruby", "python"]
    assert utils.detect_language(candidates, os.getpid()) == "python"
    assert utils.detect_language(["java", "c"], os.getpid()) == "c"
    assert utils.detect_language(["java"], os.getpid()) is None
    assert utils.detect_language(["python"], 2**22 + 1) is None


def test_numbers_of_the_command_line():
    assert utils.positive_int("0") == 0
    assert utils.positive_int_list("9, 15") == [9, 15]
    for call, text in ((utils.positive_int, "-1"), (utils.positive_nonzero_int, "0")):
        with pytest.raises(argparse.ArgumentTypeError):
            call(text)
    with pytest.raises(ValueError, match="invalid literal"):
        utils.positive_int("1; } evil()")


def test_warnings_show_their_calls(capsys):
    utils.warn_with_traceback("beware", UserWarning, "x.py", 3)
    assert "x.py:3: UserWarning: beware" in capsys.readouterr().err


def rewrite(expr, *, bin_cmp=False, is_user=False, users=(), functions="", index=0):
    return utils.StrcmpRewrite.rewrite_expr(expr, bin_cmp, is_user, set(users), functions, index)


def test_comparisons_of_texts():
    made = rewrite('(STRCMP("a)b", arg1) && STRCMP("c", $entry(file)))', users={"arg1"}, index=3)
    assert made["expr"] == "(streq_3((u64)(arg1)) && streq_4((u64)($entry(file))))"
    assert made["probeid"] == 5
    first, second = made["streq_functions"].split("streq_4")
    assert 'wanted[] = "a)b"' in first
    assert "bpf_probe_read_user(" in first
    assert 'wanted[] = "c"' in second
    assert "bpf_probe_read(" in second
    assert "sizeof(wanted) - 1" in second


def test_comparisons_of_bytes():
    made = rewrite('STRCMP("{0x6C, 0x00}", optval)', bin_cmp=True, is_user=True, functions="old")
    assert made["streq_functions"].startswith("old")
    assert "wanted[] = {0x6C, 0x00};" in made["streq_functions"]
    assert "sizeof(wanted);" in made["streq_functions"]


def test_expressions_without_comparisons_stay():
    assert rewrite('x == 1 && STRCMP("open')["expr"] == 'x == 1 && STRCMP("open'
    assert rewrite("a > b", functions="f", index=2) == {
        "expr": "a > b",
        "streq_functions": "f",
        "probeid": 2,
    }


def test_containers():
    nothing = filter_by_containers(SimpleNamespace(cgroupmap=None, mntnsmap=None))
    assert "BPF_TABLE_PINNED" not in nothing
    assert "container_should_be_filtered(void)" in nothing
    both = filter_by_containers(
        SimpleNamespace(cgroupmap="/sys/fs/bpf/a", mntnsmap="/sys/fs/bpf/b")
    )
    assert '"hash", u64, u64, cgroupset, 1024, "/sys/fs/bpf/a"' in both
    assert '"hash", u64, u32, mount_ns_set, 1024, "/sys/fs/bpf/b"' in both
    assert "MNT_NAMESPACE_DEFINED" in both
    assert "mount_ns_set" not in filter_by_containers(SimpleNamespace(cgroupmap="/a"))


def test_commands_wait_until_all_is_ready(tmp_path):
    done = tmp_path / "done"
    pid = commands.run_cmd([sys.executable, "-c", f"open({str(done)!r}, 'w')"])
    assert pid > 0
    assert not commands.cmd_exited()
    time.sleep(0.1)
    assert not done.exists()
    commands.cmd_ready()
    deadline = time.monotonic() + 20
    while not commands.cmd_exited() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert done.exists()


def test_commands_of_options():
    assert commands.run_cmd(SimpleNamespace(command=["true"])) > 0
    commands.cmd_ready()


def test_attributes_of_events():
    attr = Perf.perf_event_attr(type=Perf.PERF_TYPE_SOFTWARE)
    attr.exclude_kernel = 1
    attr.freq = 1
    assert ct.sizeof(attr) == 112
    assert int.from_bytes(bytes(attr)[40:48], "little") == 1 << 5 | 1 << 10
