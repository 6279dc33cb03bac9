"""The command line of the harness: `./dev vm`."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import shutil
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from vmtest import kernels, matrix, results, rootfs, session
from vmtest.host import PROJECT, HarnessError, end_on_signals, find_tool, say
from vmtest.machine import Invocation, MachineDied
from vmtest.suite import Limits, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

GUEST_TOOLS = ("pytest", "hypothesis")
ARTIFACTS = PROJECT / "build" / "vm"
EPILOG = """\
Without --shell, the tests marked `kernel` below tests/kernel run on each kernel (default: 5.10, 6.1, 6.12 and the newest that the
mirror has); further arguments go to pytest. Consoles and results are kept in build/vm.
examples:
  ./dev vm --kernel 6.12 --shell 'uname -r; syscast doctor'
  ./dev vm --kernel 5.10 -k listen -x
  ./dev vm --kernel newest --no-llvm --shell 'syscast run probe.bpf.o'
"""


def pins() -> dict[str, str]:
    """Version of each Python package the guest needs, as this environment has them: run dependencies and test tools."""
    table = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    todo = [*table["project"]["dependencies"], *GUEST_TOOLS]
    found: dict[str, str] = {}
    while todo:
        requirement = todo.pop()
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
        if name in found or "extra ==" in requirement:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a marker leaves it out on this platform
        found[name] = distribution.version
        todo += distribution.requires or []
    if not {"numpy", "pytest", "llvmlite"} <= set(found):
        raise HarnessError("this is not the project's virtual environment (run it by ./dev vm)")
    return found


def parser() -> argparse.ArgumentParser:
    """The options of `./dev vm`; what it does not know goes to pytest."""
    form = argparse.ArgumentParser(
        prog="./dev vm",
        description="Run commands or the kernel tests in virtual machines with real kernels.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = form.add_argument
    add(
        "--kernel",
        action="append",
        default=[],
        metavar="NAME",
        help="5.10, 6.1, ..., newest, or the path of a kernel; repeatable",
    )
    add(
        "--shell",
        metavar="COMMAND",
        help="run this in the guest's checkout instead of the tests; its exit code is returned",
    )
    add(
        "--user",
        type=int,
        metavar="UID",
        help="with --shell: run as this user (1000 exists) instead of root",
    )
    add(
        "--fetch",
        action="append",
        default=[],
        metavar="FILE",
        help="with --shell: afterwards bring this file of the guest to build/vm",
    )
    add(
        "--timeout",
        type=float,
        default=1500.0,
        metavar="SECONDS",
        help="for a whole kernel or shell command (default %(default).0f)",
    )
    add(
        "--total",
        type=float,
        default=6000.0,
        metavar="SECONDS",
        help="for all kernels together (default %(default).0f)",
    )
    add(
        "--test-timeout",
        type=float,
        default=240.0,
        metavar="SECONDS",
        help="for one test (default %(default).0f)",
    )
    add("--jobs", type=int, default=1, metavar="N", help="kernels at the same time (default 1)")
    add("--cpus", type=int, default=2, metavar="N", help="processors of a VM (default 2)")
    add("--memory", type=int, default=2048, metavar="MIB", help="memory of a VM (default 2048)")
    add(
        "--accel",
        choices=("auto", "tcg", "kvm"),
        default="auto",
        help="auto tries KVM once and remembers whether guests live",
    )
    add(
        "--package",
        action="append",
        default=[],
        metavar="NAME",
        help="a further Debian package in the guest; repeatable",
    )
    add(
        "--headers",
        action="store_true",
        help="install the kernel's headers in the guest (bcc needs them)",
    )
    add("--no-llvm", action="store_true", help="hide llvmlite from the guest's Python")
    add("--no-seed", action="store_true", help="start with empty compile caches and keep nothing")
    return form


def shell(name: str, options: session.Options, arguments: argparse.Namespace) -> int:
    """Run one command in one VM, its output passed through; returns its exit code."""
    kernel = kernels.get(name)
    shutil.rmtree(ARTIFACTS / "shell", ignore_errors=True)
    with session.booted(
        kernel, options, console_log=ARTIFACTS / "shell" / "console.log"
    ) as machine:
        done = machine.run(
            Invocation(["/bin/bash", "-c", arguments.shell], uid=arguments.user),
            timeout=arguments.timeout,
            listener=_write_all,
        )
        for trouble in machine.watcher.troubles:
            say(f"kernel log: {trouble.line}")
        for path in arguments.fetch:
            target = ARTIFACTS / "shell" / Path(path).name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(machine.get(path))
            say(f"fetched {target.relative_to(PROJECT)}")
        if options.seeded:
            session.keep_cache(machine, kernel)
    if done.timed_out:
        say(f"the command was ended after {arguments.timeout:.0f} s")
        return 124
    code = done.code if done.code is not None else 1
    return 128 - code if code < 0 else code


def _write_all(stream: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(stream, view) :]


def pytest_arguments(rest: Sequence[str]) -> list[str]:
    """Arguments of pytest in the guest: the kernel tests, unless the caller names files."""
    named = any(
        (PROJECT / word.split("::")[0]).exists() for word in rest if not word.startswith("-")
    )
    return ["-m", "kernel", *rest, *([] if named else ["tests/kernel"])]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `./dev vm`. Returns the exit code: of the command, or 1 when a test failed, 2 when the harness cannot work."""
    form = parser()
    arguments, rest = form.parse_known_args(argv)
    if arguments.shell is None and (arguments.user is not None or arguments.fetch):
        form.error("--user and --fetch go with --shell")
    if arguments.shell is not None and rest:
        form.error(f"unknown arguments: {' '.join(rest)}")
    end_on_signals()
    try:
        return _main(arguments, [word for word in rest if word != "--"])
    except HarnessError as error:
        print(f"./dev vm: {error}", file=sys.stderr)
        return 2
    except MachineDied as died:
        print(f"./dev vm: the virtual machine died: {died}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


def make_options(arguments: argparse.Namespace) -> session.Options:
    """VM options out of the command line; builds the guest image when it is missing."""
    if find_tool("apt-get") is None:
        raise HarnessError(
            "this is no Debian machine, so that the guest image cannot be built (run it on Debian or in a Debian container)"
        )
    image = rootfs.get(rootfs.recipe(pins(), arguments.package))
    return session.Options(
        image,
        cpus=arguments.cpus,
        memory=arguments.memory,
        accel=arguments.accel,
        seeded=not arguments.no_seed,
        headers=arguments.headers,
        llvm=not arguments.no_llvm,
    )


def _main(arguments: argparse.Namespace, rest: Sequence[str]) -> int:
    options = make_options(arguments)
    if arguments.shell is not None:
        worst = 0
        for name in arguments.kernel or ["6.12"]:
            worst = shell(name, options, arguments) or worst
        return worst
    began = time.monotonic()
    reports = run_matrix(arguments, options, rest)
    matrix.print_reports(reports)
    counts = results.total(report.progress.counts() for report in reports)
    print(results.closing_line(counts, time.monotonic() - began))
    return 1 if matrix.failed(reports) else 0


def run_matrix(
    arguments: argparse.Namespace, options: session.Options, rest: Sequence[str]
) -> list[Report]:
    """Run the kernel tests on the kernels asked for, or on all of CI."""
    plan = matrix.Plan(
        arguments.kernel or kernels.MATRIX,
        pytest_arguments(rest),
        arguments.jobs,
        Limits(arguments.test_timeout, arguments.timeout, arguments.total),
        ARTIFACTS,
    )
    return matrix.run(plan, options)
