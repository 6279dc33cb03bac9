"""Which functions of a text are programs, of what type, and where their parameters come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syscast.frontend.c.programs import Named, named
from syscast.frontend.c.translate import lower_text
from syscast.ir.printer import program_text

GOLDEN = Path(__file__).parents[3] / "golden" / "dialect" / "programs"

SWITCH = """name: sched_switch
ID: 316
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:char prev_comm[16];	offset:8;	size:16;	signed:0;
	field:pid_t prev_pid;	offset:24;	size:4;	signed:1;
	field:long prev_state;	offset:32;	size:8;	signed:1;
	field:__data_loc char[] name;	offset:40;	size:4;	signed:0;
	field:const struct sock * sk;	offset:48;	size:8;	signed:0;
	field:unsigned char small;	offset:56;	size:4;	signed:0;
	field:strange_t odd;	offset:60;	size:2;	signed:1;
	field:u8 mac[6];	offset:62;	size:6;	signed:0;

print fmt: "%s", REC->prev_comm
"""

TEXTS = {
    "kprobe": """
        int kprobe__inet_listen(struct pt_regs *ctx, void *sock, int backlog, unsigned char flag, bool unused) {
            return backlog + flag + (sock != 0);
        }""",
    "kretprobe": "int kretprobe__inet_listen(struct pt_regs *ctx) { return PT_REGS_RC((u64_regs *)ctx); }",
    "syscall": "int syscall__openat(struct pt_regs *ctx, int dfd, const char *name, int flags, int mode) { return dfd + mode; }",
    "tracepoint": """
        TRACEPOINT_PROBE(sched, sched_switch) {
            char name[8];
            TP_DATA_LOC_READ_CONST(name, name, 8);
            return args->prev_pid + args->prev_state + args->prev_comm[3] + args->small + args->odd + args->mac[5] + name[0]
                + sizeof(args->prev_comm) + (args->sk != 0);
        }""",
    "unpacked": "KRETFUNC_PROBE(vfs_read, void *file, char *buf, size_t count, int ret) { return ret + count; }",
    "raw_tracepoint": """
        struct raw { u64 args[1]; };
        int raw_tracepoint__sched_switch(struct raw *ctx) { return *(int *)ctx->args[1]; }""",
}
TEXTS["kretprobe"] = TEXTS["kretprobe"].replace(
    "int kret", "typedef struct { u64 before[10]; u64 ax; } u64_regs; int kret"
)


@pytest.fixture
def kernel(empty_kernel):
    class WithTracepoint(type(empty_kernel)):
        def tracepoint_format(self, category, event):
            return SWITCH if (category, event) == ("sched", "sched_switch") else None

    return WithTracepoint(empty_kernel.btf)


@pytest.mark.parametrize("name", TEXTS)
def test_parameters_are_read_where_they_are(kernel, name):
    made = program_text(lower_text(TEXTS[name], "/virtual/main.c", kernel).program)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("SYSCAST_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(made + "\n")
    assert made + "\n" == golden.read_text()


@pytest.mark.parametrize(
    ("name", "section", "type_", "target"),
    [
        ("kprobe__inet_listen", "kprobe/inet_listen", "kprobe", "inet_listen"),
        ("kprobe____x64_sys_read", "kprobe/__x64_sys_read", "kprobe", "__x64_sys_read"),
        ("kretprobe__f", "kretprobe/f", "kprobe", "f"),
        ("tracepoint__sched__sched_switch", "tracepoint/sched/sched_switch", "tracepoint", "sched/sched_switch"),
        ("tracepoint__a__b__c", "tracepoint/a__b/c", "tracepoint", "a__b/c"),
        ("raw_tracepoint__sched_switch", "raw_tp/sched_switch", "raw_tracepoint", "sched_switch"),
        ("kfunc__vmlinux__vfs_read", "fentry/vfs_read", "tracing", "vfs_read"),
        ("kfunc__vfs_read", "fentry/vfs_read", "tracing", "vfs_read"),
        ("kretfunc__vmlinux____x64_sys_read", "fexit/__x64_sys_read", "tracing", "__x64_sys_read"),
        ("kretfunc__nfs__nfs_open", "fexit/nfs_open", "tracing", "nfs_open"),
        ("kmod_ret__update_socket", "fmod_ret/update_socket", "tracing", "update_socket"),
        ("lsm__file_open", "lsm/file_open", "lsm", "file_open"),
        ("bpf_iter__task", "iter/task", "tracing", "task"),
    ],
)  # fmt: skip
def test_a_name_says_what_a_program_is_for(empty_kernel, name, section, type_, target):
    found = named(name, empty_kernel.btf)
    assert (found.section, found.type, found.target) == (section, type_, target)


def test_the_module_of_a_function_is_kept(empty_kernel):
    assert named("kfunc__nfs__nfs_open", empty_kernel.btf) == Named(
        "fentry/nfs_open", "tracing", "trace_fentry", "nfs_open", "nfs"
    )


@pytest.mark.parametrize("name", ["run", "tracepoint__x", "kprobe__", "syscall__execve"])
def test_other_names_say_nothing(empty_kernel, name):
    assert named(name, empty_kernel.btf) is None


@pytest.mark.parametrize(
    ("parameter", "type_"),
    [
        ("struct pt_regs *ctx", "kprobe"),
        ("void *ctx", "kprobe"),
        ("struct bpf_perf_event_data *ctx", "perf_event"),
        ("struct xdp_md *ctx", "xdp"),
        ("struct __sk_buff *skb", "sched_cls"),
        ("struct bpf_raw_tracepoint_args *ctx", "raw_tracepoint"),
        ("struct tracepoint__sched__sched_switch *args", "tracepoint"),
        ("struct bpf_sock_ops *ops", "sock_ops"),
    ],
)
def test_the_first_parameter_says_what_is_attached_by_hand(kernel, parameter, type_):
    text = f"int run({parameter}) {{ return 0; }}"
    (function,) = lower_text(text, "/virtual/main.c", kernel).program.functions
    assert (function.context.section, function.context.program_type) == ("?c/run", type_)


def test_static_and_inline_functions_are_no_programs(empty_kernel):
    text = """
        static int one(void) { return 1; }
        static inline int two(void) { return one() + 1; }
        static __always_inline int three(void) { return two() + 1; }
        int run(void *ctx) { return three(); }
    """
    program = lower_text(text, "/virtual/main.c", empty_kernel).program
    assert [each.name for each in program.functions] == ["run"]


def test_programs_keep_the_order_of_the_text(empty_kernel):
    text = "int b(void *ctx) { return 0; } int a(void *ctx) { return 0; } int c(void *ctx) { return 0; }"
    program = lower_text(text, "/virtual/main.c", empty_kernel).program
    assert [each.name for each in program.functions] == ["b", "a", "c"]
