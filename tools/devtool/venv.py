"""The checkout's virtual environment: made on first use, brought up to date when pyproject.toml changes.

A stamp per level holds the pyproject.toml that was installed; comparing it costs nothing, so that `./dev syscast` starts at once. Levels:
`run` is the package with what it needs to run, `dev` adds the tools and upgrades pip (dependency groups need pip 25.1).
"""

from __future__ import annotations

import fcntl
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def ensure(root: str, level: str) -> None:
    """Make .venv fit for a level. Ends the process with a message when that fails."""
    wanted = _read(f"{root}/pyproject.toml")
    # The dev level includes the run level.
    stamps = [f"{root}/.venv/.installed-dev"] + (
        [f"{root}/.venv/.installed-run"] if level == "run" else []
    )
    if any(_read(stamp) == wanted for stamp in stamps) and os.access(
        f"{root}/.venv/bin/python", os.X_OK
    ):
        return
    os.makedirs(f"{root}/build", exist_ok=True)  # noqa: PTH103
    with open(f"{root}/build/venv.lock", "w") as lock:  # noqa: PTH123  # pathlib costs start-up time
        fcntl.flock(lock, fcntl.LOCK_EX)
        if any(_read(stamp) == wanted for stamp in stamps):
            return
        _install(root, level)
        with open(f"{root}/.venv/.installed-{level}", "wb") as stamp:  # noqa: PTH123
            stamp.write(wanted)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as handle:  # noqa: PTH123
            return handle.read()
    except OSError:
        return b""


def _run(argv: Sequence[str], root: str, problem: str) -> None:
    import subprocess  # noqa: PLC0415  # costs start-up time, needed on first use only

    done = subprocess.run(argv, cwd=root, check=False, stdout=sys.stderr)
    if done.returncode != 0:
        sys.exit(f"./dev: {problem} (the lines above say why)")


def _install(root: str, level: str) -> None:
    python = f"{root}/.venv/bin/python"
    if not os.access(python, os.X_OK) or not os.access(f"{root}/.venv/bin/pip", os.X_OK):
        _need_ensurepip(root)
        print("./dev: making the virtual environment .venv (once)", file=sys.stderr)
        _run(
            [sys.executable, "-m", "venv", "--clear", f"{root}/.venv"],
            root,
            "virtual environment '.venv': create: failed",
        )
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    what = (
        "the package and its run dependencies"
        if level == "run"
        else "the package and the development tools"
    )
    print(f"./dev: installing {what} into .venv", file=sys.stderr)
    if level == "dev":
        _run([*pip, "--upgrade", "pip>=25.1"], root, "pip: upgrade: failed")
        _run(
            [*pip, "--editable", ".", "--group", "dev"], root, "package 'syscast': install: failed"
        )
    else:
        _run([*pip, "--editable", "."], root, "package 'syscast': install: failed")


def _need_ensurepip(root: str) -> None:
    """Debian ships venv's other half in a package of its own; install it when that can be done without a question."""
    import importlib.util  # noqa: PLC0415
    import shutil  # noqa: PLC0415

    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python3.{sys.version_info.minor}-venv"
    apt = shutil.which("apt-get")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if apt is None or (prefix and shutil.which("sudo") is None):
        sys.exit(f"./dev: this python has no ensurepip (install the package {package} as root)")
    print(f"./dev: installing {package}", file=sys.stderr)
    apt_get = [
        *prefix,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        apt,
        "-q",
        "-o",
        "DPkg::Lock::Timeout=300",
    ]
    cure = f"package '{package}': install: failed (install it as root, then run this again)"
    _run([*apt_get, "update"], root, cure)
    _run([*apt_get, "install", "-y", "--no-install-recommends", package], root, cure)
