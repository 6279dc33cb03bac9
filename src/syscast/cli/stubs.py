"""``syscast stubs``: what editors and type checkers need to know of the kernel's types."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syscast.btf.lookup import Btf

_HELP = """Write stubs of the kernel's structs, unions, enums and functions for editors and type checkers.

With them mypy, pyright and editors know `from syscast.kernel import socket`, complete
`sock.sk.skc_num`, and refuse members that the kernel does not have. Without -o they go into the
site-packages of this Python, where checkers find them by themselves.

\b
syscast stubs
syscast stubs -o typings                  pyright looks there; or copy it to another machine
syscast stubs --btf vmlinux -o typings    of another kernel, from its BTF or ELF file
"""

_PACKAGE = "syscast-stubs"
"""PEP 561: stubs of the package syscast; partial, since its own types stay what they are."""


@click.command("stubs", help=_HELP)
@click.option(
    "-o", "--output", metavar="DIR", help="Write DIR/syscast-stubs instead of site-packages."
)
@click.option("--btf", metavar="FILE", help="Another kernel's BTF: raw, or an ELF file with .BTF.")
def command(output: str | None, btf: str | None) -> int:
    """Run ``syscast stubs``."""
    import gc  # noqa: PLC0415  (once the options are right)

    from syscast.btf import source  # noqa: PLC0415
    from syscast.cli.messages import say  # noqa: PLC0415

    kernel = source.kernel() if btf is None else source.from_file(btf)
    types: list[Btf] = [kernel]
    if btf is None and kernel.name == "vmlinux":
        types += [source.module(each) for each in source.modules()]
    place = os.path.join(output or _site_packages(), _PACKAGE)  # noqa: PTH118  (pathlib costs 5 ms)
    # Half a million small records live until the end, so looking for garbage is time wasted.
    collecting = gc.isenabled()
    gc.disable()
    try:
        size = _write_all(place, types)
    finally:
        if collecting:
            gc.enable()
    say(f"wrote {place}, {size / 1e6:.1f} MB{_advice(output)}")
    return 0


def _write_all(place: str, types: Sequence[Btf]) -> int:
    """Write the package and return its size in bytes."""
    from syscast.btf import stubs  # noqa: PLC0415  (once the options are right)

    return (
        _write(place, "py.typed", ["partial\n"])
        + _write(place, "running.pyi", [stubs.RUNNING])
        + _write(place, "kernel/__init__.pyi", stubs.struct_stubs(types, _modules()))
        + _write(place, "kernel/functions.pyi", stubs.function_stubs(types))
    )


def _site_packages() -> str:
    import sysconfig  # noqa: PLC0415  (once the options are right)

    return sysconfig.get_path("purelib")


def _modules() -> frozenset[str]:
    """The names in ``syscast.kernel`` that are its own modules."""
    import pkgutil  # noqa: PLC0415  (once the options are right)

    from syscast import kernel  # noqa: PLC0415

    return frozenset(each.name for each in pkgutil.iter_modules(kernel.__path__))


def _advice(output: str | None) -> str:
    if output is None:
        return "; mypy and pyright with this Python find it"
    if os.path.normpath(output) == "typings":
        return "; pyright finds it here, mypy in site-packages only (leave out -o)"
    return "; pyright finds it by stubPath, mypy in site-packages only (leave out -o)"


def _write(place: str, name: str, pieces: Iterable[str]) -> int:
    """Write one file under its name at once, so that no checker reads half of it."""
    from syscast.errors import UsageError  # noqa: PLC0415  (once the options are right)

    path = os.path.join(place, name)  # noqa: PTH118  (pathlib costs 5 ms)
    new = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        try:
            with open(new, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.writelines(pieces)
            os.replace(new, path)  # noqa: PTH105
        except BaseException:
            _forget(new)
            raise
        return os.stat(path).st_size  # noqa: PTH116
    except OSError as error:
        cause = os.strerror(error.errno or 0).lower()
        raise UsageError(
            f"stubs '{path}': write: {cause} (choose a directory of yours with -o)"
        ) from None


def _forget(path: str) -> None:
    import contextlib  # noqa: PLC0415  (only when it fails)

    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108
