r"""Make src/syscast/probes/data/syscalls.tsv: numbers, argument names and C types of all system calls.

Sources, all facts of the kernel's ABI:

* numbers: ``asm/unistd_64.h`` of x86 and arm64, from the newest linux-libc-dev package;
* names and types of arguments: the tracepoints ``syscalls:sys_enter_*`` of several kernels, read in
  virtual machines; where kernels differ, the last one given wins (pass the newest last);
* what neither says stands in this file: which pointers are NUL-terminated strings, which buffers
  the kernel fills, which calls never return, and the kernel functions that bear another name.

How it was run::

    for k in 5.10 6.1 6.12 newest; do
        ./dev vm --kernel $k --shell 'python3 tools/gen_syscalls.py collect /tmp/syscalls.json' \
            --fetch /tmp/syscalls.json && mv build/vm/shell/syscalls.json build/syscalls-$k.json
    done
    dpkg-deb -x linux-libc-dev_*.deb build/headers
    python3 tools/gen_syscalls.py build build/headers/usr/lib/linux/uapi build/syscalls-*.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OUTPUT = PROJECT / "src/syscast/probes/data/syscalls.tsv"
PREFIX = "sys_enter_"

# System call (unistd.h) to the kernel function that implements it, where the names differ
# (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
FUNCTIONS = {
    "stat": "newstat",
    "fstat": "newfstat",
    "lstat": "newlstat",
    "uname": "newuname",
    "umount2": "umount",
    "sendfile": "sendfile64",
}

# Not in every kernel's tracefs: built only with an option that no kernel of the matrix has.
EXTRA: dict[str, list[list[str]]] = {"rseq_slice_yield": []}

# do_exit never comes back; rt_sigreturn comes back as another system call or none (its number at
# the exit is -1).
NO_RETURN = {"exit", "exit_group", "rt_sigreturn"}

# ``const char *`` that is not a NUL-terminated string: it has a length, or is an address.
NOT_STRINGS = {
    "mq_timedsend.u_msg_ptr",
    "pwrite64.buf",
    "setdomainname.name",
    "sethostname.name",
    "shmdt.shmaddr",
    "write.buf",
}
# Strings whose type does not say so.
STRINGS = {
    "getcwd.buf",
    "kexec_file_load.cmdline_ptr",
    "mount.dev_name",
    "mount.dir_name",
    "mount.type",
    "umount2.name",
}

# Memory that the kernel fills: it holds nothing of this call before the return.
OUT = """
accept.upeer_sockaddr accept4.upeer_sockaddr capget.dataptr clock_getres.tp clock_gettime.tp
clock_nanosleep.rmtp epoll_pwait.events epoll_pwait2.events epoll_wait.events fgetxattr.value
flistxattr.list fstat.statbuf fstatfs.buf get_robust_list.head_ptr get_robust_list.len_ptr
getcpu.cpup getcpu.nodep getcwd.buf getdents.dirent getdents64.dirent getgroups.grouplist
getitimer.value getpeername.usockaddr getrandom.ubuf getresgid.egidp getresgid.rgidp
getresgid.sgidp getresuid.euidp getresuid.ruidp getresuid.suidp getrlimit.rlim getrusage.ru
getsockname.usockaddr getsockopt.optval gettimeofday.tv gettimeofday.tz getxattr.value
io_getevents.events io_pgetevents.events io_setup.ctxp lgetxattr.value listxattr.list
llistxattr.list lookup_dcookie.buf lstat.statbuf mincore.vec mq_getsetattr.u_omqstat
mq_timedreceive.u_msg_prio mq_timedreceive.u_msg_ptr msgrcv.msgp name_to_handle_at.mnt_id
nanosleep.rmtp newfstatat.statbuf pipe.fildes pipe2.fildes pread64.buf prlimit64.old_rlim
read.buf readlink.buf readlinkat.buf recvfrom.addr recvfrom.ubuf rt_sigaction.oact
rt_sigpending.uset rt_sigprocmask.oset rt_sigtimedwait.uinfo sched_getaffinity.user_mask_ptr
sched_getattr.uattr sched_getparam.param sched_rr_get_interval.interval setitimer.ovalue
sigaltstack.uoss socketpair.usockvec stat.statbuf statfs.buf statx.buffer sysinfo.info
syslog.buf time.tloc timer_create.created_timer_id timer_gettime.setting
timer_settime.old_setting timerfd_gettime.otmr timerfd_settime.otmr times.tbuf uname.name
ustat.ubuf wait4.ru wait4.stat_addr waitid.infop waitid.ru
"""

HEADER = """\
# System calls of Linux: name, number on x86_64, number on aarch64, kernel function where its name
# is another, marks, arguments as "type name". Marks of a call: noreturn. Marks of an argument:
# =string (a NUL-terminated string in user memory), =out (memory that the kernel fills).
# Made by tools/gen_syscalls.py; do not edit.
"""


def collect(path: str) -> None:
    """Write the arguments of every syscall tracepoint of the running kernel as JSON."""
    from syscast.kernel import tracefs  # noqa: PLC0415  # only in the guest

    found = {}
    for name in tracefs.syscalls():
        fields = tracefs.event_format("syscalls", PREFIX + name).fields
        # Newer kernels copy strings into the record too, as located fields behind the arguments.
        arguments = [field for field in fields if field.name != "__syscall_nr" and not field.loc]
        found[name] = [[field.c_type, field.name] for field in arguments]
    Path(path).write_text(json.dumps(found))


def numbers(header: Path) -> dict[str, int]:
    """System call numbers of a unistd.h."""
    text = header.read_text()
    return {m[1]: int(m[2]) for m in re.finditer(r"#define __NR_(\w+) (\d+)", text)}


def row(name: str, arguments: list[list[str]], x86: str, arm: str, out: set[str]) -> str:
    """One line of the table."""
    words = []
    for kernel_type, argument in arguments:
        key = f"{name}.{argument}"
        ctype = re.sub(r"\*\s*const$", "*", kernel_type).replace("* *", "**")
        plain = ctype == "const char *" and key not in NOT_STRINGS
        marks = "=string" if plain or key in STRINGS else ""
        marks += "=out" if key in out else ""
        spelled = ctype if ctype.endswith("*") else f"{ctype} "
        words.append(f"{spelled}{argument}{marks}")
    function = FUNCTIONS.get(name, "-")
    mark = "noreturn" if name in NO_RETURN else "-"
    return "\t".join([name, x86, arm, function, mark, ", ".join(words)]).rstrip("\t")


def build(headers: Path, formats: list[Path]) -> None:
    """Write the table."""
    x86 = numbers(headers / "x86/asm/unistd_64.h")
    arm = numbers(headers / "arm64/asm/unistd_64.h")
    kernels: dict[str, list[list[str]]] = dict(EXTRA)
    for path in formats:
        kernels.update(json.loads(path.read_text()))
    names = {function: name for name, function in FUNCTIONS.items()}
    calls = {names.get(function, function): arguments for function, arguments in kernels.items()}
    every = {
        f"{name}.{argument}" for name, arguments in calls.items() for _, argument in arguments
    }
    out = set(OUT.split())
    unknown = (out | STRINGS | NOT_STRINGS) - every
    unknown |= {name for name in calls if name not in x86} | (NO_RETURN - set(calls))
    if unknown:
        sys.exit(f"not in the kernels' tables: {', '.join(sorted(unknown))}")
    lines = [
        row(name, calls[name], str(x86[name]), str(arm.get(name, "-")), out)
        for name in sorted(calls, key=lambda name: x86[name])
    ]
    OUTPUT.write_text(HEADER + "\n".join(lines) + "\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["collect", path]:
            collect(path)
        case ["build", headers, *formats]:
            build(Path(headers), [Path(each) for each in formats])
        case _:
            sys.exit(__doc__)
