"""What kernel headers say and BTF does not."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from syscast.btf import types as btf_types
from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.frontend.c.btftypes import KernelTypes
from syscast.frontend.c.compat import KernelFacts
from syscast.frontend.c.kconfig import _FUNCTIONS, _MEMBERS, Config
from syscast.frontend.c.memberaliases import ALIASES
from syscast.frontend.c.parse import parse
from syscast.frontend.c.preprocess import preprocess
from syscast.frontend.c.types import find_member

NUMBERS = {
    "AF_INET": 2, "AF_INET6": 10, "REQ_OP_MASK": 255, "PF_KTHREAD": 0x200000, "TASK_RUNNING": 0,
    "NSEC_PER_MSEC": 1000000, "NSEC_PER_USEC": 1000, "FMODE_CREATED": 0x100000, "ENOMEM": 12, "EIO": 5,
    "EPROTONOSUPPORT": 93, "IFNAMSIZ": 16, "NAME_MAX": 255, "O_CREAT": 0o100, "O_TMPFILE": 0o20200000,
    "SCM_RIGHTS": 1, "WRITE": 1, "SOCK_TYPE_MASK": 15, "PAGE_SIZE": 4096, "PAGE_SHIFT": 12,
    "INT_MIN": -(1 << 31), "U64_MAX": (1 << 64) - 1, "MINORBITS": 20, "S_IFMT": 0o170000,
    "ETH_P_IPV6": 0x86DD, "true": 1,
}  # fmt: skip


@pytest.fixture
def facts(running_kernel):
    return KernelFacts(running_kernel)


def test_the_names_that_programs_use(facts):
    assert {name: facts.constant(name).value for name in NUMBERS} == NUMBERS
    assert facts.constant("U64_MAX").type.name == "unsigned long long"
    assert facts.constant("NSEC_PER_MSEC").type.name == "long"
    assert facts.constant("PAGE_SIZE").type.name == "unsigned long"
    assert facts.constant("no_such_name") is None


def test_lengths_are_those_of_the_kernel(facts, make_kernel):
    assert facts.constant("TASK_COMM_LEN").value == 16
    assert facts.constant("DISK_NAME_LEN").value == 32
    assert facts.constant("DNAME_INLINE_LEN").value in {32, 36, 40}
    b = BtfBuilder()
    char = b.add(btf_types.Int("char", 1, 1, 8))
    name = b.add(btf_types.Array(char, char, 28))
    b.add(btf_types.Struct("dentry", 28, (btf_types.Member("d_iname", name, 0),)))
    other = KernelFacts(make_kernel(Btf.from_bytes(b.encode())))
    assert other.constant("DNAME_INLINE_LEN").value == 28
    assert other.constant("TASK_COMM_LEN").value == 16


def test_open_flags_of_arm(make_kernel, running_kernel):
    facts = KernelFacts(make_kernel(running_kernel.btf, arch="aarch64"))
    assert facts.constant("O_DIRECTORY").value == 0o40000
    assert facts.constant("O_CREAT").value == 0o100


def test_constants_agree_with_the_enumerators_of_the_kernel(facts, running_kernel):
    """Where BTF happens to have a name of the table, and means the macro, it has the same number."""
    values = {}
    for type_id in range(1, len(running_kernel.btf)):
        found = running_kernel.btf.type(type_id)
        if isinstance(found, btf_types.Enum):
            for each in found.values:
                values.setdefault(each.name, set()).add(each.value)
    common = [name for name in facts.constant_names() if name in values]
    assert len(common) > 100
    wrong = {
        name: (facts.constant(name).value, values[name])
        for name in common
        if facts.constant(name).value not in values[name]
    }
    assert wrong == {}


def test_options_from_the_configuration(make_kernel, running_kernel):
    known = {
        "CONFIG_NET_NS": "y", "CONFIG_XFS_FS": "m", "CONFIG_HZ": "250", "CONFIG_X": "n",
        "CONFIG_LOCALVERSION": '"-x"',
    }  # fmt: skip
    facts = KernelFacts(make_kernel(running_kernel.btf, config=known))
    assert facts.macro("CONFIG_NET_NS") == "1"
    assert facts.macro("CONFIG_XFS_FS") is None
    assert facts.macro("CONFIG_XFS_FS_MODULE") == "1"
    assert facts.macro("CONFIG_HZ") == "250"
    assert facts.constant("HZ").value == 250
    assert facts.macro("CONFIG_X") is None
    assert facts.macro("CONFIG_NUMA") is None
    assert facts.macro("CONFIG_ARCH_HAS_SYSCALL_WRAPPER") == "1"


def test_options_derived_from_types(make_kernel):
    b = BtfBuilder()
    pointer = b.add(btf_types.Ptr(0))
    anonymous = b.add(btf_types.Struct("", 8, (btf_types.Member("net", pointer, 0),)))
    b.add(btf_types.Typedef("possible_net_t", anonymous))
    facts = KernelFacts(make_kernel(Btf.from_bytes(b.encode())))
    assert facts.macro("CONFIG_NET_NS") == "1"
    assert facts.macro("CONFIG_64BIT") == "1"
    assert facts.macro("CONFIG_NUMA") is None
    assert facts.macro("CONFIG_SLUB") is None


def test_derived_options_are_those_that_the_kernel_was_built_with(running_kernel):
    path = Path("/proc/config.gz")
    if not path.exists():
        pytest.skip("this kernel does not tell its configuration")
    built = set(re.findall(r"(?m)^CONFIG_(\w+)=[ym]", gzip.decompress(path.read_bytes()).decode()))
    config = Config(running_kernel)
    wrong = {
        name
        for name in {**_MEMBERS, **_FUNCTIONS}
        if (config.macro(f"CONFIG_{name}") == "1") != (name in built)
    }
    assert wrong == set()


def expanded(text, kernel):
    facts = KernelFacts(kernel, text)
    made = preprocess(
        text, "/virtual/main.c", kernel, macro=facts.macro, condition=facts.condition
    )
    return " ".join(made.text.split())


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("#ifdef CONFIG_NET_NS", True),
        ("#if IS_ENABLED(CONFIG_IPV6)", True),
        ("#ifdef REQ_WRITE", False),
        ("#if defined(REQ_OP_SHIFT)", False),
        ("#if IFNAMSIZ != 16", False),
        ("#ifdef SOCK_TYPE_MASK", True),
        ("#ifndef tcp_flag_byte", False),
        ("#ifdef INIT_PID_LINK", False),
        ("#if defined(CONFIG_X86_64) && defined(__PAGE_OFFSET_BASE)", False),
        ("#if defined(CONFIG_X86_64) && defined(__PAGE_OFFSET_BASE_L4)", True),
        ("#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__", True),
        ("#if __clang_major__ >= 7", True),
        ("#if TASK_COMM_LEN == 16 && BIT(3) == 8", True),
        ("#ifdef CONFIG_SLAB_FREELIST_NOTHING", False),
    ],
)
def test_conditions(condition, holds, running_kernel):
    text = f"{condition}\nyes\n#else\nno\n#endif\n"
    assert expanded(text, running_kernel) == ("yes" if holds else "no")


def test_bio_dev_is_a_macro_where_bios_have_a_disk(make_kernel, running_kernel):
    b = BtfBuilder()
    pointer = b.add(btf_types.Ptr(0))
    b.add(btf_types.Struct("bio", 8, (btf_types.Member("bi_disk", pointer, 0),)))
    old = make_kernel(Btf.from_bytes(b.encode()))
    assert expanded("#ifdef bio_dev\nold\n#endif", old) == "old"
    assert expanded("#ifdef bio_dev\nold\n#endif", running_kernel) == ""


def test_every_macro_is_c(running_kernel):
    """Each macro with parameters, expanded, parses."""
    text = (Path(__file__).parents[4] / "src/syscast/frontend/c/data/kernel.h").read_text()
    lines = []
    for name, parameters in re.findall(r"(?m)^#define (\w+)\(([^)]*)\)", text):
        names = [each.strip() for each in parameters.split(",")]
        if name in {
            "__aligned",
            "__must_hold",
            "__acquires",
            "__releases",
            "__counted_by",
            "typeof_member",
        }:
            continue
        if name in {"EXPORT_SYMBOL", "EXPORT_SYMBOL_GPL", "MODULE_LICENSE"}:
            continue
        arguments = [
            {"type": "struct file", "member": "x"}.get(each, f"a{at}")
            for at, each in enumerate(names)
        ]
        if name in {"min_t", "max_t", "clamp_t"}:
            arguments[0] = "int"
        lines.append(
            f"{name}({', '.join(each for each in arguments if each != 'a0' or names != [''])});"
        )
    body = "void f(int a0, int a1, int a2, int a3) {\n" + "\n".join(lines) + "\n}"
    facts = KernelFacts(running_kernel, body)
    types = KernelTypes(running_kernel)
    made = preprocess(
        body, "/virtual/main.c", running_kernel, macro=facts.macro, condition=facts.condition
    )
    parse(
        made,
        lambda name: (name[0] in "us" and name[1:].isdigit()) or types.typedef(name) is not None,
    )
    assert len(lines) > 100


def test_a_macro_stands_back_where_the_text_has_a_function_of_its_name(running_kernel):
    own = "static inline int min(int a, int b) { return a < b ? a : b; } int x = min(1, 2);"
    assert expanded(own, running_kernel) == own
    assert "__sc_a" in expanded("int f(int a) { return min(a, 3); }", running_kernel)
    enum = "enum { READ, WRITE, EIO }; int AF_INET;"
    assert expanded(enum, running_kernel) == enum
    assert expanded("#define min(a, b) 7\nint x = min(1, 2);", running_kernel) == "int x = 7;"


def test_members_that_are_macros(running_kernel):
    types = KernelTypes(running_kernel, ALIASES)
    inet = types.tag("struct", "inet_sock")
    for alias, path in {
        "inet_dport": "skc_dport", "inet_daddr": "skc_daddr", "inet_rcv_saddr": "skc_rcv_saddr",
    }.items():  # fmt: skip
        real = find_member(types.tag("struct", "sock_common"), path)
        found = find_member(inet, alias)
        assert (found.offset, found.type) == (real.offset, real.type)
    assert find_member(inet, "inet_sport").type.spelling == "__be16"
    state = find_member(types.tag("struct", "sock"), "sk_state")
    assert state.name == "sk_state"
    assert find_member(types.tag("struct", "sock"), "sk_daddr").type.size == 4
    address = find_member(types.tag("struct", "in6_addr"), "s6_addr")
    assert address.type.size == 16
    assert find_member(types.tag("struct", "dentry"), "d_iname").type.count == len(
        bytes(KernelFacts(running_kernel).constant("DNAME_INLINE_LEN").value)
    )
    assert find_member(inet, "inet_nothing") is None
