"""The same work for bpftrace and bcc: their programs, and how to run them.

bpftrace's programs are texts; bcc's are run by this file, by the Python that Debian's
python3-bpfcc belongs to::

    /usr/bin/python3 peers.py listen-walk PID      a line per listen(2)
    /usr/bin/python3 peers.py getppid PID          counts events of a flood; see `flood`
"""

# ruff: noqa: INP001, T201, S603, ANN001, ANN002, ANN201, PLC0415, TID251 - scripts; bcc has no types

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PYTHON = Path("/usr/bin/python3")
RING_PAGES = 1024
"""4 MiB, as syscast's default."""

KPROBE_WALK = """
kprobe:inet_listen /pid == PID/ {
  $sk = ((struct socket *)arg0)->sk;
  printf("%llu %d %s %d %s:%d %d %u\\n", nsecs, pid, comm, uid,
    ntop($sk->__sk_common.skc_rcv_saddr), $sk->__sk_common.skc_num, arg1,
    $sk->__sk_common.skc_net.net->ns.inum);
}"""
KPROBE_PLAIN = """
kprobe:inet_listen /pid == PID/ { printf("%llu %d %s %d\\n", nsecs, pid, comm, arg1); }"""
TRACEPOINT_WALK = """
tracepoint:syscalls:sys_enter_listen /pid == PID/ {
  @fd[tid] = args->fd; @backlog[tid] = args->backlog;
}
tracepoint:syscalls:sys_exit_listen /pid == PID && @backlog[tid]/ {
  $slot = ((struct task_struct *)curtask)->files->fdt->fd + @fd[tid];
  $sk = ((struct socket *)((struct file *)*$slot)->private_data)->sk;
  printf("%llu %d %s %d %s:%d %d %u\\n", nsecs, pid, comm, uid,
    ntop($sk->__sk_common.skc_rcv_saddr), $sk->__sk_common.skc_num, @backlog[tid],
    $sk->__sk_common.skc_net.net->ns.inum);
  delete(@fd[tid]); delete(@backlog[tid]);
}"""
TRACEPOINT_PLAIN = """
tracepoint:syscalls:sys_enter_listen /pid == PID/ {
  printf("%llu %d %s %d\\n", nsecs, pid, comm, args->backlog);
}"""
KPROBE_FLOOD = """
kprobe:__x64_sys_getppid /pid == PID/ { printf("%llu %d %d %s\\n", nsecs, pid, tid, comm); }"""
TRACEPOINT_FLOOD = """
tracepoint:syscalls:sys_enter_getppid /pid == PID/ {
  printf("%llu %d %d %s\\n", nsecs, pid, tid, comm);
}"""


def bpftrace(program: str, pid: int) -> list[str] | None:
    """The command that runs a program of above; None where bpftrace is not installed."""
    path = shutil.which("bpftrace")
    return path and [path, "-B", "line", "-e", program.replace("PID", str(pid))]


def bcc(job: str, pid: int) -> list[str] | None:
    """The command that runs a job of below; None where bcc is not installed."""
    if not PYTHON.exists():
        return None
    python = str(PYTHON)
    found = subprocess.run([python, "-c", "import bcc"], check=False, capture_output=True)
    script = str(Path(__file__).resolve())
    return [python, script, job, str(pid)] if not found.returncode else None


# ------------------------------------------------------------ bcc

HEAD = """
#include <uapi/linux/ptrace.h>
struct event { u64 time; u64 cgroup; u32 pid, tid; u32 address, netns; u16 port; int backlog;
               char comm[16]; };
BPF_RINGBUF_OUTPUT(events, PAGES);
static inline struct event *start(void) {
  u64 id = bpf_get_current_pid_tgid();
  if (id >> 32 != PID) return 0;
  struct event *e = events.ringbuf_reserve(sizeof(*e));
  if (!e) return 0;
  e->time = bpf_ktime_get_ns(); e->cgroup = bpf_get_current_cgroup_id();
  e->pid = id >> 32; e->tid = id;
  bpf_get_current_comm(e->comm, sizeof(e->comm));
  return e;
}
"""
BCC = {
    "listen-walk": """
#include <net/sock.h>
int kprobe__inet_listen(struct pt_regs *ctx, struct socket *sock, int backlog) {
  struct event *e = start();
  if (!e) return 0;
  struct sock *sk = sock->sk;
  e->address = sk->__sk_common.skc_rcv_saddr; e->port = sk->__sk_common.skc_num;
  e->netns = sk->__sk_common.skc_net.net->ns.inum; e->backlog = backlog;
  events.ringbuf_submit(e, 0);
  return 0;
}""",
    "listen-kprobe": """
int kprobe__inet_listen(struct pt_regs *ctx, void *sock, int backlog) {
  struct event *e = start();
  if (!e) return 0;
  e->backlog = backlog;
  events.ringbuf_submit(e, 0);
  return 0;
}""",
    "listen-tracepoint": """
RAW_TRACEPOINT_PROBE(sys_enter) {
  if (ctx->args[1] != 50) return 0;
  struct event *e = start();
  if (!e) return 0;
  struct pt_regs *regs = (void *)ctx->args[0];
  bpf_probe_read_kernel(&e->backlog, 4, &regs->si);
  events.ringbuf_submit(e, 0);
  return 0;
}""",
    "getppid-kprobe": """
int kprobe____x64_sys_getppid(struct pt_regs *ctx) {
  struct event *e = start();
  if (e) events.ringbuf_submit(e, 0);
  return 0;
}""",
    "getppid-tracepoint": """
RAW_TRACEPOINT_PROBE(sys_enter) {
  if (ctx->args[1] != 110) return 0;
  struct event *e = start();
  if (e) events.ringbuf_submit(e, 0);
  return 0;
}""",
}


def attached(job: str, pid: int):
    """Compile and attach with bcc."""
    from bcc import BPF  # only in the Python that has it

    text = (HEAD + BCC[job]).replace("PAGES", str(RING_PAGES)).replace("PID", str(pid))
    return BPF(text=text)


def listen(job: str, pid: int) -> None:
    """Print a line per event, as a tool written with bcc does."""
    program = attached(job, pid)
    ring = program["events"]

    def show(_context, data, _size) -> None:
        event = ring.event(data)
        comm = event.comm.decode(errors="replace")
        print(event.time, event.pid, comm, event.address, event.port, event.backlog, event.netns)
        sys.stdout.flush()

    ring.open_ring_buffer(show)
    while True:
        program.ring_buffer_poll()


def flood(job: str, pid: int) -> None:
    """Count a flood; on SIGTERM print the number of events and the seconds to the last one."""
    program = attached(job, pid)
    ring = program["events"]
    count = 0
    first = last = 0.0
    ended = False

    def note(_context, data, _size) -> None:
        nonlocal count
        event = ring.event(data)
        if event.pid:
            count += 1

    def end(*_) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    ring.open_ring_buffer(note)
    print("ready", flush=True)
    while True:
        before = count
        program.ring_buffer_poll(50)
        if count > before:
            last = time.perf_counter()
            first = first or last
        elif ended:
            break
    print(count, last - first, flush=True)


def main() -> None:
    """Run one job."""
    job, pid = sys.argv[1], int(sys.argv[2])
    (flood if job.startswith("getppid") else listen)(job, pid)


if __name__ == "__main__":
    main()
