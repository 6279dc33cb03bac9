"""`./dev bcc-tools`: Debian's bpfcc-tools in a VM, under the drop-in, under the real bcc, or under both at once."""

from __future__ import annotations

import argparse
import shlex
import sys

from vmtest import cli

PACKAGES = (
    *("bpfcc-tools", "python3-netaddr", "btrfs-progs", "xfsprogs", "e2fsprogs", "ncurses-base"),
)


def main() -> int:
    """Boot a kernel and run the tour or the twins in it."""
    form = argparse.ArgumentParser(prog="./dev bcc-tools", description=__doc__)
    form.add_argument("--kernel", default="6.1", help="default %(default)s")
    form.add_argument("--bcc", action="store_true", help="the real bcc instead of the drop-in")
    form.add_argument("--twins", action="store_true", help="both at once, compared row by row")
    form.add_argument("--timeout", type=int, default=5400, help="seconds for all of it")
    form.add_argument("words", nargs="*", help="tools, or options of `python -m bcctools`")
    given, rest = form.parse_known_args()
    module = "bcctools.twins" if given.twins else "bcctools"
    result = "/tmp/twins.jsonl" if given.twins else "/tmp/tour.jsonl"  # noqa: S108
    words = [*(["--bcc"] if given.bcc else []), *rest, *given.words]
    command = f"ldconfig; {shlex.join(['python3', '-m', module, *words])}"
    arguments = [f"--kernel={given.kernel}", "--headers", f"--timeout={given.timeout}"]
    arguments += [f"--package={name}" for name in PACKAGES]
    return cli.main([*arguments, f"--fetch={result}", f"--shell={command}"])


if __name__ == "__main__":
    sys.exit(main())
