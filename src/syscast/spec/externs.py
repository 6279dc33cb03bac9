"""Extern variables and functions of an object: kernel symbols and configuration.

``extern ... __ksym`` puts a variable or function into the BTF section ``.ksyms``, and
``extern ... __kconfig`` a variable into ``.kconfig`` (libbpf's bpf_helpers.h).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.index import essential
from syscast.btf.types import (
    Array,
    DataSec,
    Enum,
    Func,
    Int,
    Var,
    Void,
)
from syscast.errors import FormatError
from syscast.spec.datasec import KSYMS
from syscast.spec.numbers import F_RDONLY_PROG, KCONFIG
from syscast.spec.objectspec import KconfigVar, MapSpec

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.btf.types import BtfType
    from syscast.elf import Symbol

_TRISTATE = "libbpf_tristate"


class Externs:
    """What the undefined symbols of an object stand for.

    Attributes:
        kconfig: The variables of ``.kconfig`` by name, laid out in the order of first use.
    """

    def __init__(self, btf: Btf | None, subject: str) -> None:
        """Read both sections from the BTF as the compiler left it."""
        self._btf = btf
        self._subject = subject
        self._ksyms = self._members(KSYMS)
        self._kconfig = self._members(KCONFIG)
        self._end = 0
        self.kconfig: dict[str, KconfigVar] = {}

    def _members(self, section: str) -> dict[str, Var | Func]:
        type_id = self._btf.find(section, DataSec) if self._btf else None
        if self._btf is None or type_id is None:
            return {}
        found = self._btf.type(type_id)
        members = {}
        for record in found.vars if isinstance(found, DataSec) else ():
            member = self._btf.type(record.type_id)
            if isinstance(member, Var | Func):
                members[member.name] = member
        return members

    def symbol(self, symbol: Symbol, *, call: bool) -> tuple[str, str]:
        """The kernel's name of a symbol, and what an instruction makes of it.

        Returns:
            The name without flavour, and ``kfunc``, ``typed`` or ``address``.

        Raises:
            FormatError: The symbol is undefined and no extern.
        """
        found = self._ksyms.get(symbol.name)
        if found is None or self._btf is None or (call != isinstance(found, Func) and call):
            raise FormatError(
                f"symbol '{symbol.name}': link: it is not defined, and no extern of the kernel"
            )
        name = essential(found.name.encode()).decode()
        if call:
            return name, "kfunc"
        if isinstance(found, Func):
            return name, "typed"
        untyped = isinstance(self._btf.type(self._btf.resolve(found.type_id)), Void)
        return name, "address" if untyped else "typed"

    def config(self, symbol: Symbol, *, weak: bool) -> KconfigVar | None:
        """The variable of the configuration that a symbol is, or None.

        Raises:
            FormatError: Its type is not one that a configuration can have.
        """
        var = self._kconfig.get(symbol.name)
        if not isinstance(var, Var) or self._btf is None:
            return None
        made = self.kconfig.get(symbol.name)
        if made is None:
            kind, size, signed = self._config_type(symbol.name, var)
            align = self._btf.align_of(var.type_id)
            offset = -(-self._end // align) * align
            made = KconfigVar(symbol.name, offset, size, kind, signed, weak)
            self._end = offset + size
            self.kconfig[symbol.name] = made
        return made

    def kconfig_map(self) -> MapSpec:
        """The map that holds the configuration; its content is the loader's to fill in."""
        return MapSpec(
            KCONFIG,
            "array",
            key_size=4,
            value_size=self._end,
            max_entries=1,
            flags=F_RDONLY_PROG,
            initial=b"",
            read_only=True,
        )

    def _config_type(self, name: str, var: Var) -> tuple[str, int, bool]:
        if self._btf is None:
            raise FormatError(f"variable '{name}': read: it has no type")
        found = self._btf.type(self._btf.resolve(var.type_id))
        kind = _kind(self._btf, found)
        if not kind:
            raise FormatError(
                f"variable '{name}': read: its type does not fit to a kernel configuration (bool, "
                f"char, an integer, enum {_TRISTATE} or char[])"
            )
        return kind, self._btf.size_of(var.type_id), isinstance(found, Int) and found.signed


def _kind(btf: Btf, found: BtfType) -> str:
    match found:
        case Int(size=1, bool=True):
            return "bool"
        case Int(size=1):
            return "char"
        case Int(size=size) if size in {2, 4, 8}:
            return "int"
        case Enum(name=name, size=4) if name == _TRISTATE:
            return "tristate"
        case Array(element_id=element, count=count) if count:
            inner = btf.type(btf.resolve(element))
            return "string" if isinstance(inner, Int) and inner.size == 1 else ""
        case _:
            return ""
