"""Which right a refused call wanted, in words. Imported only once something is refused."""

from __future__ import annotations

from syscast.kernel import host

_TRACING = ("CAP_BPF", "CAP_PERFMON")

# What each call asks for: capabilities(7) and kernel/bpf/syscall.c. CAP_SYS_ADMIN always does.
_NEEDED = {
    "BPF_MAP_CREATE": ("CAP_BPF",),
    "BPF_PROG_LOAD": _TRACING,
    "BPF_BTF_LOAD": ("CAP_BPF",),
    "BPF_RAW_TRACEPOINT_OPEN": _TRACING,
    "BPF_LINK_CREATE": _TRACING,
    "BPF_ITER_CREATE": _TRACING,
    "BPF_PROG_TEST_RUN": _TRACING,
    "BPF_PROG_GET_NEXT_ID": ("CAP_SYS_ADMIN",),
    "BPF_MAP_GET_NEXT_ID": ("CAP_SYS_ADMIN",),
    "BPF_BTF_GET_NEXT_ID": ("CAP_SYS_ADMIN",),
    "BPF_LINK_GET_NEXT_ID": ("CAP_SYS_ADMIN",),
    "BPF_PROG_GET_FD_BY_ID": ("CAP_SYS_ADMIN",),
    "BPF_MAP_GET_FD_BY_ID": ("CAP_SYS_ADMIN",),
    "BPF_BTF_GET_FD_BY_ID": ("CAP_SYS_ADMIN",),
    "BPF_LINK_GET_FD_BY_ID": ("CAP_SYS_ADMIN",),
    "BPF_ENABLE_STATS": ("CAP_SYS_ADMIN",),
    "BPF_PROG_ATTACH": ("CAP_NET_ADMIN",),
    "BPF_PROG_DETACH": ("CAP_NET_ADMIN",),
    "perf_event_open": ("CAP_PERFMON",),
    "PERF_EVENT_IOC_SET_BPF": _TRACING,
    "setns": ("CAP_SYS_ADMIN",),
}

# What older kernels count as locked memory.
_CHARGED = frozenset({"BPF_MAP_CREATE", "BPF_PROG_LOAD", "BPF_BTF_LOAD"})
_UNLIMITED = -1


def missing_for(command: str) -> tuple[str, ...]:
    """Capabilities that a call needs and this thread does not hold, such as ``CAP_BPF``."""
    held = host.capabilities()
    if "CAP_SYS_ADMIN" in held:
        return ()
    return tuple(name for name in _NEEDED.get(command, ()) if name not in held)


def cure_for(command: str) -> str:
    """Why EPERM or EACCES came back from a call, as the end of an error message."""
    missing = missing_for(command)
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        return f"{' and '.join(missing)} {verb} missing: run as root or with these capabilities"
    if command not in _NEEDED:
        return ""
    if host.lockdown() == "confidentiality":
        return "the kernel is locked down for confidentiality: boot it without lockdown="
    if command in _CHARGED and host.memlock_limit()[0] != _UNLIMITED:
        return "RLIMIT_MEMLOCK may be too low (ulimit -l), or a security module forbids it"
    if not host.in_first_user_namespace():
        return "the capabilities are those of a user namespace only: run it outside the container"
    return "all capabilities are held: a security module or seccomp filter forbids it"
