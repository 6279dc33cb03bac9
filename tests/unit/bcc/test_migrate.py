"""C of bcc as Python of syscast: it reads as expected, and compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from syscast.bcc.migrate import Target, Text, by_name, to_python
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


def python_of(text, attached=(), path=""):
    name = {"name": path} if path else {}
    spec = compile_c(text, surroundings=Host(), **name).spec
    tables = {each.name: each for each in spec.meta.tables}
    programs = [each.name for each in spec.programs]
    targets = {function: [target] for function, target in attached}
    return to_python(Text(text, path, (), programs), tables, targets, Host())


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


USES = """
struct data_t { char comm[16]; char tag[16]; u64 id; };
BPF_PERF_OUTPUT(events);
BPF_HASH(t, u32, u64);
BPF_ARRAY(numbers, u64, 4);
BPF_PERCPU_HASH(p, u32, u64);
BPF_LRU_HASH(l, u32, u64);
BPF_HISTOGRAM(h, int);
BPF_HISTOGRAM(logs);
BPF_HISTOGRAM(mixed);
BPF_STACK_TRACE(stacks, 1024);
static const int LIMIT = 5;
static inline int helped(int a) {
    return a + 1;
}
int on_user(struct pt_regs *regs) {
    u64 id = bpf_get_current_pid_tgid(), zero = 0;
    u32 k = id;
    struct data_t data = {};
    u64 *v = t.lookup_or_try_init(&k, &zero);
    if (v) (*v)++;
    t.increment(k);
    p.increment(k);
    l.increment(k, 2);
    h.increment(3);
    logs.increment(bpf_log2l(id));
    mixed.increment(bpf_log2l(id));
    mixed.increment(3);
    int at = 1;
    u64 *n = numbers.lookup(&at);
    if (n) *n += 1;
    int kernel = stacks.get_stackid(regs, 0), user = stacks.get_stackid(regs, BPF_F_USER_STACK);
    int reused = stacks.get_stackid(regs, BPF_F_REUSE_STACKID);
    u64 copied = 0;
    bpf_probe_read(&copied, sizeof(copied), (void *)PT_REGS_PARM1(regs));
    if (copied == 1)
        k = 4;
    bpf_get_current_comm(&data.comm, sizeof(data.comm));
    data.id = PT_REGS_PARM2(regs);
    events.perf_submit(regs, &data, sizeof(data));
    return helped(3);
}
"""


def test_functions_that_nothing_says_where_they_go():
    text = python_of(USES)
    assert "# attach: not known from the text\ndef on_user(arg0, arg1):\n" in text
    exec(compile(text, "migrated.py", "exec"), {})


def test_functions_of_user_space_and_of_the_clock():
    text = python_of(USES, [("on_user", Target("uprobe", "/bin/bash:readline"))])
    assert '@sc.uprobe("/bin/bash:readline")\ndef on_user(arg0, arg1):\n' in text
    text = python_of(USES, [("on_user", Target("profile", "99hz"))])
    assert '@sc.profile("99hz")\ndef on_user():\n' in text
    assert "# C, line 39: data.id = PT_REGS_PARM2(regs);" in text
    text = python_of(USES, [("on_user", Target("", "", "perf event of type 0, number 3"))])
    assert "# attach: perf event of type 0, number 3\ndef on_user(" in text


def test_a_function_at_several_places():
    tables = {each.name: each for each in compile_c(USES, surroundings=Host()).spec.meta.tables}
    targets = [Target("kprobe", f"vfs_{number}") for number in range(12)]
    text = to_python(Text(USES, programs=["on_user"]), tables, {"on_user": targets}, Host())
    assert "# attach also: kprobe vfs_1\n" in text
    assert '# attach also: 3 more\n@sc.kprobe("vfs_0")\ndef vfs_0(arg0, arg1):\n' in text


def test_helpers_variables_and_calls_stay_as_comments():
    text = python_of(USES)
    for line in (
        "# C, line 12: static const int LIMIT = 5;\n",
        "# C, line 13: static inline int helped(int a) {\n# C, line 14: return a + 1;",
        "    # C, line 41: return helped(3);",
    ):
        assert line in text, text


def test_an_entry_that_a_lookup_makes():
    text = python_of(USES, [("on_user", Target("uprobe", "/bin/bash:readline"))])
    assert (
        "    k = id & 0xFFFFFFFF\n"
        "    if k not in t:\n"
        "        t[k] = zero\n"
        "    if k in t:\n"
        "        t[k] += 1\n"
        "    t[k] += 1\n"
    ) in text
    assert "    if 0 <= at < 4:\n        numbers[at] += 1\n" in text


def test_increments_that_make_no_entry_are_comments():
    text = python_of(USES)
    assert (
        "    # C, line 23: p.increment(k);\n    # C, line 24: l.increment(k, 2);\n    h.add(3)\n"
    ) in text


def test_slots_of_histograms():
    text = python_of(USES)
    for line in (
        "h = sc.LinearHist(0, 64, 1)\n",
        "logs = sc.Log2Hist()\n",
        "# table mixed: histogram has no counterpart of this form\n",
        "    h.add(3)\n    logs.add(id)\n    # C, line 27: mixed.increment(bpf_log2l(id));\n",
        "    # C, line 28: mixed.increment(3);\n",
    ):
        assert line in text, text


def test_text_that_is_no_name_of_a_process():
    assert "    comm: sc.Comm\n    tag: Annotated[str, 16]\n" in python_of(USES)


def test_stacks():
    text = python_of(USES, [("on_user", Target("uprobe", "/bin/bash:readline"))])
    for line in (
        "stacks = sc.Stacks(max_entries=1024)\n",
        "    kernel = stacks.kernel()\n    user = stacks.user()\n    # C, line 33: int reused",
    ):
        assert line in text, text


def test_what_a_pointer_in_a_number_points_to_is_not_known():
    text = python_of(USES)
    assert "    # C, line 35: bpf_probe_read(&copied, " in text
    # What depends on it is not known either.
    assert "    # C, line 36: if (copied == 1)\n    # C, line 37: k = 4;\n" in text


HEADED = """#include "own.h"
int kprobe__vfs_read(struct pt_regs *ctx) {
    numbers.increment(WHICH);
    return 0;
}
"""


def test_a_file_with_a_header_beside_it(tmp_path):
    path = tmp_path / "own.c"
    path.write_text(HEADED)
    header = tmp_path / "own.h"
    header.write_text(
        "#define WHICH 2\nBPF_ARRAY(numbers, u64, 4);\nstatic inline int two(void) { return 2; }\n"
    )
    text = python_of(HEADED, path=str(path))
    assert "    numbers[2] += 1\n" in text
    assert "# C, line 3 of own.h: static inline int two(void) { return 2; }\n" in text
    header.unlink()
    text = to_python(Text(HEADED, str(path), (), ["kprobe__vfs_read"]), {}, {}, Host())
    assert text.startswith("# the C cannot be read:\n# ")
    assert "#     numbers.increment(WHICH);\n" in text
    compile(text, "migrated.py", "exec")
