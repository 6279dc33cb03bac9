"""Every kind on real kernels: what it says of a context is what the workload did.

Programs here are assembled by hand (argument_reader), filtered by this process, and each value is
held against what the test knows it asked the kernel for.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from argument_reader import attached, context_of

from syscast import features
from syscast.btf import source
from syscast.btf.types import Func
from syscast.errors import NotSupportedError, TargetError
from syscast.ir.program import ArgFrom
from syscast.kernel import tracefs
from syscast.kernel.descriptors import Fd
from syscast.probes import registers, registry, syscall_table
from syscast.symbols import kallsyms

pytestmark = pytest.mark.kernel

IN_VM = bool(os.environ.get("SYSCAST_VM"))
KERNEL_HALF = 1 << 63


def needs(*names):
    """Skip where the kernel has none of the features."""
    answers = [features.probe(name) for name in names]
    if not any(answers):
        pytest.skip(answers[-1].reason)


def listen(backlog):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(backlog)


@pytest.fixture(scope="module", autouse=True)
def types_of_this_kernel():
    """Open for the life of the process; not a leak of the first test that needs it."""
    if IN_VM:
        subprocess.run(["modprobe", "veth"], check=True)
    return [source.kernel(), *map(source.module, source.modules())]


@pytest.fixture(params=["perf", "best"])
def kprobe_form(request, monkeypatch):
    """The perf event, and whatever the kind takes here; gives how the link describes itself."""
    needs("kprobe", "kprobe_multi")
    if request.param == "perf":
        monkeypatch.setenv("SYSCAST_DISABLE", "kprobe_multi")
    return "kprobe.multi" if features.supported("kprobe_multi") else "kprobe"


# ---------------------------------------------------------------- functions


def test_kprobe_arguments(kprobe_form):
    with attached(context_of("kprobe:inet_listen")) as seen:
        listen(7)
        assert (seen.count, seen["backlog"]) == (1, 7)
        assert seen["sock"] >= KERNEL_HALF
        assert seen.link.describe() == f"{kprobe_form} on inet_listen"
        listen(9)
        assert (seen.count, seen["backlog"]) == (2, 9)
        counted = features.supported("link_missed")
        assert seen.link.missed() == (0 if counted else None)


@pytest.mark.usefixtures("kprobe_form")
def test_kretprobe_return_value():
    with attached(context_of("kretprobe:inet_listen")) as seen:
        listen(7)
        assert (seen.count, seen["return"]) == (1, 0)


def test_nothing_comes_after_close(kprobe_form):
    with attached(context_of("kprobe:inet_listen")) as seen:
        seen.link.close()
        listen(7)
        assert seen.count == 0
        assert kprobe_form


@pytest.mark.usefixtures("kprobe_form")
def test_kprobe_arguments_on_the_stack():
    """pgoff is beyond the sixth argument of do_mmap on some kernels, populate on all."""
    context = context_of("kprobe:do_mmap")
    assert any(each.where is ArgFrom.STACK for each in context.arguments)
    with tempfile.TemporaryFile() as file, attached(context) as seen:
        file.truncate(8 * mmap.PAGESIZE)
        with mmap.mmap(
            file.fileno(), 2 * mmap.PAGESIZE, prot=mmap.PROT_READ, offset=3 * mmap.PAGESIZE
        ):
            assert seen["pgoff"] == 3
            assert seen["len"] == 2 * mmap.PAGESIZE
            assert seen["prot"] == mmap.PROT_READ
        # An output pointer and a list head, both on the caller's kernel stack.
        assert seen["populate"] >= KERNEL_HALF
        assert seen["uf"] >= KERNEL_HALF


def test_kprobe_behind_a_struct_by_value():
    """tcp_setsockopt(sk, level, optname, sockptr_t optval, optlen)."""
    needs("kprobe", "kprobe_multi")
    context = context_of("kprobe:tcp_setsockopt")
    assert context.arguments[3].where is ArgFrom.NOWHERE
    with socket.socket() as sock, attached(context) as seen:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
        assert seen["level"] == socket.IPPROTO_TCP
        assert seen["optname"] == socket.TCP_KEEPIDLE
        assert seen["optlen"] == 4


def test_fentry_arguments():
    needs("fentry")
    with attached(context_of("fentry:inet_listen")) as seen:
        listen(7)
        assert (seen.count, seen["backlog"]) == (1, 7)
        assert seen["sock"] >= KERNEL_HALF
        assert seen.link.describe() == "fentry on inet_listen"
        assert seen.link.missed() in {0, None}


def test_fexit_has_arguments_and_return_value():
    needs("fexit")
    with attached(context_of("fexit:inet_listen")) as seen:
        listen(7)
        assert (seen.count, seen["backlog"], seen["return"]) == (1, 7, 0)


def test_fexit_pointers_that_the_verifier_refuses():
    """vfs_read(file, char *buf, size_t count, loff_t *pos): words of every sort."""
    needs("fexit")
    context = context_of("fexit:vfs_read")
    assert {each.where for each in context.arguments} == {ArgFrom.CTX, ArgFrom.PROBED}
    with tempfile.TemporaryFile() as file, attached(context) as seen:
        file.write(b"x" * 100)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        buffer = bytearray(50)
        where = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        assert os.readv(file.fileno(), [buffer]) == 50
        os.lseek(file.fileno(), 60, os.SEEK_SET)
        assert ctypes.CDLL(None).read(file.fileno(), ctypes.c_void_p(where), 50) == 40
        assert (seen["buf"], seen["count"], seen["return"]) == (where, 50, 40)


def test_fentry_struct_by_value():
    needs("fentry")
    value = ctypes.c_int(78)
    try:
        with socket.socket() as sock, attached(context_of("fentry:tcp_setsockopt")) as seen:
            done = ctypes.CDLL(None).setsockopt(
                sock.fileno(), socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, ctypes.byref(value), 4
            )
            assert (done, seen.count, seen["optlen"]) == (0, 1, 4)
            assert seen["optname"] == socket.TCP_KEEPIDLE
            assert seen.raw("optval")[:8] == ctypes.addressof(value).to_bytes(8, "little")
    except NotSupportedError as error:
        # Trampolines pass no structs before Linux kernel commit 720e6a435194 ("bpf: Allow struct
        # argument in trampoline based programs") (in v6.1); the kernel's words are passed on.
        words = str(error)
    else:
        words = "type STRUCT is unsupported"
    assert "type STRUCT is unsupported" in words


def test_choice_prefers_trampolines():
    needs("fentry", "kprobe", "kprobe_multi")
    choice = registry.choose("inet_listen")
    if features.supported("fentry"):
        assert (choice.kind.name, choice.rejected) == ("fentry", ())
    else:
        assert choice.rejected[0][0] == "fentry"


@pytest.mark.parametrize("target", ["do_mmap", "tcp_setsockopt"])
@pytest.mark.parametrize("role", ["probe", "call"])
def test_the_choice_attaches_where_trampolines_may_not(target, role):
    """do_mmap has more arguments than registers, tcp_setsockopt one passed by value."""
    needs("fentry", "kprobe", "kprobe_multi")
    choice = registry.choose(target, role)
    if choice.rejected:
        assert "do_mmap" in choice.rejected[0][1] or "trial" in choice.rejected[0][1]
    for context in choice.kind.contexts(choice.target, role=role):
        with attached(context) as seen:
            assert target in seen.link.describe()


def test_a_pair_of_kprobes_agrees_on_the_stack_pointer(kprobe_form):
    """The frame that tells calls apart: entry's stack pointer and bias, and the exit's."""
    choice = registry.choose("kprobe:inet_listen", "call")
    frames = []
    for context in choice.kind.contexts(choice.target, role="call"):
        assert context.frame == "sp"
        offset = registers.here().stack[1]
        word = type(choice.target.arguments[0])("sp", offset=offset, ctype="unsigned long")
        changed = type(context)(
            kind=context.kind,
            target=context.target,
            section=context.section,
            program_type=context.program_type,
            arguments=(word,),
        )
        frames.append((changed, context.frame_bias))
    (entry, entry_bias), (leave, leave_bias) = frames
    assert kprobe_form
    with attached(leave) as at_exit, attached(entry) as at_entry:
        listen(7)
        assert at_entry["sp"] >= KERNEL_HALF
        assert at_entry["sp"] + entry_bias == at_exit["sp"] + leave_bias


# ---------------------------------------------------------------- tracepoints


def run_true():
    return subprocess.run(["/bin/true"], check=True)


@pytest.mark.parametrize("typed", [True, False])
def test_raw_tracepoint(typed, monkeypatch):
    if typed:
        needs("tp_btf")
    else:
        needs("raw_tracepoint")
        monkeypatch.setenv("SYSCAST_DISABLE", "tp_btf")
    context = context_of("raw_tracepoint:sched_process_fork")
    assert context.section == f"{'tp_btf' if typed else 'raw_tp'}/sched_process_fork"
    with attached(context) as seen:
        run_true()
        assert seen.count >= 1
        assert seen["parent"] >= KERNEL_HALF
        assert seen["child"] >= KERNEL_HALF
        assert seen["child"] != seen["parent"]


def test_tracepoint_strings_in_the_record():
    needs("tracepoint")
    context = context_of("sched:sched_process_exec")
    assert not context.kernel_bound
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), 19)  # SIGSTOP: until the parent has attached
        os.execv("/bin/true", ["true"])  # no shell
    os.waitpid(child, os.WUNTRACED)
    try:
        with attached(context, pid=child) as seen:
            os.kill(child, 18)
            os.waitpid(child, 0)
            assert seen.count == 1
            assert seen["filename"] == "/bin/true"
            assert seen["pid"] == child
    finally:
        subprocess.run(["true"], check=True)


def test_tracepoint_arrays_and_numbers():
    needs("tracepoint")
    context = context_of("tracepoint:task:task_rename")
    old = Path("/proc/self/comm").read_text().strip()
    try:
        with attached(context) as seen:
            Path("/proc/self/comm").write_text("renamed")
            assert (seen.count, seen["pid"]) == (1, os.getpid())
            assert (seen["oldcomm"], seen["newcomm"]) == (old, "renamed")
    finally:
        Path("/proc/self/comm").write_text(old)


def test_tracepoint_of_a_system_call_reads_user_strings():
    needs("tracepoint")
    context = context_of("syscalls:sys_enter_mkdirat")
    assert context.kernel_bound
    with attached(context) as seen, Fd.open("/", os.O_PATH) as root:
        with pytest.raises(FileNotFoundError):
            os.mkdir("no/such/place", 0o751, dir_fd=root.fileno())
        assert (seen["dfd"], seen["pathname"]) == (root.fileno(), "no/such/place")
        assert seen["mode"] == 0o751


def test_every_tracepoint_resolves():
    needs("tracepoint")
    kind = registry.get("tracepoint")
    kernel = source.kernel()
    portable = 0
    every = list(tracefs.events())
    for category, name in every:
        if category in {"ftrace", "kprobes", "uprobes", "synthetic"}:
            continue
        target = kind.resolve(f"{category}:{name}", kernel)
        assert len({argument.name for argument in target.arguments}) == len(target.arguments)
        portable += all(argument.field for argument in target.arguments)
    # All but the system calls' (and few odd ones) have their struct in BTF.
    others = sum(category != "syscalls" for category, _ in every)
    assert portable > 0.9 * others


# ---------------------------------------------------------------- system calls


@pytest.mark.parametrize("typed", [True, False])
def test_system_call_at_its_entry(typed, monkeypatch):
    needs("raw_tracepoint")
    if not typed:
        monkeypatch.setenv("SYSCAST_DISABLE", "tp_btf")
    with attached(context_of("openat")) as seen:
        with pytest.raises(FileNotFoundError):
            os.open("/no/such/file", os.O_RDWR | os.O_CLOEXEC, 0o640)
        assert seen["filename"] == "/no/such/file"
        assert seen["flags"] & os.O_RDWR
        assert seen["dfd"] == -100  # AT_FDCWD
        count = seen.count
        os.getppid()
        assert seen.count == count


@pytest.mark.parametrize("typed", [True, False])
def test_system_call_at_its_exit(typed, monkeypatch):
    needs("raw_tracepoint")
    if not typed:
        monkeypatch.setenv("SYSCAST_DISABLE", "tp_btf")
    with attached(context_of("syscall:dup", role="call", index=1)) as seen:
        fd = os.open("/dev/null", os.O_RDONLY)
        other = ctypes.CDLL(None).dup(fd)
        assert (seen.count, seen["fildes"], seen["return"]) == (1, fd, other)
        os.close(fd)
        os.close(other)
        assert ctypes.CDLL(None).dup(fd) == -1
        assert seen["return"] == -9  # EBADF


def test_the_table_has_every_system_call_of_this_kernel():
    needs("tracepoint")
    machine = registers.here().machine
    known = {each.function for each in syscall_table.every(machine)}
    assert set(tracefs.syscalls()) <= known
    kind = registry.get("syscall")
    kernel = source.kernel()
    for name in tracefs.syscalls():
        target = kind.resolve(name, kernel)
        fields = [
            field.name
            for field in tracefs.event_format("syscalls", f"sys_enter_{name}").fields
            if field.name != "__syscall_nr" and not field.loc
        ]
        assert [argument.name for argument in target.arguments][: len(fields)] == fields, name


@pytest.fixture
def both_points_busy():
    """Keep other programs on sys_enter and sys_exit.

    The first and the second program on a tracepoint patch the kernel's code. A thousand times of
    that is no test of ours, and emulated processors have died of it.
    """
    with contextlib.ExitStack() as stack:
        for index in (0, 0, 1, 1):
            stack.enter_context(attached(context_of("getpgrp", role="call", index=index)))
        yield


@pytest.mark.usefixtures("both_points_busy")
@pytest.mark.parametrize("quarter", range(4))
def test_all_system_calls_attach_one_by_one(quarter):
    needs("tracepoint")
    names = tracefs.syscalls()
    assert len(names) > 300
    for name in names[quarter::4]:
        role = "call" if registry.choose(f"syscall:{name}").target.returns_at_all else "probe"
        choice = registry.choose(f"syscall:{name}", role)
        for context in choice.kind.contexts(choice.target, role=role):
            with attached(context) as seen:
                assert "sys_e" in seen.link.describe()


# ---------------------------------------------------------------- why not


def test_a_function_that_kprobes_may_not_enter():
    needs("kprobe", "kprobe_multi")
    lines = Path("/sys/kernel/debug/kprobes/blacklist").read_text().splitlines()
    symbols = kallsyms.kernel()
    name = next(
        name
        for name in (line.split("\t")[1] for line in lines)
        if source.kernel().find(name, Func) is not None and len(symbols.find(name)) == 1
    )
    with (
        pytest.raises(TargetError, match=f"function '{name}': find: .*(forbids|without tracing)"),
        attached(context_of(f"kprobe:{name}")),
    ):
        pass


def test_a_function_that_is_only_a_copy():
    symbols = kallsyms.kernel()
    copies = (name for name in _names_of_copies() if not symbols.find(name.partition(".")[0]))
    copy = next(name for name in copies if len(symbols.find(name)) == 1)
    with pytest.raises(TargetError, match=f"the compiler left only .*{re.escape(copy)}"):
        registry.choose(copy.partition(".")[0])
    choice = registry.choose(f"kprobe:{copy}", here=False)
    assert choice.target.arguments[0].name == "arg0"


def test_a_name_that_several_functions_have():
    counts = Counter(kallsyms.kernel().functions())
    name = next(name for name, count in counts.items() if count > 1 and _own(name) > 1)
    for kind in ("kprobe", "fentry"):
        with pytest.raises(TargetError, match=f"'{name}': look up: .* functions have this name"):
            registry.choose(f"{kind}:{name}", here=False)


def _own(name):
    return sum(not symbol.module for symbol in kallsyms.kernel().find(name))


def _names_of_copies():
    for line in Path("/proc/kallsyms").read_text().splitlines():
        name = line.split()[2]
        if re.fullmatch(r"[a-z_0-9]+\.isra\.\d+", name):
            yield name


def test_a_function_that_is_not_there():
    with pytest.raises(TargetError, match="function 'inet_lisen': look up") as caught:
        registry.choose("inet_lisen")
    assert "inet_listen" in caught.value.near


def test_a_tracepoint_that_is_not_there():
    needs("tracepoint")
    with pytest.raises(TargetError, match="no such tracepoint"):
        registry.choose("tracepoint:sched:sched_swich")


def test_a_function_of_a_module():
    needs("kprobe", "kprobe_multi")
    if not IN_VM:
        pytest.skip("no module is loaded into a machine that others share")
    kinds = ["kprobe"]
    if "veth" in source.modules():
        kinds.append("fentry")
        choice = registry.choose("veth_newlink")
        assert (choice.target.module, choice.types.name) == ("veth", "veth")
        assert registry.choose("veth:veth_newlink").target.qualified == "veth:veth_newlink"
    else:
        # A kernel without BTF of modules: the registers are still there.
        choice = registry.choose("kprobe:veth_newlink")
        assert (choice.target.module, choice.target.arguments[0].name) == ("veth", "arg0")
    for kind in kinds:
        name = "veth:veth_newlink" if kind == "fentry" else "veth_newlink"
        with attached(context_of(f"{kind}:{name}"), pid=0) as seen:
            assert seen.link.describe().endswith("veth_newlink")
