"""bcc's module ``tcp``: names of TCP's states and flags."""

from __future__ import annotations

tcpstate: dict[int, str] = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "NEW_SYN_RECV",
}
"""Names by number (include/net/tcp_states.h)."""

# Bits of the header's byte 13, from the lowest on (RFC 9293).
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")


def state2str(state: int) -> str:
    """The name of a state, or its number as text."""
    return tcpstate.get(state, str(state))


def flags2str(flags: int) -> str:
    """The names of the flags that are set: ``SYN|ACK``."""
    return "|".join(name for bit, name in enumerate(_FLAGS) if flags >> bit & 1)
