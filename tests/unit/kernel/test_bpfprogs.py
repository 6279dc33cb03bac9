from __future__ import annotations

import errno
import os
import signal
import struct

import pytest

from syscast.asm import build as b
from syscast.asm import encode
from syscast.asm import opcodes as op
from syscast.errors import KernelError, VerifierError
from syscast.kernel import bpfinfo, bpfmaps, bpfprogs
from syscast.kernel.bpfprogs import ProgAttr

pytestmark = pytest.mark.usefixtures("bpf")

SEVEN = encode([b.mov_imm(op.R0, 7), b.exit_()])


def test_a_program_runs_on_request() -> None:
    with bpfprogs.prog_load(ProgAttr(bpfprogs.TYPE_SOCKET_FILTER, SEVEN, name="seven")) as prog:
        ran = bpfprogs.prog_test_run(prog, data_in=bytes(range(64)), repeat=10, data_out=64)
        assert ran.retval == 7
        assert len(ran.data) == 64
        info = bpfinfo.prog_info(prog)
        assert (info.name, info.prog_type, info.xlated_len) == ("seven", 1, 16)
        assert len(info.tag) == 16
        assert info.id in set(bpfinfo.ids("program"))
        assert bpfinfo.prog_map_ids(prog) == ()


def test_a_program_writes_into_its_map_and_context() -> None:
    counter = bpfmaps.MapAttr(bpfmaps.TYPE_ARRAY, 4, 8, 1)
    with bpfmaps.map_create(counter) as array:
        code = [
            b.mov_reg(op.R6, op.R1),
            b.load(op.BPF_DW, op.R7, op.R6, 0),
            b.load_map_value(op.R1, array.fileno()),
            b.store(op.BPF_DW, op.R1, 0, op.R7),
            b.mov_imm(op.R1, 99),
            b.store(op.BPF_DW, op.R6, 8, op.R1),
            b.mov_imm(op.R0, 0),
            b.exit_(),
        ]
        attr = ProgAttr(
            bpfprogs.TYPE_SYSCALL, encode(code), name="writer", flags=bpfprogs.F_SLEEPABLE
        )
        try:
            loaded = bpfprogs.prog_load(attr)
        except KernelError as error:
            if error.errno != errno.EINVAL or isinstance(error, VerifierError):
                raise
            pytest.skip("this kernel has no syscall programs")
        with loaded as prog:
            ran = bpfprogs.prog_test_run(prog, ctx_in=struct.pack("<QQ", 1234, 0))
            assert struct.unpack("<QQ", ran.ctx) == (1234, 99)
            assert bpfmaps.lookup(array, bytes(4), 8) == struct.pack("<Q", 1234)
            assert bpfinfo.prog_map_ids(prog) == (bpfinfo.map_info(array).id,)


def test_a_refusal_has_the_verifiers_words() -> None:
    with pytest.raises(VerifierError) as caught:
        bpfprogs.prog_load(ProgAttr(bpfprogs.TYPE_SOCKET_FILTER, encode([b.exit_()]), name="bad"))
    assert str(caught.value) == "program 'bad': load: refused by the verifier (R0 !read_ok)"
    assert "0: (95) exit" in caught.value.log
    assert caught.value.errno_name == "EACCES"


def test_the_reason_is_taken_from_logs_of_all_ages() -> None:
    old = "0: R1=ctx() R10=fp0\n0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit 1000000)\n"
    new = old.replace(
        "processed", "\nVerification failed: Type\n\nSuggestion:\n  Do.\n\nprocessed"
    )
    assert bpfprogs.log_reason(old) == "R0 !read_ok"
    assert bpfprogs.log_reason(new) == "R0 !read_ok"
    assert bpfprogs.log_reason("processed 0 insns (limit 1000000)\n") == ""
    assert bpfprogs.log_reason("") == ""


def test_an_unknown_type_is_no_verifier_error() -> None:
    with pytest.raises(KernelError, match="program 'odd': load: invalid argument") as caught:
        bpfprogs.prog_load(ProgAttr(999, SEVEN, name="odd"))
    assert not isinstance(caught.value, VerifierError)


def test_a_log_that_is_longer_than_the_first_buffer_is_whole() -> None:
    code = [b.mov_imm(op.R0, 0)]
    code += [b.alu_imm(op.BPF_ADD, op.R0, 1) for _ in range(4000)]
    code += [b.exit_()]
    loaded = bpfprogs.prog_load_verbose(ProgAttr(1, encode(code), name="long"), 2)
    with loaded.fd:
        assert len(loaded.log) > 1 << 16
        assert "4001: (95) exit" in loaded.log
        assert "processed 4002 insns" in loaded.log


def test_a_storm_of_signals_does_not_stop_a_load() -> None:
    # With a timer this fast, a large program is never verified unless signals are blocked.
    code = [b.mov_imm(op.R0, 0)]
    code += [b.alu_imm(op.BPF_ADD, op.R0, 1) for _ in range(60000)]
    code += [b.exit_()]
    seen = []
    before = signal.signal(signal.SIGPROF, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_PROF, 0.002, 0.002)
    try:
        bpfprogs.prog_load(ProgAttr(1, encode(code), name="long")).close()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert seen
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_statistics_count_runs_while_they_are_enabled() -> None:
    with (
        bpfprogs.enable_stats(),
        bpfprogs.prog_load(ProgAttr(1, SEVEN, name="seven")) as prog,
    ):
        assert bpfinfo.prog_info(prog).run_cnt == 0
    # BPF_PROG_TEST_RUN does not count; that the field is known at all is what is tested here.


BTF_INT = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 16, 16, 5) + struct.pack(
    "<IIII", 1, 1 << 24, 4, 1 << 24 | 32
)


def test_btf_loads_and_reads_back() -> None:
    data = BTF_INT + b"\0int\0"
    with bpfprogs.btf_load(data) as fd:
        assert bpfinfo.btf_data(fd) == data
        info = bpfinfo.btf_info(fd)
        assert (info.size, info.kernel, info.name) == (len(data), False, "")
        assert info.id > 0


def test_refused_btf_says_why() -> None:
    with pytest.raises(KernelError, match=r"btf 'program': load: invalid argument \(.+\)"):
        bpfprogs.btf_load(BTF_INT + b"\0int!")


def test_without_rights_the_capability_is_named() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "no error"
        try:
            os.setgroups([])
            os.setresgid(1000, 1000, 1000)
            os.setresuid(1000, 1000, 1000)
            bpfprogs.prog_load(ProgAttr(bpfprogs.TYPE_TRACEPOINT, SEVEN, name="seven"))
        except BaseException as error:  # noqa: BLE001
            text = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, text.encode())
            os._exit(0)
    os.waitpid(pid, 0)
    text = os.read(reading, 1000).decode()
    os.close(reading)
    os.close(writing)
    assert text == (
        "PermissionDeniedError: program 'seven': load: operation not permitted (CAP_BPF and "
        "CAP_PERFMON are missing: run as root or with these capabilities)"
    )
