"""Where a hung guest's processors are: asked from QEMU's monitor, named with the symbols of a later boot.

The kernel runs without address randomisation, so that the symbols of a fresh VM fit the addresses of the dead one.
"""

from __future__ import annotations

import bisect
import json
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

# HMP `info registers`: "RIP=ffffffff810a1b2c RFL=00000246 [---Z-P-] CPL=0 ..." per processor.
REGISTERS = re.compile(r"RIP=([0-9a-f]+)")


def _ask(monitor: socket.socket, command: dict[str, object]) -> str:
    """One QMP command; returns what it returned, as text. Events in between are dropped."""
    monitor.sendall(json.dumps(command).encode() + b"\n")
    rest = b""
    while True:
        data = monitor.recv(65536)
        if not data:
            return ""
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                return str(answer.get("return", answer.get("error")))


def sample(monitor: socket.socket, times: int = 5) -> list[int]:
    """Instruction pointers of all virtual processors, some times in a row. Empty when the monitor does not answer."""
    monitor.settimeout(3)
    found: list[int] = []
    try:
        _ask(monitor, {"execute": "qmp_capabilities"})
        for _ in range(times):
            text = _ask(
                monitor,
                {
                    "execute": "human-monitor-command",
                    "arguments": {"command-line": "info registers -a"},
                },
            )
            found += [int(address, 16) for address in REGISTERS.findall(text)]
            time.sleep(0.1)
    except (OSError, ValueError):
        pass
    return found


def name_addresses(addresses: list[int], kallsyms: str) -> list[str]:
    """Name kernel addresses by the text of /proc/kallsyms, as `function+0x12`; user addresses as `user`."""
    table = sorted(
        (int(fields[0], 16), fields[2])
        for fields in (line.split() for line in kallsyms.splitlines())
        if len(fields) >= 3 and fields[1] in "tTwW"
    )
    starts = [start for start, _ in table]
    names = []
    for address in addresses:
        place = bisect.bisect_right(starts, address) - 1
        if address < 1 << 63:
            names.append("user")
        elif place < 0:
            names.append(hex(address))
        else:
            names.append(f"{table[place][1]}+{address - starts[place]:#x}")
    return names
