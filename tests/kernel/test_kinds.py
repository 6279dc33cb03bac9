"""Every kind on real kernels: what it says of a context is what the workload did.

Programs here are assembled by hand (argument_reader), filtered by this process, and each value is
held against what the test knows it asked the kernel for.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from argument_reader import attached, context_of

from syscast import features
from syscast.btf import source
from syscast.btf.types import Func
from syscast.errors import KernelError, TargetError
from syscast.ir.program import ArgFrom
from syscast.kernel import tracefs
from syscast.probes import registers, registry, syscall_table

pytestmark = pytest.mark.kernel

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
    return source.kernel()


@pytest.fixture(params=["perf", "multi"])
def kprobe_form(request, monkeypatch):
    """Both ways to attach a kprobe."""
    if request.param == "perf":
        needs("kprobe")
        monkeypatch.setenv("SYSCAST_DISABLE", "kprobe_multi")
    else:
        needs("kprobe_multi")
    return request.param


# ---------------------------------------------------------------- functions


def test_kprobe_arguments(kprobe_form):
    with attached(context_of("kprobe:inet_listen")) as seen:
        listen(7)
        assert (seen.count, seen["backlog"]) == (1, 7)
        assert seen["sock"] >= KERNEL_HALF
        form = "kprobe.multi" if kprobe_form == "multi" else "kprobe"
        assert seen.link.describe() == f"{form} on inet_listen"
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
    context = context_of("fentry:tcp_setsockopt")
    reading = attached(context)
    try:
        seen = reading.__enter__()
    except KernelError as error:
        # Before v6.1 trampolines passed no structs: the load is refused, with the kernel's words.
        pytest.skip(f"no structs by value: {error}")
    try:
        with socket.socket() as sock:
            value = ctypes.c_int(78)
            done = ctypes.CDLL(None).setsockopt(
                sock.fileno(), socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, ctypes.byref(value), 4
            )
        assert done == 0
        assert seen["optname"] == socket.TCP_KEEPIDLE
        assert seen.raw("optval")[:8] == ctypes.addressof(value).to_bytes(8, "little")
        assert seen["optlen"] == 4
    finally:
        reading.__exit__(None, None, None)


def test_choice_prefers_trampolines():
    needs("fentry", "kprobe", "kprobe_multi")
    choice = registry.choose("inet_listen")
    if features.supported("fentry"):
        assert (choice.kind.name, choice.rejected) == ("fentry", ())
    else:
        assert choice.rejected[0][0] == "fentry"


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
    with attached(context) as seen:
        with pytest.raises(FileNotFoundError):
            os.mkdir("/no/such/place", 0o751, dir_fd=os.open("/", os.O_PATH))
        assert seen["pathname"] == "/no/such/place"
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


def test_all_system_calls_attach_one_by_one():
    needs("tracepoint")
    names = tracefs.syscalls()
    assert len(names) > 300
    for name in names:
        role = "call" if registry.choose(f"syscall:{name}").target.returns_at_all else "probe"
        choice = registry.choose(f"syscall:{name}", role)
        for context in choice.kind.contexts(choice.target, role=role):
            with attached(context) as seen:
                assert "sys_e" in seen.link.describe()


# ---------------------------------------------------------------- why not


def test_a_function_that_is_notrace():
    needs("fentry", "kprobe")
    from syscast.symbols import kallsyms, traceable  # noqa: PLC0415  # reads this kernel's symbols

    listed = set(traceable.functions() or ())
    kernel = source.kernel()
    candidates = (
        name
        for name in kallsyms.kernel().functions()
        if name not in listed and kernel.find(name, Func) is not None
    )
    for name in candidates:
        context = context_of(f"fentry:{name}") if features.supported("fentry") else None
        if context is None or len(kallsyms.kernel().find(name)) != 1:
            continue
        with pytest.raises(TargetError, match=r"notrace|blacklist|forbids"), attached(context):
            pass
        return
    pytest.skip("this kernel lets everything in BTF be traced")


def test_a_function_that_is_not_there():
    with pytest.raises(TargetError, match="function 'inet_lisen': look up") as caught:
        registry.choose("inet_lisen")
    assert "inet_listen" in caught.value.near


def test_a_tracepoint_that_is_not_there():
    needs("tracepoint")
    with pytest.raises(TargetError, match="no such tracepoint"):
        registry.choose("tracepoint:sched:sched_swich")


def test_a_function_of_a_module():
    subprocess.run(["modprobe", "veth"], check=False)
    if "veth" not in source.modules():
        pytest.skip("no module with BTF could be loaded")
    needs("fentry", "kprobe")
    choice = registry.choose("veth_newlink")
    assert (choice.target.module, choice.types.name) == ("veth", "veth")
    choice = registry.choose("veth:veth_newlink")
    assert choice.target.qualified == "veth:veth_newlink"
    for kind in ("fentry", "kprobe"):
        with attached(context_of(f"{kind}:veth:veth_newlink"), pid=0) as seen:
            assert "veth" in seen.link.describe()
