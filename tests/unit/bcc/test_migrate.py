"""C of bcc as Python of syscast: it reads as expected, and compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from syscast.bcc.migrate import Target, by_name, to_python
from syscast.bcc.surroundings import Host
from syscast.btf import source
from syscast.cli.scripts import jobs_of
from syscast.compiler.cunit import compile_c
from syscast.errors import NotSupportedError
from syscast.probes import registry
from syscast.session.plan import lower

SEEDS = Path(__file__).parents[2] / "data/bcc"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    try:
        source.kernel()
    except NotSupportedError:
        pytest.skip("this kernel has no BTF")


def python_of(text, attached=()):
    tables = {each.name: each for each in compile_c(text, surroundings=Host()).spec.meta.tables}
    return to_python(text, tables, dict(attached), Host())


def compiled(text, tmp_path):
    """Lower every probe of a text; gives their number."""
    path = tmp_path / "migrated.py"
    path.write_text(text)
    jobs = jobs_of(str(path))
    for job in jobs:
        choice = registry.choose(job.target, job.role, here=False)
        lower([(job, choice)], follow=False)
    return len(jobs)


def seed(name):
    return (
        (SEEDS / name)
        .read_text()
        .partition('bpf_text = """')[2]
        .partition('"""')[0]
        .replace("\\\\n", "\\n")
    )


def test_a_program_with_events(tmp_path):
    text = python_of(seed("listen_perf.py"))
    assert (
        text.partition("class ListenEvt")[2]
        == """(sc.Event):
    laddr: sc.u64
    lport: sc.u64
    netns: sc.u64
    backlog: sc.u64


@sc.kprobe("inet_listen")
def inet_listen(sock, backlog):
    sk = sock.sk
    inet = sc.cast("struct inet_sock", sk)
    laddr = 0
    lport = 0
    netns = 0
    netns = sk.skc_net.net.ns.inum
    laddr = inet.sk.skc_rcv_saddr
    lport = inet.inet_sport
    sc.emit(ListenEvt(laddr=laddr, lport=lport, netns=netns, backlog=backlog))
"""
    )
    assert compiled(text, tmp_path) == 1


def test_printed_lines_become_events_with_text(tmp_path):
    text = python_of(seed("listen_printk_overflow.py"))
    assert (
        'sc.emit(Line(text=f"Listening on {inet.sk.skc_rcv_saddr:x} {inet.inet_sport} with '
        '{backlog} pending connections in container {netns}"))'
    ) in text
    assert compiled(text, tmp_path) == 1


TIMES = """
struct data_t { u32 pid; u32 uid; char comm[16]; u64 delta; };
BPF_PERF_OUTPUT(events);
BPF_HASH(start, u32, u64);
BPF_HISTOGRAM(dist);
BPF_ARRAY(numbers, u64, 4);
int entry(struct pt_regs *ctx, struct file *file, char *buf, size_t count) {
    u32 tid = bpf_get_current_pid_tgid();
    u64 ts = bpf_ktime_get_ns();
    if (tid == 0 || count > 100) return 0;
    start.update(&tid, &ts);
    return 0;
}
int kretprobe__vfs_read(struct pt_regs *ctx) {
    u32 tid = bpf_get_current_pid_tgid();
    u64 *tsp = start.lookup(&tid);
    struct data_t data = {};
    if (tsp == 0) { return 0; }
    u64 delta = bpf_ktime_get_ns() - *tsp;
    data.pid = bpf_get_current_pid_tgid() >> 32;
    data.delta = delta / 1000;
    bpf_get_current_comm(&data.comm, sizeof(data.comm));
    if (PT_REGS_RC(ctx) < 0) { data.uid = bpf_get_current_uid_gid() & 0xffffffff; } else { data.uid = 0; }
    events.perf_submit(ctx, &data, sizeof(data));
    dist.increment(bpf_log2l(delta));
    start.delete(&tid);
    for (int i = 0; i < 3; i++) numbers.increment(i);
    goto out;
out:
    return 0;
}
RAW_TRACEPOINT_PROBE(sched_process_exec) {
    struct task_struct *task = (struct task_struct *)ctx->args[0];
    numbers.increment(task->pid & 3);
    return 0;
}
"""


def test_tables_become_state(tmp_path):
    text = python_of(TIMES, [("entry", Target("kprobe", "vfs_read"))])
    for line in (
        "start = sc.Hash[sc.u32, sc.u64](max_entries=10240, default=0)",
        "dist = sc.Log2Hist()",
        "numbers = sc.Array[sc.u64](4)",
        '@sc.kprobe("vfs_read")\ndef vfs_read(file, buf, count):\n    tid = current.tid\n    ts = now()\n',
        "    start[tid] = ts\n",
        '@sc.kretprobe("vfs_read")\ndef vfs_read_return(ret):\n',
        "    if tid not in start:\n        return None\n    delta = now() - start[tid]\n",
        "    data_pid = current.pid\n",
        "    if ret < 0:\n        data_uid = current.uid\n    else:\n        data_uid = 0\n",
        "    dist.add(delta)\n    start.pop(tid, 0)\n    for i in range(3):\n        numbers[i] += 1\n",
        "    # C, line 28: goto out;\n",
        'def sched_process_exec(arg0):\n    task = sc.cast("struct task_struct", arg0)\n    numbers[task.pid & 3] += 1\n',
    ):
        assert line in text, text
    assert compiled(text, tmp_path) == 3


def test_functions_by_their_names():
    assert by_name("tracepoint__sched__sched_process_exec") == Target(
        "tracepoint", "sched:sched_process_exec"
    )
    assert by_name("kfunc__vfs_read") == Target("fentry", "vfs_read")
    assert by_name("helper") is None
