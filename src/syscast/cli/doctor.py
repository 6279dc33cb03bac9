"""``syscast doctor``: what this kernel and this user can do, what falls back, and why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from syscast.cli.messages import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syscast.features import Feature, Result
    from syscast.probes.kind import Role

_HELP = """Show what this kernel and this user can do, what falls back, and why.

Everything is found out by trying, never by the kernel's version. Exits with 1 if nothing can be
traced at all.
"""

_NEEDED = ("bpf", "btf_vmlinux", "global_data", "helper_probe_read_kernel")
"""Features without any of which nothing works."""
_RINGS = ("ringbuf", "perf_buffer")
_ATTACH = ("tp_btf", "raw_tracepoint", "fentry", "kprobe", "kprobe_multi", "tracepoint")
_MARKS = {"yes": "yes", "no": "no ", "inconclusive": "?  "}


@click.command("doctor", help=_HELP)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("-a", "--all", "everything", is_flag=True, help="List also what the kernel has.")
def command(*, as_json: bool, everything: bool) -> int:
    """Run ``syscast doctor``."""
    from syscast import features  # noqa: PLC0415  (once the options are right)

    results = features.every()
    facts = _facts()
    problems = _problems(results)
    if as_json:
        show([_json(facts, results, problems)])
    else:
        show(_text(facts, results, problems, everything=everything))
    return 1 if problems else 0


def _facts() -> dict[str, object]:
    """What the machine says about itself."""
    from syscast.kernel import host, tracefs  # noqa: PLC0415  (once the options are right)
    from syscast.kernel.textfiles import read_text  # noqa: PLC0415
    from syscast.symbols import modules  # noqa: PLC0415

    soft, _ = host.memlock_limit()
    return {
        "kernel": read_text("/proc/sys/kernel/osrelease"),
        "cpus": len(host.online_cpus()),
        "uid": os.geteuid(),
        "capabilities": sorted(host.capabilities()),
        "first_user_namespace": host.in_first_user_namespace(),
        "first_pid_namespace": host.in_first_pid_namespace(),
        "lockdown": host.lockdown(),
        "tracefs": tracefs.state(),
        "kprobes_enabled": host.kprobes_enabled(),
        "modules": len(modules.loaded()),
        "memlock": None if soft < 0 else soft,
        "llvmlite": _has("llvmlite"),
        "sysctl": dict(host.sysctls()),
    }


def _has(package: str) -> bool:
    """Whether a package is installed, without importing it."""
    import importlib.util  # noqa: PLC0415  (only doctor asks)

    return importlib.util.find_spec(package) is not None


def _problems(results: Mapping[str, Result]) -> list[str]:
    """What keeps everything from working."""
    problems = [
        f"{name}: {results[name].reason}" for name in _NEEDED if results[name].outcome != "yes"
    ]
    for names, what in (
        (_RINGS, "no way to receive events"),
        (_ATTACH, "nothing can be attached"),
    ):
        if not any(results[name] for name in names):
            reasons = "; ".join(f"{name}: {results[name].reason}" for name in names)
            problems.append(f"{what}: {reasons}")
    return problems


def _json(facts: Mapping[str, object], results: Mapping[str, Result], problems: list[str]) -> str:
    import msgspec  # noqa: PLC0415  (only with --json)

    from syscast import features  # noqa: PLC0415  (imported before)

    table = features.rows()
    found = {
        name: {
            "outcome": result.outcome,
            "description": table[name].description,
            "reason": result.reason,
            "errno": result.errno,
            "fallback": table[name].fallback,
        }
        for name, result in results.items()
    }
    report = {**facts, "features": found, "ways": _ways(), "problems": problems}
    return msgspec.json.encode(report).decode()


def _ways() -> dict[str, str]:
    """How each sort of target attaches here, by an example that every kernel has."""
    from syscast.errors import SyscastError  # noqa: PLC0415  (imported before)
    from syscast.probes import registry  # noqa: PLC0415

    ways: dict[str, str] = {}
    examples: tuple[tuple[str, str, Role, str], ...] = (
        ("function, entry", "vfs_read", "probe", "fentry, kprobe"),
        ("function, entry and exit", "vfs_read", "call", "fexit, kprobe"),
        ("syscall", "syscall:read", "call", "raw_tracepoint"),
        ("tracepoint, raw", "raw_tracepoint:sched_switch", "probe", "raw_tracepoint"),
        ("tracepoint, record", "tracepoint:sched:sched_switch", "probe", "tracepoint"),
    )
    for what, target, role, asked in examples:
        try:
            choice = registry.choose(target, role)
        except SyscastError:
            ways[what] = f"no way (why not: {asked}, below)"
        else:
            ways[what] = f"{choice.kind.name}: {choice.reason}"
    return ways


def _text(
    facts: Mapping[str, object],
    results: Mapping[str, Result],
    problems: list[str],
    *,
    everything: bool,
) -> Iterator[str]:
    from syscast import features  # noqa: PLC0415  (imported before)

    table = features.rows()
    yield from _text_facts(facts)
    yield ""
    yield "how targets attach here"
    ways = _ways() if not problems else {}
    yield from (f"  {what:<25} {way}" for what, way in ways.items())
    yield from (f"  {problem}" for problem in problems)
    lacking = [name for name in results if results[name].outcome != "yes"]
    shown = list(results) if everything else lacking
    yield ""
    yield f"features: {len(results) - len(lacking)} of {len(results)} are there"
    for name in shown:
        yield from _text_feature(table[name], results[name])
    if not everything:
        yield "(--all lists those that are there too)"


def _text_feature(row: Feature, result: Result) -> Iterator[str]:
    yield f"  {_MARKS[result.outcome]}  {row.name:<32} {row.description}"
    if result.outcome != "yes":
        yield f"       instead: {row.fallback}"
        yield f"       because: {result.reason}"


def _text_facts(facts: Mapping[str, object]) -> Iterator[str]:
    capabilities: object = facts["capabilities"]
    assert isinstance(capabilities, list)
    user = "root" if facts["uid"] == 0 else f"uid {facts['uid']}"
    yield f"kernel      {facts['kernel']}, {facts['cpus']} CPUs, {facts['modules']} modules"
    yield f"user        {user}: {', '.join(capabilities) or 'no capability for tracing'}"
    if not facts["first_user_namespace"]:
        yield "            in a user namespace: capabilities do not count for the kernel"
    if not facts["first_pid_namespace"]:
        yield "            in a pid namespace: process numbers of events are the kernel's"
    yield f"lockdown    {facts['lockdown'] or 'the kernel has none'}"
    yield f"tracefs     {facts['tracefs']}"
    limit = facts["memlock"]
    yield f"memlock     {'unlimited' if limit is None else f'{limit} bytes'}"
    compiler = "installed" if facts["llvmlite"] else "not installed: only objects can be run"
    yield f"llvmlite    {compiler}"
    sysctls: object = facts["sysctl"]
    assert isinstance(sysctls, dict)
    known = [f"{name}={value}" for name, value in sysctls.items() if value is not None]
    yield f"switches    {' '.join(known[:3])}"
    yield from (f"            {' '.join(known[at : at + 3])}" for at in range(3, len(known), 3))
