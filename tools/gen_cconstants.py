r"""Make src/syscast/frontend/c/data/constants.tsv: numbers that kernel headers define as macros.

BTF has enumerators, but no macros. What programs that are written against kernel headers use of them are
numbers of the kernel's ABI; they are read from the UAPI headers of the machine that runs this (package
linux-libc-dev) by its C compiler. Numbers of the kernel's own headers, which no program outside can
include, stand in INTERNAL: they have not changed since Linux 5.4.

    python3 tools/gen_cconstants.py
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OUTPUT = PROJECT / "src/syscast/frontend/c/data/constants.tsv"

HEADERS = [
    "asm/errno",
    "asm/fcntl",
    "asm/ioctls",
    "asm/mman",
    "asm/poll",
    "asm/signal",
    "asm/socket",
    "asm/stat",
    "asm/statfs",
    "asm/termbits",
    "linux/aio_abi",
    "linux/audit",
    "linux/bpf",
    "linux/capability",
    "linux/errno",
    "linux/eventpoll",
    "linux/falloc",
    "linux/fanotify",
    "linux/fcntl",
    "linux/fs",
    "linux/futex",
    "linux/icmp",
    "linux/icmpv6",
    "linux/if",
    "linux/if_arp",
    "linux/if_ether",
    "linux/if_link",
    "linux/if_packet",
    "linux/if_tun",
    "linux/if_vlan",
    "linux/igmp",
    "linux/in",
    "linux/in6",
    "linux/inet_diag",
    "linux/inotify",
    "linux/io_uring",
    "linux/ip",
    "linux/ipc",
    "linux/ipv6",
    "linux/kdev_t",
    "linux/keyctl",
    "linux/limits",
    "linux/magic",
    "linux/major",
    "linux/memfd",
    "linux/mman",
    "linux/mount",
    "linux/msg",
    "linux/neighbour",
    "linux/net",
    "linux/netfilter",
    "linux/netfilter_ipv4",
    "linux/netlink",
    "linux/openat2",
    "linux/perf_event",
    "linux/personality",
    "linux/pkt_cls",
    "linux/pkt_sched",
    "linux/poll",
    "linux/prctl",
    "linux/ptrace",
    "linux/quota",
    "linux/reboot",
    "linux/resource",
    "linux/rtnetlink",
    "linux/sched",
    "linux/seccomp",
    "linux/sem",
    "linux/shm",
    "linux/signal",
    "linux/snmp",
    "linux/sock_diag",
    "linux/sockios",
    "linux/stat",
    "linux/stddef",
    "linux/sysinfo",
    "linux/tcp",
    "linux/time",
    "linux/timerfd",
    "linux/types",
    "linux/udp",
    "linux/un",
    "linux/unix_diag",
    "linux/utsname",
    "linux/vm_sockets",
    "linux/wait",
    "linux/xattr",
    "linux/xfrm",
]

SKIPPED = re.compile(r"_.*|.*_H_?|.*_H__|[a-z].*|linux|unix")
NEVER = frozenset({"NULL", "TASK_SIZE", "SI_MAX_SIZE", "INT32_MAX", "SOCK_DESTROY"})
_SCALARS = re.compile(r"[\w\s()|&<>+*/~^!?:,'.=-]+")

INTERNAL = """
    # include/linux/security.h
    CAP_OPT_NONE 0; CAP_OPT_NOAUDIT 2; CAP_OPT_INSETID 4
    # include/linux/socket.h, net.h, fs.h
    PF_UNSPEC 0; PF_UNIX 1; PF_LOCAL 1; PF_INET 2; PF_AX25 3; PF_PACKET 17; PF_NETLINK 16; PF_KEY 15; PF_INET6 10; PF_VSOCK 40; PF_XDP 44
    AF_UNSPEC 0; AF_UNIX 1; AF_LOCAL 1; AF_INET 2; AF_AX25 3; AF_IPX 4; AF_APPLETALK 5; AF_NETROM 6; AF_BRIDGE 7; AF_ATMPVC 8; AF_X25 9
    AF_INET6 10; AF_ROSE 11; AF_DECnet 12; AF_NETBEUI 13; AF_SECURITY 14; AF_KEY 15; AF_NETLINK 16; AF_ROUTE 16; AF_PACKET 17; AF_ASH 18
    AF_ECONET 19; AF_ATMSVC 20; AF_RDS 21; AF_SNA 22; AF_IRDA 23; AF_PPPOX 24; AF_WANPIPE 25; AF_LLC 26; AF_IB 27; AF_MPLS 28; AF_CAN 29
    AF_TIPC 30; AF_BLUETOOTH 31; AF_IUCV 32; AF_RXRPC 33; AF_ISDN 34; AF_PHONET 35; AF_IEEE802154 36; AF_CAIF 37; AF_ALG 38; AF_NFC 39
    AF_VSOCK 40; AF_KCM 41; AF_QIPCRTR 42; AF_SMC 43; AF_XDP 44; AF_MCTP 45
    SOCK_TYPE_MASK 0xf; SOCK_STREAM 1; SOCK_DGRAM 2; SOCK_RAW 3; SOCK_RDM 4; SOCK_SEQPACKET 5; SOCK_DCCP 6; SOCK_PACKET 10
    SOCK_CLOEXEC 0x80000; SOCK_NONBLOCK 0x800; SOMAXCONN 4096
    SCM_RIGHTS 1; SCM_CREDENTIALS 2; SCM_SECURITY 3
    SOL_IP 0; SOL_TCP 6; SOL_UDP 17; SOL_IPV6 41; SOL_ICMPV6 58; SOL_SCTP 132; SOL_RAW 255; SOL_PACKET 263; SOL_NETLINK 270; SOL_XDP 283; SOL_MPTCP 284
    MSG_OOB 1; MSG_PEEK 2; MSG_DONTROUTE 4; MSG_CTRUNC 8; MSG_TRUNC 0x20; MSG_DONTWAIT 0x40; MSG_EOR 0x80; MSG_WAITALL 0x100; MSG_FIN 0x200
    MSG_SYN 0x400; MSG_CONFIRM 0x800; MSG_RST 0x1000; MSG_ERRQUEUE 0x2000; MSG_NOSIGNAL 0x4000; MSG_MORE 0x8000; MSG_WAITFORONE 0x10000
    MSG_BATCH 0x40000; MSG_ZEROCOPY 0x4000000; MSG_FASTOPEN 0x20000000; MSG_CMSG_CLOEXEC 0x40000000
    FMODE_READ 1; FMODE_WRITE 2; FMODE_LSEEK 4; FMODE_PREAD 8; FMODE_PWRITE 0x10; FMODE_EXEC 0x20; FMODE_CREATED 0x100000; FMODE_OPENED 0x80000
    READ 0; WRITE 1
    MAY_EXEC 1; MAY_WRITE 2; MAY_READ 4; MAY_APPEND 8; MAY_ACCESS 0x10; MAY_OPEN 0x20; MAY_CHDIR 0x40
    S_IRWXUGO 0777; S_IALLUGO 07777; S_IRUGO 0444; S_IWUGO 0222; S_IXUGO 0111
    # include/linux/sched.h
    TASK_RUNNING 0; TASK_INTERRUPTIBLE 1; TASK_UNINTERRUPTIBLE 2; __TASK_STOPPED 4; __TASK_TRACED 8; EXIT_DEAD 0x10; EXIT_ZOMBIE 0x20
    EXIT_TRACE 0x30; TASK_PARKED 0x40; TASK_DEAD 0x80; TASK_WAKEKILL 0x100; TASK_WAKING 0x200; TASK_NOLOAD 0x400; TASK_NEW 0x800
    TASK_KILLABLE 0x102; TASK_STOPPED 0x104; TASK_IDLE 0x402; TASK_NORMAL 3
    PF_EXITING 4; PF_WQ_WORKER 0x20; PF_FORKNOEXEC 0x40; PF_SUPERPRIV 0x100; PF_DUMPCORE 0x200; PF_SIGNALED 0x400; PF_MEMALLOC 0x800
    PF_NOFREEZE 0x8000; PF_KSWAPD 0x20000; PF_KTHREAD 0x200000; PF_RANDOMIZE 0x400000
    MAX_NICE 19; MIN_NICE (-20); MAX_RT_PRIO 100; MAX_PRIO 140; DEFAULT_PRIO 120
    # include/linux/time64.h, include/vdso/time64.h
    MSEC_PER_SEC 1000L; USEC_PER_MSEC 1000L; NSEC_PER_USEC 1000L; NSEC_PER_MSEC 1000000L; USEC_PER_SEC 1000000L; NSEC_PER_SEC 1000000000L
    FSEC_PER_SEC 1000000000000000LL; PSEC_PER_SEC 1000000000000LL
    # include/linux/limits.h, kernel.h, vdso/limits.h
    USHRT_MAX 65535; SHRT_MAX 32767; SHRT_MIN (-32768); INT_MAX 2147483647; INT_MIN (-2147483647-1); UINT_MAX 4294967295U
    LONG_MAX 9223372036854775807L; LONG_MIN (-9223372036854775807L-1); ULONG_MAX 18446744073709551615UL; LLONG_MAX 9223372036854775807LL
    LLONG_MIN (-9223372036854775807LL-1); ULLONG_MAX 18446744073709551615ULL; SIZE_MAX 18446744073709551615UL; SSIZE_MAX 9223372036854775807L
    UINTPTR_MAX 18446744073709551615UL; PHYS_ADDR_MAX 18446744073709551615ULL
    U8_MAX 255; S8_MAX 127; S8_MIN (-128); U16_MAX 65535; S16_MAX 32767; S16_MIN (-32768); U32_MAX 4294967295U; U32_MIN 0U; S32_MAX 2147483647
    S32_MIN (-2147483647-1); U64_MAX 18446744073709551615ULL; S64_MAX 9223372036854775807LL; S64_MIN (-9223372036854775807LL-1)
    UINT8_MAX 255; UINT16_MAX 65535; UINT32_MAX 4294967295U; UINT64_MAX 18446744073709551615UL; INT8_MAX 127; INT16_MAX 32767
    INT64_MAX 9223372036854775807L; MAX_ERRNO 4095; CHAR_BIT 8; CHAR_MAX 127; SCHAR_MAX 127; UCHAR_MAX 255; BITS_PER_BYTE 8; BITS_PER_LONG 64; BITS_PER_LONG_LONG 64
    # include/linux/kdev_t.h, blk_types.h, blkdev.h
    MINORBITS 20; MINORMASK 0xfffffU; REQ_OP_BITS 8; REQ_OP_MASK 255; REQ_FLAG_BITS 24; SECTOR_SHIFT 9; SECTOR_SIZE 512; BIO_MAX_VECS 256U; BIO_MAX_PAGES 256
    # include/linux/errno.h
    ERESTARTSYS 512; ERESTARTNOINTR 513; ERESTARTNOHAND 514; ENOIOCTLCMD 515; ERESTART_RESTARTBLOCK 516; EPROBE_DEFER 517; EOPENSTALE 518; ENOTSUPP 524
    EIOCBQUEUED 529; ERECALLCONFLICT 530; EBADHANDLE 521; ENOTSYNC 522; EBADCOOKIE 523; ETOOSMALL 525; ESERVERFAULT 526; EBADTYPE 527; EJUKEBOX 528
    # include/net/tcp.h, ipv6.h
    TCPHDR_FIN 1; TCPHDR_SYN 2; TCPHDR_RST 4; TCPHDR_PSH 8; TCPHDR_ACK 0x10; TCPHDR_URG 0x20; TCPHDR_ECE 0x40; TCPHDR_CWR 0x80
    TCP_NAGLE_OFF 1; TCP_NAGLE_CORK 2; TCP_NAGLE_PUSH 4; TCP_INFINITE_SSTHRESH 0x7fffffff
    IPV6_ADDR_ANY 0; IPV6_ADDR_UNICAST 1; IPV6_ADDR_MULTICAST 2; IPV6_ADDR_LOOPBACK 0x10; IPV6_ADDR_LINKLOCAL 0x20; IPV6_ADDR_MAPPED 0x1000
    NEXTHDR_HOP 0; NEXTHDR_TCP 6; NEXTHDR_UDP 17; NEXTHDR_IPV6 41; NEXTHDR_ROUTING 43; NEXTHDR_FRAGMENT 44; NEXTHDR_ICMP 58; NEXTHDR_NONE 59; NEXTHDR_DEST 60
    # include/net/ip.h, include/linux/if_vlan.h, netdevice.h
    IP_CE 0x8000; IP_DF 0x4000; IP_MF 0x2000; IP_OFFSET 0x1fff; VLAN_PRIO_MASK 0xe000; VLAN_PRIO_SHIFT 13; VLAN_VID_MASK 0xfff; VLAN_CFI_MASK 0x1000; VLAN_HLEN 4; VLAN_ETH_HLEN 18
    MAX_ADDR_LEN 32; NET_RX_SUCCESS 0; NET_RX_DROP 1; NET_XMIT_SUCCESS 0; NET_XMIT_DROP 1; NET_XMIT_CN 2; CHECKSUM_NONE 0; CHECKSUM_UNNECESSARY 1; CHECKSUM_COMPLETE 2; CHECKSUM_PARTIAL 3
    # include/linux/module.h, ftrace, kallsyms, page flags' layout-free facts
    MODULE_NAME_LEN 56; KSYM_SYMBOL_LEN_OLD 128
    # BPF classic, uapi/linux/bpf_perf_event.h has none
    UIO_MAXIOV 1024; UNIX_PATH_MAX 108; INET_ADDRSTRLEN 16; INET6_ADDRSTRLEN 48
    false 0; true 1
