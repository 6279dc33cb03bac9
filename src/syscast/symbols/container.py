r"""Whose process is it: the container or systemd unit that a cgroup path tells.

Container engines put their ids into the names of cgroups, each in its own way; those ways are
the table below. systemd's escapes (``\x2d``) are undone for names.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SHORT = 12
_ID = r"(?P<id>[0-9a-f]{64})"

# The innermost component that matches wins; of its patterns the first. The kind is a group's
# name where the engine is part of the match.
_SCOPES = (
    ("docker", re.compile(rf"docker-{_ID}\.scope")),
    ("podman", re.compile(rf"libpod-{_ID}(?:\.scope)?")),
    ("cri-o", re.compile(rf"crio-{_ID}(?:\.scope)?")),
    ("containerd", re.compile(rf"(?:cri-containerd|nerdctl|containerd)-{_ID}\.scope")),
    ("lxc", re.compile(r"lxc\.payload\.(?P<name>.+)")),
    ("systemd-nspawn", re.compile(r"systemd-nspawn@(?P<name>.+)\.service")),
    ("qemu", re.compile(r"machine-qemu(?:\\x2d|-)\d+(?:\\x2d|-)(?P<name>.+)\.scope")),
    ("lxc", re.compile(r"machine-lxc(?:\\x2d|-)\d+(?:\\x2d|-)(?P<name>.+)\.scope")),
    ("systemd-nspawn", re.compile(r"machine-(?P<name>.+)\.scope")),
)
# Those that need the component above, which says the engine.
_PARENTS = {
    "docker": "docker",
    "libpod_parent": "podman",
    "k8s.io": "containerd",
    "default": "containerd",
    "moby": "docker",
    "lxc": "lxc",
    "lxc.payload": "lxc",
    "ecs": "docker",
}
_PLAIN_ID = re.compile(_ID)
_POD = re.compile(r"pod(?P<pod>[0-9a-f]{8}[-_][0-9a-f_-]{27}|[0-9a-f]{32})(?:\.slice)?$")
_USER = re.compile(r"user-(?P<uid>\d+)\.slice")
_UNIT = re.compile(r".+\.(?:service|scope|socket|mount|swap)")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


class Container(NamedTuple):
    """One container.

    Attributes:
        kind: ``docker``, ``podman``, ``containerd``, ``cri-o``, ``kubernetes``, ``lxc``,
            ``systemd-nspawn``, ``qemu``, or ``container`` where only an id is there.
        id: The engine's first 12 digits, or the container's name where it has no id.
        pod: Unique id of the Kubernetes pod, or empty.
    """

    kind: str
    id: str
    pod: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Owner(NamedTuple):
    """What a cgroup path tells.

    Attributes:
        container: The innermost container, or None.
        unit: The innermost systemd unit, such as ``nginx.service`` or ``session-3.scope``.
        uid: Of the user whose session or service manager it belongs to.
    """

    container: Container | None = None
    unit: str | None = None
    uid: int | None = None

    def __str__(self) -> str:
        if self.container is not None:
            return str(self.container)
        return self.unit or ""


def owner(path: str) -> Owner:
    """Read a cgroup path, such as ``/system.slice/nginx.service``; never fails."""
    parts = [part for part in path.split("/") if part and part != ".."]
    user = next((found for found in map(_USER.fullmatch, parts) if found), None)
    units = [part for part in parts if _UNIT.fullmatch(part) and not part.startswith("user@")]
    container = container_of(parts)
    unit = _unescaped(units[-1]) if units else None
    return Owner(container, unit, int(user["uid"]) if user else None)


def container_of(parts: list[str]) -> Container | None:
    """The innermost container among the components of a path."""
    pod = next((found["pod"] for found in map(_POD.search, parts) if found), "").replace("_", "-")
    for index in reversed(range(len(parts))):
        above = parts[index - 1] if index else ""
        found = _component(parts[index], above)
        if found is not None:
            kubernetes = bool(pod) or any(part.startswith("kubepods") for part in parts)
            return Container("kubernetes", found.id, pod) if kubernetes else found
    return None


def _component(part: str, above: str) -> Container | None:
    for kind, pattern in _SCOPES:
        found = pattern.fullmatch(part)
        if found is not None:
            groups = found.groupdict()
            text = groups.get("id")
            return Container(kind, text[:_SHORT] if text else _unescaped(groups["name"]))
    plain = _PLAIN_ID.fullmatch(part)
    if plain is not None:
        return Container(_PARENTS.get(above, "container"), plain["id"][:_SHORT])
    if above in {"lxc", "lxc.payload"}:
        return Container("lxc", part)
    return None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
