"""Probes of what everything else rests on: bpf(2) itself, BTF, JIT, instructions, accounting."""

from __future__ import annotations

import os

from syscast.asm import Instruction, build
from syscast.asm.opcodes import (
    BPF_ADD,
    BPF_ALU64,
    BPF_DIV,
    BPF_DW,
    BPF_END,
    BPF_FETCH,
    R0,
    R1,
    R10,
)
from syscast.errors import SyscastError
from syscast.features.feature import INCONCLUSIVE, NO, YES, Feature, Result, attempt
from syscast.features.programs import load
from syscast.kernel import bpfinfo, bpfmaps, bpfprogs, host
from syscast.kernel.bpfmaps import MapAttr
from syscast.kernel.textfiles import read_text

_KTIME_GET_COARSE_NS = 160


def _bpf() -> Result:
    return attempt(lambda: bpfmaps.map_create(MapAttr(bpfmaps.TYPE_ARRAY, 4, 4, 1)).close())


def _btf_vmlinux() -> Result:
    from syscast.btf import source  # noqa: PLC0415  # the other probes do without BTF

    try:
        source.kernel()
    except SyscastError as error:
        return Result(NO, str(error))
    return Result(YES)


def _btf_modules() -> Result:
    try:
        with os.scandir("/sys/kernel/btf") as entries:
            names = {entry.name for entry in entries}
    except OSError as error:
        return Result(NO, "the kernel shows no BTF under /sys/kernel/btf", error.errno or 0)
    if names - {"vmlinux"}:
        return Result(YES)
    if not read_text("/proc/modules"):
        return Result(INCONCLUSIVE, "no module is loaded")
    return Result(NO, "modules are loaded, but none has BTF under /sys/kernel/btf")


def _memcg_accounting() -> Result:
    # The helper came in the same release (v5.11) as the accounting; libbpf tells them apart by
    # it too (probe_memcg_account).
    code = [build.call_helper(_KTIME_GET_COARSE_NS), build.mov_imm(R0, 0), build.exit_()]
    return attempt(lambda: load(bpfprogs.TYPE_SOCKET_FILTER, code).close())


def _jit() -> Result:
    enabled = host.sysctl("net/core/bpf_jit_enable")
    if enabled == 0:
        return Result(NO, "net.core.bpf_jit_enable is 0")
    try:
        with load(bpfprogs.TYPE_SOCKET_FILTER) as prog:
            length = bpfinfo.prog_info(prog).jited_len
    except SyscastError as error:
        return Result(INCONCLUSIVE, str(error))
    if length or enabled:
        return Result(YES)
    return Result(INCONCLUSIVE, "the kernel does not show machine code to this user")


def _cpu_v4() -> Result:
    code = [
        build.mov_imm(R0, -10),
        build.alu_imm(BPF_DIV, R0, 3, off=1),
        Instruction(BPF_ALU64 | BPF_END, R0, imm=64),
        build.exit_(),
    ]
    return attempt(lambda: load(bpfprogs.TYPE_SOCKET_FILTER, code).close())


def _atomic_fetch() -> Result:
    code = [
        build.store_imm(BPF_DW, R10, -8, 0),
        build.mov_imm(R1, 1),
        build.atomic(BPF_ADD | BPF_FETCH, BPF_DW, R10, -8, R1),
        build.mov_imm(R0, 0),
        build.exit_(),
    ]
    return attempt(lambda: load(bpfprogs.TYPE_SOCKET_FILTER, code).close())


def _run_stats() -> Result:
    return attempt(lambda: bpfprogs.enable_stats().close())


def _prog_missed() -> Result:
    def probe() -> int | None:
        with load(bpfprogs.TYPE_SOCKET_FILTER) as prog:
            return bpfinfo.prog_info(prog).recursion_misses

    missed: list[int | None] = []
    result = attempt(lambda: missed.append(probe()))
    if result and missed[0] is None:
        return Result(NO, "bpf_prog_info has no recursion_misses")
    return result


def _hash_lookup_and_delete() -> Result:
    # Linux kernel commit 3e87f192b405 ("bpf: Add lookup_and_delete_elem support to hashtab").
    def probe() -> None:
        with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_HASH, 4, 4, 1)) as made:
            bpfmaps.lookup_and_delete(made, bytes(4), 4)

    return attempt(probe)


ROWS = (
    Feature("bpf", "the bpf(2) system call", "nothing works without it", _bpf),
    Feature(
        "btf_vmlinux",
        "the kernel describes its own types",
        "a BTF file of this very kernel in SYSCAST_BTF",
        _btf_vmlinux,
    ),
    Feature(
        "btf_modules",
        "modules describe their own types",
        "functions of modules have no typed arguments",
        _btf_modules,
        volatile=True,
    ),
    Feature(
        "memcg_accounting",
        "BPF memory is charged to the memory cgroup",
        "RLIMIT_MEMLOCK is raised",
        _memcg_accounting,
    ),
    Feature(
        "jit", "programs run as machine code", "programs are interpreted", _jit, volatile=True
    ),
    Feature("cpu_v4", "instructions of cpu v4 (signed division)", "longer code", _cpu_v4),
    Feature("atomic_fetch", "atomic fetch, exchange and compare", "per-CPU values", _atomic_fetch),
    Feature("run_stats", "run counts and times of programs", "no run times are shown", _run_stats),
    Feature(
        "prog_missed",
        "programs count the runs that the kernel left out",
        "missed runs are shown as unknown",
        _prog_missed,
    ),
    Feature(
        "hash_lookup_and_delete",
        "a hash map gives a value and removes it in one step",
        "pop() looks up, then deletes",
        _hash_lookup_and_delete,
    ),
)