"""

AARCH64 = {
    "O_DIRECTORY": 0o40000,
    "O_NOFOLLOW": 0o100000,
    "O_DIRECT": 0o200000,
    "O_LARGEFILE": 0o400000,
    "O_TMPFILE": 0o20000000 | 0o40000,
    "PTRACE_SYSEMU": 31,
    "PTRACE_SYSEMU_SINGLESTEP": 32,
}
"""Where arm64 differs: arch/arm64/include/uapi/asm/fcntl.h and ptrace.h."""


def macros() -> dict[str, str]:
    """Names of object-like macros of the headers."""
    found: dict[str, str] = {}
    for header in HEADERS:
        text = f"#include <linux/types.h>\n#include <linux/{'socket' if header != 'linux/in' else 'types'}.h>\n#include <{header}.h>\n"
        made = subprocess.run(
            ["gcc", "-E", "-dM", "-x", "c", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            print(f"skipped {header}: {made.stderr.splitlines()[0]}")
            continue
        for name, body in re.findall(r"#define (\w+) (\S.*)", made.stdout):
            if not SKIPPED.fullmatch(name) and name not in NEVER and _SCALARS.fullmatch(body):
                found.setdefault(name, header)
    return found


def evaluated(names: dict[str, str]) -> dict[str, tuple[int, str]]:
    """Value and C type of each macro that is an integer constant; each is tried by itself in one program of many functions."""
    values: dict[str, tuple[int, str]] = {}
    by_header: dict[str, list[str]] = {}
    for name, header in names.items():
        by_header.setdefault(header, []).append(name)
    for header, group in by_header.items():
        good = _compiling(header, group)
        values.update(_printed(header, good))
    return values


def _program(header: str, group: list[str]) -> str:
    include = (
        "" if header in {"linux/in", "linux/in6", "linux/ipv6"} else "#include <linux/socket.h>\n"
    )
    lines = [
        f"#include <stddef.h>\n#include <linux/types.h>\n{include}#include <{header}.h>",
        "extern int printf(const char *, ...);",
    ]
    lines += [
        f'__attribute__((constructor)) static void in_{name}(void) {{ enum {{ test = ({name}) && 0 }}; printf("{name} %llx %d\\n", (unsigned long long)({name}),'
        f" _Generic(({name}), int: 1, unsigned: 2, long: 3, unsigned long: 4, long long: 5, unsigned long long: 6, default: 0)); }}"
        for name in group
    ]
    return "\n".join([*lines, "int main(void) { return 0; }"])


def _compiling(header: str, group: list[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "t.c")
        source.write_text(_program(header, group))
        made = subprocess.run(
            ["gcc", "-w", "-fsyntax-only", "-fmax-errors=0", source],
            capture_output=True,
            text=True,
            check=False,
        )
    wrong = {int(line) for line in re.findall(r"t\.c:(\d+):\d+: error", made.stderr)}
    first = _program(header, []).count("\n") + 1  # the line of main is where the first name goes
    return [name for number, name in enumerate(group) if first + number not in wrong]


def _printed(header: str, group: list[str]) -> dict[str, tuple[int, str]]:
    suffixes = {"1": "", "2": "U", "3": "L", "4": "UL", "5": "LL", "6": "ULL"}
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "t.c"), Path(folder, "t")
        source.write_text(_program(header, group))
        subprocess.run(["gcc", "-w", "-o", program, source], check=True)
        said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in said.splitlines():
        name, value, kind = line.split()
        if kind in suffixes:
            number = int(value, 16)
            if kind in {"1", "3", "5"} and number >> 63:
                number -= 1 << 64
            found[name] = (number, suffixes[kind])
    return found


def internal() -> dict[str, tuple[int, str]]:
    """What INTERNAL says."""
    found = {}
    for line in INTERNAL.splitlines():
        if line.strip().startswith("#"):
            continue
        for item in line.split(";"):
            if item.strip():
                name, _, text = item.strip().partition(" ")
                suffix = re.search(
                    r"([UL]*)\)?$", text.rstrip("0123456789)-") if "-1)" in text else text
                )
                digits = re.sub(r"(?<=[0-9a-fx])[UL]+", "", re.sub(r"\b0(\d+)", r"0o\1", text))
                value = eval(digits)  # noqa: S307  (our own table)
                found[name] = (value, suffix[1] if suffix else "")
    return found


def main() -> None:
    """Write the table."""
    values = {**evaluated(macros()), **internal()}
    for name in ("KSYM_SYMBOL_LEN_OLD", "MODULE_NAME_LEN", "SOMAXCONN"):
        values.pop(name, None)
    lines = [
        "# Numbers that kernel headers define as macros: name, value with C's suffix, value on aarch64 where it differs.",
        "# Made by tools/gen_cconstants.py; do not edit.",
    ]
    for name, (value, suffix) in sorted(values.items()):
        other = f"\t{AARCH64[name]}" if name in AARCH64 and AARCH64[name] != value else ""
        lines.append(f"{name}\t{value}{suffix}{other}")
    OUTPUT.write_text("\n".join(lines) + "\n")
    print(f"{len(values)} names")


if __name__ == "__main__":
    main()
