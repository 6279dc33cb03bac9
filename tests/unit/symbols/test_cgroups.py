from __future__ import annotations

import contextlib
import os
import pathlib
import time
from typing import TYPE_CHECKING

import pytest

from syscast.kernel import host
from syscast.symbols import cgroups
from syscast.symbols.cgroups import Cgroups
from syscast.symbols.container import Container, Owner

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "fedcba9876543210" * 4


def test_paths_by_inode(tmp_path: pathlib.Path) -> None:
    inner = tmp_path / "system.slice" / f"docker-{ID}.scope"
    inner.mkdir(parents=True)
    (tmp_path / "cgroup.procs").write_text("")
    found = Cgroups(str(tmp_path))
    assert found.path(tmp_path.stat().st_ino) == "/"
    number = inner.stat().st_ino
    assert found.path(number) == f"/system.slice/docker-{ID}.scope"
    assert found.owner(number).container == Container("docker", ID[:12])
    # What is gone keeps its name.
    inner.rmdir()
    assert found.path(number) == f"/system.slice/docker-{ID}.scope"


def test_new_ones_are_found_and_unknown_ones_are_not_sought_for_ever(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Cgroups(str(tmp_path))
    walks = []
    monkeypatch.setattr(found, "_walk", lambda: walks.append(1) or Cgroups._walk(found))
    assert found.path(1) is None
    late = tmp_path / "late.service"
    late.mkdir()
    time.sleep(0.06)
    assert found.path(late.stat().st_ino) == "/late.service"
    for _ in range(10):
        time.sleep(0.06)
        assert found.path(1) is None
    assert len(walks) == 4
    assert found.owner(late.stat().st_ino) == Owner(None, "late.service", None)


def test_without_a_hierarchy_the_process_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "mounts", lambda _kind: iter(()))
    monkeypatch.setattr(
        cgroups,
        "cgroup_paths",
        lambda _pid: {"": "/", "memory": f"/docker/{ID}", "name=systemd": "/init.scope"},
    )
    found = Cgroups()
    assert found.path(77) is None
    assert found.owner(77) == Owner()
    assert found.owner(77, pid=5).container == Container("docker", ID[:12])


def test_a_process_that_is_gone_has_no_owner() -> None:
    assert cgroups.owner_of_process(2**22 + 1) == Owner()


@pytest.fixture
def real_cgroup() -> Iterator[pathlib.Path]:
    root = next(host.mounts("cgroup2"), None)
    if root is None or os.geteuid() != 0:
        pytest.skip("needs root and cgroup2")
    path = pathlib.Path(root) / f"syscast-test-{os.getpid()}" / f"docker-{ID}.scope"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"cannot make a cgroup: {error}")
    yield path
    for made in (path, path.parent):
        with contextlib.suppress(OSError):
            made.rmdir()


def test_a_real_cgroup(real_cgroup: pathlib.Path) -> None:
    found = Cgroups()
    number = real_cgroup.stat().st_ino
    assert found.owner(number).container == Container("docker", ID[:12])
    path = found.path(number)
    assert path is not None
    assert path.endswith(f"/docker-{ID}.scope")
