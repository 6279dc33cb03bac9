"""What ``BPF`` does without a text: questions to the kernel, names of addresses, and programs on cards and cgroups.

bcc has these as static methods of ``BPF``; each is written out, so that a type checker sees its signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.bcc import (
    features,
    network,
    probed,
    programs,
    symcaches,
    tracepoints,
    tracing,
    userplaces,
)

if TYPE_CHECKING:
    from syscast.bcc.arguments import Name
    from syscast.bcc.stacktraces import bpf_stack_build_id


class Statics:
    """The static methods of ``BPF``."""

    # ------------------------------------------------------------ what the kernel can do, and has

    @staticmethod
    def support_kfunc() -> bool:
        """See `features.support_kfunc`."""
        return features.support_kfunc()

    @staticmethod
    def support_lsm() -> bool:
        """See `features.support_lsm`."""
        return features.support_lsm()

    @staticmethod
    def support_fmod_ret() -> bool:
        """See `features.support_fmod_ret`."""
        return features.support_fmod_ret()

    @staticmethod
    def support_raw_tracepoint() -> bool:
        """See `features.support_raw_tracepoint`."""
        return features.support_raw_tracepoint()

    @staticmethod
    def support_raw_tracepoint_in_module() -> bool:
        """See `features.support_raw_tracepoint_in_module`."""
        return features.support_raw_tracepoint_in_module()

    @staticmethod
    def kernel_struct_has_field(struct_name: Name, field_name: Name) -> int:
        """See `features.kernel_struct_has_field`."""
        return features.kernel_struct_has_field(struct_name, field_name)

    @staticmethod
    def kernel_enum_has_val(enum_name: Name, value_name: Name) -> int:
        """See `features.kernel_enum_has_val`."""
        return features.kernel_enum_has_val(enum_name, value_name)

    @staticmethod
    def get_kprobe_functions(event_re: Name) -> set[bytes]:
        """See `probed.functions_matching`."""
        return probed.functions_matching(event_re)

    @staticmethod
    def get_probe_limit() -> int:
        """See `programs.probe_limit`."""
        return programs.probe_limit()

    @staticmethod
    def get_tracepoints(tp_re: Name) -> list[bytes]:
        """See `tracepoints.matching`."""
        return tracepoints.matching(tp_re)

    @staticmethod
    def tracepoint_exists(category: Name, event: Name) -> bool:
        """See `tracepoints.exists`."""
        return tracepoints.exists(category, event)

    @staticmethod
    def add_prefix(prefix: bytes, name: Name) -> bytes:
        """See `tracing.add_prefix`."""
        return tracing.add_prefix(prefix, name)

    # ------------------------------------------------------------ files and symbols

    @staticmethod
    def find_exe(bin_path: str | bytes) -> str | bytes | None:
        """See `userplaces.find_exe`."""
        return userplaces.find_exe(bin_path)

    @staticmethod
    def find_library(libname: Name, pid: int = 0) -> bytes | None:
        """See `userplaces.find_library`."""
        return userplaces.find_library(libname, pid)

    @staticmethod
    def get_user_functions_and_addresses(name: Name, sym_re: Name) -> list[tuple[bytes, int]]:
        """See `userplaces.functions_and_addresses`."""
        return userplaces.functions_and_addresses(name, sym_re)

    @staticmethod
    def get_user_functions(name: Name, sym_re: Name) -> list[bytes]:
        """Names of the functions that `get_user_functions_and_addresses` gives."""
        return [each for each, _ in userplaces.functions_and_addresses(name, sym_re)]

    @staticmethod
    def get_user_addresses(name: Name, sym_re: Name) -> set[int]:
        """Addresses of the functions that `get_user_functions_and_addresses` gives."""
        return {address for _, address in userplaces.functions_and_addresses(name, sym_re)}

    @staticmethod
    def sym(
        addr: int | bpf_stack_build_id,
        pid: int,
        show_module: bool = False,
        show_offset: bool = False,
        demangle: bool = True,
    ) -> bytes:
        """See `symcaches.sym`."""
        return symcaches.sym(addr, pid, show_module, show_offset, demangle)

    @staticmethod
    def ksym(addr: int, show_module: bool = False, show_offset: bool = False) -> bytes:
        """See `symcaches.ksym`."""
        return symcaches.ksym(addr, show_module, show_offset)

    @staticmethod
    def ksymname(name: Name) -> int:
        """See `symcaches.ksymname`."""
        return symcaches.ksymname(name)

    @staticmethod
    def add_module(modname: Name) -> int:
        """See `symcaches.add_module`."""
        return symcaches.add_module(modname)

    # ------------------------------------------------------------ sockets, cards, cgroups

    @staticmethod
    def attach_raw_socket(fn: object, dev: Name) -> None:
        """See `network.attach_raw_socket`."""
        network.attach_raw_socket(fn, dev)

    @staticmethod
    def attach_func(fn: object, attachable_fd: int, attach_type: int, flags: int = 0) -> None:
        """See `network.attach_func`."""
        network.attach_func(fn, attachable_fd, attach_type, flags)

    @staticmethod
    def detach_func(fn: object, attachable_fd: int, attach_type: int) -> None:
        """See `network.detach_func`."""
        network.detach_func(fn, attachable_fd, attach_type)

    @staticmethod
    def attach_xdp(dev: Name, fn: object, flags: int = 0) -> None:
        """See `network.attach_xdp`."""
        network.attach_xdp(dev, fn, flags)

    @staticmethod
    def remove_xdp(dev: Name, flags: int = 0) -> None:
        """See `network.remove_xdp`."""
        network.remove_xdp(dev, flags)
