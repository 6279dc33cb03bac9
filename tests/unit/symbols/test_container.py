from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.symbols.container import Container, Owner, owner

ID = "0123456789abcdef" * 4
POD = "8b0b2a3c-1d2e-4f50-9a6b-7c8d9e0f1a2b"
UNDERSCORED = POD.replace("-", "_")


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        (f"/docker/{ID}", "docker", ID[:12]),
        (f"/system.slice/docker-{ID}.scope", "docker", ID[:12]),
        (f"/system.slice/docker-{ID}.scope/init.scope", "docker", ID[:12]),
        (f"/machine.slice/libpod-{ID}.scope/container", "podman", ID[:12]),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", "podman", ID[:12]),
        (f"/libpod_parent/libpod-{ID}", "podman", ID[:12]),
        (f"/system.slice/nerdctl-{ID}.scope", "containerd", ID[:12]),
        (f"/default/{ID}", "containerd", ID[:12]),
        (f"/k8s.io/{ID}", "containerd", ID[:12]),
        (f"/some/engine/{ID}", "container", ID[:12]),
        ("/lxc/web", "lxc", "web"),
        ("/lxc.payload.web/system.slice/nginx.service", "lxc", "web"),
        (r"/machine.slice/machine-my\x2dbox.scope/payload", "systemd-nspawn", "my-box"),
        ("/machine.slice/systemd-nspawn@box.service/payload", "systemd-nspawn", "box"),
        (r"/machine.slice/machine-qemu\x2d3\x2ddebian12.scope/libvirt/emulator", "qemu", "debian12"),
        (f"/../../docker/{ID}", "docker", ID[:12]),
        (f"/docker/{'f' * 64}/docker/{ID}", "docker", ID[:12]),
    ],
)  # fmt: skip
def test_engines(path: str, kind: str, name: str) -> None:
    container = owner(path).container
    assert container is not None
    assert (container.kind, container.id) == (kind, name)
    assert str(owner(path)) == f"{kind}:{name}"


@pytest.mark.parametrize(
    "path",
    [
        f"/kubepods/burstable/pod{POD}/{ID}",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UNDERSCORED}.slice/cri-containerd-{ID}.scope",
        f"/kubepods.slice/kubepods-pod{UNDERSCORED}.slice/crio-{ID}.scope",
        f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UNDERSCORED}.slice/docker-{ID}.scope",
    ],
)  # fmt: skip
def test_kubernetes(path: str) -> None:
    assert owner(path).container == Container("kubernetes", ID[:12], POD)


@pytest.mark.parametrize(
    ("path", "unit", "uid"),
    [
        ("/system.slice/nginx.service", "nginx.service", None),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", None),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", 1000),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-12.scope", "app-firefox-12.scope", 1000),
        (r"/system.slice/dev-disk-by\x2duuid-1.swap", "dev-disk-by-uuid-1.swap", None),
        ("/system.slice/containerd.service/delegated", "containerd.service", None),
        ("/init.scope", "init.scope", None),
        ("/", None, None),
        ("", None, None),
        ("/user.slice", None, None),
        ("/process_api/fa343ae7d0cf1c5e11a9874a3458c10e", None, None),
    ],
)  # fmt: skip
def test_units(path: str, unit: str | None, uid: int | None) -> None:
    assert owner(path) == Owner(None, unit, uid)
    assert str(owner(path)) == (unit or "")


def test_a_container_inside_a_service_names_both() -> None:
    found = owner(f"/system.slice/docker-{ID}.scope/system.slice/nginx.service")
    assert found.unit == "nginx.service"
    assert found.container == Container("docker", ID[:12])


def test_helpers_of_engines_are_no_containers() -> None:
    assert owner(f"/machine.slice/libpod-conmon-{ID}.scope").container is None
    assert owner("/lxc.monitor.web").container is None


@given(st.text())
def test_any_path_has_an_answer(path: str) -> None:
    str(owner(path))
