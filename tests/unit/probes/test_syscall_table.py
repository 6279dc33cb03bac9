"""The table itself: complete, consistent, and right where the man pages are known by heart."""

import re
from pathlib import Path

import pytest

from syscast.probes import syscall_table

UNISTD = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def test_every_row_is_well_formed():
    for machine in ("x86_64", "aarch64"):
        every = list(syscall_table.every(machine))
        assert (
            len({each.number for each in every})
            == len({each.name for each in every})
            == len(every)
        )
        for each in every:
            assert len(each.arguments) <= 6
            for argument in each.arguments:
                assert re.fullmatch(r"\w+", argument.name), each
                assert re.fullmatch(
                    r"(const )?(struct |union )?\w+( \w+)*( (const )?\*+)?|const char \*const \*",
                    argument.ctype,
                ), each
                assert not (argument.string and not argument.pointer)


@pytest.mark.skipif(not UNISTD.exists(), reason="no kernel headers")
def test_numbers_are_those_of_the_installed_headers():
    numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", UNISTD.read_text()))
    table = {each.name: each.number for each in syscall_table.every("x86_64")}
    assert {name: int(numbers[name]) for name in table if name in numbers} == {
        name: number for name, number in table.items() if name in numbers
    }
    # Gone from the kernel, or never in it.
    assert set(numbers) - set(table) == {
        "_sysctl", "afs_syscall", "create_module", "epoll_ctl_old", "epoll_wait_old",
        "get_kernel_syms", "get_thread_area", "getpmsg", "nfsservctl", "putpmsg", "query_module",
        "security", "set_thread_area", "tuxcall", "uselib", "vserver",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("openat", "long openat(int dfd, const char *filename, int flags, umode_t mode)"),
        ("read", "long read(unsigned int fd, char *buf, size_t count)"),
        ("getpid", "long getpid(void)"),
        ("exit_group", "void exit_group(int error_code)"),
        ("uname", "long uname(struct new_utsname *name)"),
        (
            "execve",
            "long execve(const char *filename, const char *const *argv, const char *const *envp)",
        ),
    ],
)
def test_signatures(name, signature):
    assert syscall_table.find(name, "x86_64").signature == signature


@pytest.mark.parametrize(
    ("name", "strings", "filled"),
    [
        ("openat", ["filename"], []),
        ("read", [], ["buf"]),
        ("write", [], []),
        ("renameat2", ["oldname", "newname"], []),
        ("mount", ["dev_name", "dir_name", "type"], []),
        ("getcwd", ["buf"], ["buf"]),
        ("sethostname", [], []),
        ("umount2", ["name"], []),
    ],
)
def test_strings_and_buffers(name, strings, filled):
    arguments = syscall_table.find(name, "x86_64").arguments
    assert [argument.name for argument in arguments if argument.string] == strings
    assert [argument.name for argument in arguments if argument.out] == filled
