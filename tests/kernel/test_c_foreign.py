"""C that follows the kernel's pointers: reads of foreign memory in every form that C has, and what is no read.

A raw tracepoint program, run by BPF_PROG_TEST_RUN, has this process for its current task.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from struct import pack

import msgspec
import pytest

from syscast.bcc.surroundings import Host
from syscast.compiler.cunit import compile_c
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load

pytestmark = [pytest.mark.kernel, pytest.mark.native]

TEXT = r"""
#include <linux/sched.h>
#define RUN(name) int name(struct bpf_raw_tracepoint_args *ctx)
#define TASK ((struct task_struct *)bpf_get_current_task())
#define WORD(n) ((int)ctx->args[n])
struct pair { u32 first, second; };
struct kept { struct task_struct *task; struct pair pair; };

static inline int tgid_of(struct task_struct *task) { return task->tgid; }
static inline u32 sum(struct pair pair) { return pair.first + pair.second; }
static inline struct task_struct *parent_of(struct task_struct *task) { return task->real_parent; }
static inline int same(const char *a, const char *b, int n) {
  for (int i = 0; i < n; i++) { if (a[i] != b[i]) return 0; if (!a[i]) break; }
  return 1;
}

RUN(chain) { return TASK->real_parent->tgid; }
RUN(variable) { struct task_struct *task = TASK; task = task->real_parent; return task->tgid; }
RUN(through_functions) { return tgid_of(parent_of(TASK)); }
RUN(in_a_struct) { struct kept kept = {.task = TASK}; struct kept *p = &kept; return p->task->real_parent->tgid; }
RUN(chosen) { struct task_struct *task = TASK; return (WORD(0) ? task : task->real_parent)->tgid; }
RUN(loop) { struct task_struct *task = TASK; for (int i = 0; i < 2; i++) task = i ? task : task->real_parent; return task->tgid; }
RUN(null) { struct task_struct *task = 0; return task->real_parent->tgid + 7; }
RUN(bad_address) { struct task_struct *task = (void *)ctx->args[0]; return task->tgid + 5; }
RUN(address) { struct task_struct *task = (void *)0x1000; return (u64)&task->real_parent->tgid != 0; }
RUN(offset) { struct task_struct *task = TASK; return (char *)&task->tgid - (char *)task == offsetof(struct task_struct, tgid); }
RUN(explicit_read) { int tgid = 0; bpf_probe_read_kernel(&tgid, sizeof(tgid), &TASK->real_parent->tgid); return tgid; }
RUN(old_read) { int tgid = 0; bpf_probe_read(&tgid, sizeof(tgid), &TASK->real_parent->tgid); return tgid; }
RUN(array_member) { char comm[16] = {}; bpf_probe_read_kernel(comm, sizeof(comm), TASK->comm); return comm[0] << 16 | comm[1] << 8 | comm[2]; }
RUN(array_elements) { struct task_struct *task = TASK; return task->comm[0] << 16 | *(task->comm + 1) << 8 | task->comm[WORD(0) + 1]; }
RUN(compared) { char comm[16]; bpf_get_current_comm(comm, sizeof(comm)); return same(TASK->comm, comm, 16); }
RUN(user_words) { u32 *words = (u32 *)ctx->args[1]; return words[0] + *(words + 1) * 10 + words[WORD(0)] * 100; }
RUN(user_struct) { struct pair *pair = (struct pair *)ctx->args[1]; struct pair copy = *pair; return copy.first + copy.second * 10; }
RUN(by_value) { struct pair *pair = (struct pair *)ctx->args[1]; return sum(*pair) + sum(pair[0]); }
RUN(assigned) { struct kept kept = {}; kept.pair = *(struct pair *)ctx->args[1]; return kept.pair.second; }
RUN(own_through_pointer) { struct pair own = {3, 4}, *p = &own; p->first += 10; u32 *q = &p->second; *q = *q * 2; return own.first * 100 + own.second; }
RUN(of_a_nested_struct) { struct task_struct *task = TASK; return task->nsproxy->net_ns->ns.inum == task->nsproxy->net_ns->ns.inum && task->nsproxy->net_ns->ns.inum; }
RUN(statement) { return ({ struct task_struct *t = TASK; t; })->tgid; }
RUN(type_by_cast) { u64 address = (u64)TASK; return ((struct task_struct *)address)->tgid; }
"""


@pytest.fixture(scope="module")
def programs():
    spec = compile_c(TEXT, surroundings=Host()).spec
    return {each.name: (spec, each) for each in spec.programs}


def run(programs, name, *words):
    spec, program = programs[name]
    loaded = load(
        msgspec.structs.replace(spec, programs=(program,)), overrides={program.name: program}
    )
    try:
        fd = loaded.programs[program.name].fd
        context = pack("<4Q", *(words + (0,) * (4 - len(words))))
        return prog_test_run(fd, ctx_in=context).retval & 0xFFFFFFFF
    finally:
        loaded.close()


def in_a_namespace():
    """Whether ids here are not those that the kernel's structs have; the first one's inode is fixed."""
    return str(Path("/proc/self/ns/pid").readlink()) != "pid:[4026531836]"


@pytest.mark.parametrize(
    "name",
    [
        "variable",
        "through_functions",
        "in_a_struct",
        "chosen",
        "loop",
        "explicit_read",
        "old_read",
    ],
)
def test_the_parent_is_found(programs, name):
    parent = run(programs, "chain")  # as the first namespace counts
    assert run(programs, name) == parent
    assert parent == os.getppid() or (parent and in_a_namespace())


@pytest.mark.parametrize("name", ["statement", "type_by_cast"])
def test_own_id_is_read(programs, name):
    assert run(programs, name) == run(programs, "chosen", 1)


def test_what_cannot_be_read_is_zero(programs):
    assert run(programs, "null") == 7
    assert run(programs, "bad_address", 1) == 5
    assert run(programs, "bad_address", 0xFFFF_8000_0000_0000) == 5


def test_addresses_are_no_reads(programs):
    assert run(programs, "address") == 1
    assert run(programs, "offset") == 1


def test_arrays_of_the_kernel_are_read(programs):
    comm = Path("/proc/self/comm").read_bytes()
    letters = comm[0] << 16 | comm[1] << 8 | comm[2]
    assert run(programs, "array_member") == letters
    assert run(programs, "array_elements", 1) == letters
    assert run(programs, "compared") == 1


def test_memory_of_the_process_is_read(programs):
    words = (ctypes.c_uint32 * 2)(4, 5)
    address = ctypes.addressof(words)
    assert run(programs, "user_words", 1, address) == 4 + 50 + 500
    assert run(programs, "user_struct", 0, address) == 54
    assert run(programs, "by_value", 0, address) == 18
    assert run(programs, "assigned", 0, address) == 5


def test_own_memory_is_written_through_pointers(programs):
    assert run(programs, "own_through_pointer") == 1308


def test_nested_structs_are_read(programs):
    assert run(programs, "of_a_nested_struct") == 1
