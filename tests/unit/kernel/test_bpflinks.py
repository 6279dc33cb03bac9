from __future__ import annotations

import os
import struct

import pytest

from syscast.asm import build as b
from syscast.asm import encode
from syscast.asm import opcodes as op
from syscast.errors import KernelError, UsageError
from syscast.kernel import bpfinfo, bpflinks, bpfmaps, bpfprogs
from syscast.kernel.bpfmaps import MapAttr
from syscast.kernel.bpfprogs import ProgAttr

pytestmark = pytest.mark.usefixtures("bpf")

CURRENT_PID_TGID = 14


def counting(array_number: int) -> bytes:
    """Count the runs in this process only."""
    return encode(
        [
            b.call_helper(CURRENT_PID_TGID),
            b.alu_imm(op.BPF_RSH, op.R0, 32),
            b.jump_imm(op.BPF_JNE, op.R0, os.getpid(), 4),
            b.load_map_value(op.R1, array_number),
            b.mov_imm(op.R2, 1),
            b.atomic(op.BPF_ADD, op.BPF_DW, op.R1, 0, op.R2),
            b.mov_imm(op.R0, 0),
            b.exit_(),
        ]
    )


def test_a_raw_tracepoint_runs_until_its_link_is_closed() -> None:
    with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_ARRAY, 4, 8, 1)) as array:
        attr = ProgAttr(bpfprogs.TYPE_RAW_TRACEPOINT, counting(array.fileno()), name="count")
        with bpfprogs.prog_load(attr) as prog:

            def count() -> int:
                value = bpfmaps.lookup(array, bytes(4), 8)
                assert value is not None
                return struct.unpack("<Q", value)[0]

            with bpflinks.raw_tracepoint_open(prog, "sys_enter") as link:
                before = count()
                for _ in range(100):
                    os.getppid()
                assert count() - before >= 100
                info = bpfinfo.link_info(link)
                assert info.link_type == bpfinfo.LINK_RAW_TRACEPOINT
                assert info.prog_id == bpfinfo.prog_info(prog).id
                assert bpfinfo.link_info_size(link) >= 16
            after = count()
            os.getppid()
            assert count() == after


def test_an_unknown_tracepoint_is_named() -> None:
    code = encode([b.mov_imm(op.R0, 0), b.exit_()])
    with (
        bpfprogs.prog_load(ProgAttr(bpfprogs.TYPE_RAW_TRACEPOINT, code, name="nop")) as prog,
        pytest.raises(
            KernelError,
            match="program 'nop': attach to raw tracepoint 'no_such': no such file or directory",
        ),
    ):
        bpflinks.raw_tracepoint_open(prog, "no_such")


def test_kprobe_multi_wants_symbols_or_addresses() -> None:
    code = encode([b.mov_imm(op.R0, 0), b.exit_()])
    with bpfprogs.prog_load(ProgAttr(bpfprogs.TYPE_SOCKET_FILTER, code, name="nop")) as prog:
        with pytest.raises(UsageError, match="give symbols or addresses"):
            bpflinks.link_kprobe_multi(prog)
        with pytest.raises(UsageError, match="2 cookies"):
            bpflinks.link_kprobe_multi(prog, symbols=["a"], cookies=[1, 2])
