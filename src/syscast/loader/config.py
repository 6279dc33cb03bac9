"""Values that are only known when an object is loaded: filters and kernel configuration.

They are written into read-only maps, which are then frozen: the verifier takes the values for
constants and drops what they make unreachable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.errors import NotSupportedError, TargetError, UsageError
from syscast.spec.meta import CONFIG_SECTION
from syscast.spec.numbers import KCONFIG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syscast.spec.objectspec import KconfigVar, MapSpec, ObjectSpec

_TRISTATE = {"n": 0, "y": 1, "m": 2}  # enum libbpf_tristate
_MACHINES = ("__x64_sys_bpf", "__arm64_sys_bpf", "__s390x_sys_bpf", "__riscv_sys_bpf")


def configured(spec: ObjectSpec, config: Mapping[str, int | bytes]) -> tuple[MapSpec, ...]:
    """The object's maps with the configuration written into them.

    Args:
        spec: The object.
        config: Values by name: fields of syscast's own config, or else variables of the read-only
            data section. An int fills the variable, bytes are padded with zeros.

    Raises:
        UsageError: There is no such variable, or the value does not fit.
        NotSupportedError: The kernel does not show its configuration.
        TargetError: A configuration option that is not optional is not set.
    """
    maps = []
    for each in spec.maps:
        made = each
        if each.name == CONFIG_SECTION and config:
            made = msgspec.structs.replace(each, initial=_written(spec, each, config))
        elif each.name == KCONFIG:
            made = msgspec.structs.replace(each, initial=_kconfig(each, spec.kconfig))
        maps.append(made)
    if config and not any(each.name == CONFIG_SECTION for each in maps):
        names = ", ".join(config)
        raise UsageError(f"object '{spec.name}': configure {names}: it has no variables")
    return tuple(maps)


def _written(spec: ObjectSpec, section: MapSpec, config: Mapping[str, int | bytes]) -> bytes:
    data = bytearray((section.initial or b"").ljust(section.value_size, b"\0"))
    places = {
        field.name: (field.offset, field.size) for field in (spec.meta.config if spec.meta else ())
    }
    if not places:
        places = _variables(spec, section)
    for name, value in config.items():
        if name not in places:
            known = ", ".join(places) or "none"
            raise UsageError(
                f"object '{spec.name}': configure '{name}': there is no such variable (there are: "
                f"{known})"
            )
        offset, size = places[name]
        subject = f"object '{spec.name}': configure '{name}'"
        data[offset : offset + size] = encoded(value, size, subject)
    return bytes(data)


def _variables(spec: ObjectSpec, section: MapSpec) -> dict[str, tuple[int, int]]:
    """Offset and size of the variables of a data section, from its BTF."""
    from syscast.btf.lookup import Btf  # noqa: PLC0415 - syscast's own objects need no look
    from syscast.btf.types import DataSec, Var  # noqa: PLC0415

    if not spec.btf or not section.value_type_id:
        return {}
    btf = Btf.from_bytes(spec.btf, name=spec.name)
    found = btf.type(section.value_type_id)
    places = {}
    for record in found.vars if isinstance(found, DataSec) else ():
        var = btf.type(record.type_id)
        if isinstance(var, Var):
            places[var.name] = (record.offset, record.size)
    return places


def encoded(value: int | bytes, size: int, subject: str) -> bytes:
    """A value as the bytes of a variable; raises UsageError where it does not fit."""
    if isinstance(value, int):
        try:
            return int(value).to_bytes(size, "little", signed=value < 0)
        except OverflowError:
            raise UsageError(f"{subject}: {value} does not fit into {size} bytes") from None
    if len(value) > size:
        raise UsageError(f"{subject}: {len(value)} bytes do not fit into {size}")
    return value.ljust(size, b"\0")


def _kconfig(section: MapSpec, variables: Iterable[KconfigVar]) -> bytes:
    data = bytearray(section.value_size)
    options: Mapping[str, str] | None = None
    for var in variables:
        if var.name.startswith("CONFIG_"):
            if options is None:
                options = _options(var)
            value = _option(var, options.get(var.name))
        else:
            value = _fact(var)
        data[var.offset : var.offset + var.size] = value
    return bytes(data)


def _options(first: KconfigVar) -> Mapping[str, str]:
    from syscast.kernel.host import kernel_config  # noqa: PLC0415 - few objects ask for it

    options = kernel_config()
    if options is None and not first.weak:
        raise NotSupportedError(
            f"variable '{first.name}': read: this kernel does not show its configuration (no "
            f"/proc/config.gz and no /boot/config-*; declare the variable __weak)"
        )
    return options or {}


def _option(var: KconfigVar, text: str | None) -> bytes:
    subject = f"variable '{var.name}': read"
    if text is None:
        if not var.weak:
            raise TargetError(f"{subject}: this kernel has no such option (declare it __weak)")
        return bytes(var.size)
    if var.kind == "string":
        return text.encode()[: var.size - 1].ljust(var.size, b"\0")
    if var.kind == "char" and text in _TRISTATE:
        return text.encode()
    if text in _TRISTATE:
        if var.kind == "bool" and text == "m":
            raise UsageError(f"{subject}: the option is 'm', which is no bool")
        return encoded(_TRISTATE[text], var.size, subject)
    try:
        return encoded(int(text, 0), var.size, subject)
    except ValueError:
        raise UsageError(f"{subject}: the option is '{text}', which is no {var.kind}") from None


def _fact(var: KconfigVar) -> bytes:
    """Libbpf's own variables."""
    if var.name == "LINUX_KERNEL_VERSION":
        value = _version()
    elif var.name == "LINUX_HAS_BPF_COOKIE":
        from syscast.features.probing import supported  # noqa: PLC0415 - few objects ask for it

        value = int(supported("helper_get_attach_cookie"))
    elif var.name == "LINUX_HAS_SYSCALL_WRAPPER":
        from syscast.btf import source  # noqa: PLC0415 - few objects ask for it
        from syscast.btf.types import Func  # noqa: PLC0415

        kernel = source.kernel()
        value = int(any(kernel.find(name, Func) is not None for name in _MACHINES))
    elif var.weak:
        value = 0
    else:
        raise TargetError(f"variable '{var.name}': read: nothing gives it a value")
    return encoded(value, var.size, f"variable '{var.name}': read")


def _version() -> int:
    """``LINUX_VERSION_CODE``, for programs that ask; syscast itself never does.

    Distributions that hide the patch level in the release tell it elsewhere, as libbpf knows.
    """
    from syscast.kernel.textfiles import read_text  # noqa: PLC0415 - few objects ask for it

    release = read_text("/proc/sys/kernel/osrelease") or ""
    build = read_text("/proc/sys/kernel/version") or ""
    signature = (read_text("/proc/version_signature") or "").split()
    if len(signature) > 2:
        release = signature[2]
    elif "Debian " in build:
        release = build.partition("Debian ")[2].partition("-")[0]
    numbers = []
    for part in release.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return major << 16 | minor << 8 | min(patch, 255)
