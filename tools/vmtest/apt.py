"""Debian packages without touching the system: a private apt root made from the machine's own sources.

The mirror, its components and the key that signs it are taken from the installed sources; only the suites change. The
private root has its own lists, cache and empty dpkg status, so that `apt-get download` and a download-only install work as any
user and leave the machine as it was.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmtest.host import HarnessError, find_tool, require_tool, run, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RELEASES = frozenset(
    [
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "sid",
        "oldoldstable",
        "oldstable",
        "stable",
        "testing",
        "unstable",
    ],
)


@dataclass(frozen=True, slots=True)
class Source:
    """One archive of an apt sources file.

    Attributes:
        uri: base of the archive.
        suites: names such as bookworm or bookworm-updates.
        components: names such as main.
        signed_by: key file path, embedded key block (lines), or empty for apt's own trusted keys.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def parse_sources(text: str, *, deb822: bool) -> list[Source]:
    """Read the enabled binary archives of one sources file, in the deb822 or in the one-line form."""
    return list(_parse_deb822(text) if deb822 else _parse_lines(text))


def _parse_lines(text: str) -> Iterable[Source]:
    line_form = re.compile(
        r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>[^#]*)"
    )
    for line in text.splitlines():
        found = line_form.match(line.strip())
        if found is None:
            continue
        options = dict(
            word.split("=", 1) for word in (found["options"] or "").split() if "=" in word
        )
        yield Source(
            found["uri"],
            (found["suite"],),
            tuple(found["components"].split()),
            options.get("signed-by", ""),
        )


def _stanzas(text: str) -> Iterable[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0].isspace():
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
        else:
            head, _, value = line.partition(":")
            name = head.strip().lower()
            fields[name] = value.strip()


def _parse_deb822(text: str) -> Iterable[Source]:
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get(
            "enabled", "yes"
        ).lower() in {"no", "false", "0"}:
            continue
        for uri in fields.get("uris", "").split():
            yield Source(
                uri,
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by", ""),
            )


def installed_sources(root: Path = Path("/etc/apt")) -> list[Source]:
    """All enabled archives of this machine, in apt's reading order."""
    found: list[Source] = []
    files = [root / "sources.list", *sorted((root / "sources.list.d").glob("*"))]
    for path in files:
        if path.suffix in {".list", ".sources"} and path.is_file():
            found += parse_sources(
                path.read_text(errors="replace"), deb822=path.suffix == ".sources"
            )
    return found


def choose_mirror(sources: Sequence[Source]) -> Source:
    """The archive that serves Debian's main releases. Raises HarnessError when there is none."""
    for source in sources:
        if "main" in source.components and RELEASES.intersection(source.suites):
            return source
    raise HarnessError(
        "no Debian mirror in this machine's apt sources (give a kernel with --kernel PATH; "
        "the guest image needs a Debian mirror)",
    )


def sources_text(mirror: Source, suites: Sequence[str], architecture: str) -> str:
    """The deb822 text of a private root: the mirror with other suites."""
    signed_by = mirror.signed_by or (str(KEYRING) if KEYRING.exists() else "")
    lines = [
        "Types: deb",
        f"URIs: {mirror.uri}",
        f"Suites: {' '.join(suites)}",
        "Components: main",
        f"Architectures: {architecture}",
    ]
    if "\n" in signed_by:
        lines += ["Signed-By:", *(f" {line or '.'}" for line in signed_by.strip().splitlines())]
    elif signed_by:
        lines.append(f"Signed-By: {signed_by}")
    return "\n".join(lines) + "\n"


@functools.cache
def architecture() -> str:
    """Debian's name of this machine's architecture."""
    return run([require_tool("dpkg"), "--print-architecture"], timeout=20).strip()


class AptRoot:
    """A private apt: own lists, cache and empty dpkg status below one directory."""

    def __init__(self, directory: Path, suites: Sequence[str]) -> None:
        self.directory = directory
        self.suites = tuple(suites)
        self.archives = directory / "archives"

    def _write(self) -> None:
        for name in ("lists/partial", "archives/partial", "etc"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        mirror = choose_mirror(installed_sources())
        (self.directory / "etc" / "private.sources").write_text(
            sources_text(mirror, self.suites, architecture())
        )
        user = 'APT::Sandbox::User "root";' if os.geteuid() == 0 else ""
        here = self.directory
        (here / "apt.conf").write_text(f"""
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{here}/etc";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{here}";
Dir::State::lists "{here}/lists";
Dir::State::status "{here}/status";
Dir::Cache "{here}";
Dir::Cache::archives "{here}/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Get::List-Cleanup "true";
Debug::NoLocking "true";
{user}
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
""")

    def _apt(
        self, tool: str, arguments: Sequence[str], *, timeout: float, cwd: Path | None = None
    ) -> str:
        if find_tool(tool) is None:
            raise HarnessError(
                f"command '{tool}': not found (kernels come from a Debian mirror; give one with --kernel PATH)"
            )
        return run(
            [tool, "-q", "-c", self.directory / "apt.conf", *arguments], timeout=timeout, cwd=cwd
        )

    def update(self) -> None:
        """Fetch the package lists. A suite that the mirror does not serve is left out, with a line about it."""
        self._write()
        try:
            self._apt("apt-get", ["update"], timeout=600)
        except HarnessError as error:
            say(f"package lists: {error}")
            if not any((self.directory / "lists").glob("*_Packages*")):
                raise

    def packages(self, pattern: str) -> list[str]:
        """Names of all packages that match a regular expression, in no order."""
        text = self._apt("apt-cache", ["pkgnames"], timeout=60)
        form = re.compile(pattern)
        return [name for name in text.split() if form.fullmatch(name)]

    def download(self, names: Sequence[str], into: Path) -> list[Path]:
        """Download packages without their dependencies; returns the .deb files."""
        into.mkdir(parents=True, exist_ok=True)
        self._apt("apt-get", ["download", *names], timeout=900, cwd=into)
        return sorted(into.glob("*.deb"))

    def download_closure(self, names: Sequence[str]) -> list[Path]:
        """Download packages with all they depend on (no recommends); returns the .deb files."""
        for old in self.archives.glob("*.deb"):
            old.unlink()
        self._apt(
            "apt-get",
            ["install", "-y", "--download-only", "--no-install-recommends", *names],
            timeout=1200,
        )
        return sorted(self.archives.glob("*.deb"))


def extract(package: Path, tree: Path) -> None:
    """Unpack one .deb into a tree, following the tree's own directory links (merged /usr). No script of it runs."""
    tree.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as unpack:
        done = subprocess.run(
            ["tar", "--keep-directory-symlink", "--no-same-owner", "-xf", "-", "-C", str(tree)],
            check=False,
            stdin=unpack.stdout,
            capture_output=True,
            text=True,
            timeout=300,
        )
    if done.returncode != 0 or unpack.returncode != 0:
        raise HarnessError(f"package '{package.name}': unpack: {done.stderr.strip()[-400:]}")
