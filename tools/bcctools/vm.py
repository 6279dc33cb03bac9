"""`./dev bcc-tools`: Debian's bpfcc-tools in a VM, under the drop-in, under the real bcc, or under both at once."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from bcctools import corpus, record
from vmtest import apt, cli, rootfs
from vmtest.host import PROJECT, cache_dir, say

PACKAGES = (
    *("bpfcc-tools", "python3-netaddr", "btrfs-progs", "xfsprogs", "e2fsprogs", "ncurses-base"),
)


_CORPUS = "bcc-corpus.json"


def recorded() -> Path:
    """The C of all tools, recorded on this machine once and kept in the cache; the package comes from the mirror."""
    kept = cache_dir() / _CORPUS
    if not kept.exists():
        say("recording the C of bpfcc-tools, with many options each (minutes; once)")
        root = apt.AptRoot(cache_dir() / "apt-guest", (rootfs.SUITE,))
        root.update()
        with tempfile.TemporaryDirectory(prefix="bpfcc-") as work:
            tree = Path(work)
            for package in root.download(["bpfcc-tools"], tree / "packages"):
                apt.extract(package, tree)
            found = record.record_all(tree / "usr" / "sbin")
        kept.write_text(
            json.dumps(
                {
                    name: [
                        {"args": e.args, "facts": e.facts, "text": e.text, "cflags": e.cflags}
                        for e in texts
                    ]
                    for name, texts in found.items()
                }
            )
        )
    return kept


def _corpus(kernel: str, timeout: int, words: list[str]) -> int:
    """Compile and load the corpus in a VM, or on this machine for the kernel ``native``."""
    path = recorded()
    if kernel == "native":
        sys.argv = ["corpus", str(path), *words]
        return corpus.main()
    handed = PROJECT / _CORPUS  # a file that git does not ignore goes into the guest
    shutil.copyfile(path, handed)
    try:
        command = shlex.join(["python3", "-m", "bcctools.corpus", _CORPUS, *words])
        arguments = [f"--kernel={kernel}", f"--timeout={timeout}", f"--shell={command}"]
        return cli.main(arguments)
    finally:
        handed.unlink()


def main() -> int:
    """Boot a kernel and run the tour, the twins or the corpus in it."""
    form = argparse.ArgumentParser(prog="./dev bcc-tools", description=__doc__)
    form.add_argument("--kernel", default="6.1", help="default %(default)s")
    form.add_argument("--bcc", action="store_true", help="the real bcc instead of the drop-in")
    form.add_argument("--twins", action="store_true", help="both at once, compared row by row")
    form.add_argument(
        "--corpus",
        action="store_true",
        help="compile and load every tool's C with many options; --kernel native: here",
    )
    form.add_argument("--timeout", type=int, default=5400, help="seconds for all of it")
    form.add_argument("words", nargs="*", help="tools, or options of `python -m bcctools`")
    given, rest = form.parse_known_args()
    if given.corpus:
        return _corpus(given.kernel, given.timeout, [*rest, *given.words])
    module = "bcctools.twins" if given.twins else "bcctools"
    result = "/tmp/twins.jsonl" if given.twins else "/tmp/tour.jsonl"  # noqa: S108
    words = [*(["--bcc"] if given.bcc else []), *rest, *given.words]
    command = f"ldconfig; {shlex.join(['python3', '-m', module, *words])}"
    arguments = [f"--kernel={given.kernel}", "--headers", f"--timeout={given.timeout}"]
    arguments += [f"--package={name}" for name in PACKAGES]
    return cli.main([*arguments, f"--fetch={result}", f"--shell={command}"])


if __name__ == "__main__":
    sys.exit(main())
