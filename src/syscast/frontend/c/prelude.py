"""The words of the dialect that are macros, as text in front of every program: ``data/prelude.h`` and what a machine adds."""

from __future__ import annotations

from functools import lru_cache

from syscast.frontend.c.datafiles import data

FOOTER = (
    '\nconst char __sc_license[] __attribute__((section("license"))) = __sc_text(BPF_LICENSE);\n'
)
"""Stands behind every text: ``#define BPF_LICENSE Dual BSD/GPL`` says what the programs' licence is."""

_WRAPPED = "((struct pt_regs *)PT_REGS_PARM1(x))"


@lru_cache(maxsize=8)
def prelude(arch: str, *, wrapped: bool) -> str:
    """The text.

    Args:
        arch: ``x86_64`` or ``aarch64``.
        wrapped: System calls get their arguments in a ``struct pt_regs``.
    """
    texts = [data(name) for name in ("prelude.h", f"registers_{arch}.h")]
    texts.append(f"#define PT_REGS_SYSCALL_CTX(x) {_WRAPPED if wrapped else '(x)'}\n")
    return "\n".join(texts)


def headers(text: str) -> dict[str, str]:
    """The header of packets, if the text can need it: reading it takes as long as reading a tool."""
    if not any(f"struct {name}" in text for name in PACKETS):
        return {}
    return {"bcc/proto.h": data("proto.h")}


PACKETS = (
    *("ethernet_t", "dot1q_t", "arp_t", "ip_t", "icmp_t", "ip6_t", "ip6_opt_t", "icmp6_t"),
    *("udp_t", "tcp_t", "vxlan_t", "vxlan_gbp_t"),
)
