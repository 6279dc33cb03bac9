"""A consumer on bcc, as the comparison runs it, under the Python that Debian's python3-bpfcc belongs to.

``reader_bcc.py PID default|best count|latency|lines``; PID 0 loads a program for BPF_PROG_TEST_RUN. default: a perf buffer of 8 pages
for each CPU; best: a ring buffer of 4 MiB. See ``reader.c`` for what it prints.
"""

# ruff: noqa: INP001, T201, ANN001, ANN002, PLR0915 - a script; bcc has no types

from __future__ import annotations

import json
import signal
import sys
import time

TEXT = """
struct event { u64 time; u64 cgroup; u32 pid, tid, cpu, value; char comm[16]; };
OUTPUT
static inline void fill(struct event *e, u64 id) {
  e->time = bpf_ktime_get_ns(); e->cgroup = bpf_get_current_cgroup_id();
  e->pid = id >> 32; e->tid = id; e->cpu = bpf_get_smp_processor_id(); e->value = 110;
  bpf_get_current_comm(e->comm, sizeof(e->comm));
}
ENTRY {
  u64 id = bpf_get_current_pid_tgid();
  if (PID && id >> 32 != PID) return 0;
  SEND
  return 0;
}
"""
BEST = (
    "BPF_RINGBUF_OUTPUT(events, 1024);",
    "struct event *e = events.ringbuf_reserve(sizeof(*e)); if (!e) return 0; fill(e, id); events.ringbuf_submit(e, 0);",
)
DEFAULT = (
    "BPF_PERF_OUTPUT(events);",
    "struct event e = {}; fill(&e, id); events.perf_submit(CONTEXT, &e, sizeof(e));",
)


def main() -> None:
    """Trace until SIGTERM."""
    from bcc import BPF  # noqa: PLC0415 - only in the Python that has it

    pid, settings, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    output, send = BEST if settings == "best" else DEFAULT
    entry = (
        "TRACEPOINT_PROBE(syscalls, sys_enter_getppid)"
        if pid
        else "int repeated(struct __sk_buff *skb)"
    )
    text = TEXT.replace("OUTPUT", output, 1).replace("ENTRY", entry).replace("SEND", send)
    text = text.replace("CONTEXT", "args" if pid else "skb").replace("PID", str(pid))
    program = BPF(text=text)
    events = program["events"]
    count = 0
    waits: list[int] = []
    ended = False
    clock = time.monotonic_ns

    def note(_context, data, _size) -> None:
        nonlocal count
        event = events.event(data)
        if event.pid >= 0:
            count += 1

    def measure(_context, data, _size) -> None:
        nonlocal count
        event = events.event(data)
        waits.append(clock() - event.time)
        count += 1

    def show(_context, data, _size) -> None:
        event = events.event(data)
        print(event.time, event.pid, event.value, event.comm.decode(errors="replace"), flush=True)

    def end(*_) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    callback = {"latency": measure, "lines": show}.get(what, note)
    if settings == "best":
        events.open_ring_buffer(callback)
        poll = program.ring_buffer_poll
    else:
        events.open_perf_buffer(callback)
        poll = program.perf_buffer_poll
    if pid:
        print("ready", flush=True)
    else:
        loaded = program.load_func("repeated", BPF.SOCKET_FILTER)
        print("ready", program_id(loaded.fd), flush=True)
    first = last = 0
    while True:
        before = count
        poll(50)
        if count > before:
            last = clock()
            first = first or last
        elif ended:
            break
    waits.sort()
    answer = {"delivered": count, "first": first, "last": last, "p50": 0, "p99": 0}
    if waits:
        answer |= {"p50": waits[len(waits) // 2], "p99": waits[len(waits) * 99 // 100]}
    print(json.dumps(answer), flush=True)


def program_id(fd: int) -> int:
    """The kernel's number of a loaded program."""
    with open(f"/proc/self/fdinfo/{fd}") as file:  # noqa: PTH123
        return int(next(line.split()[1] for line in file if line.startswith("prog_id")))


if __name__ == "__main__":
    main()
