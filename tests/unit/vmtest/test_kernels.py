"""Which kernel a short name means."""

import pytest

from vmtest import kernels
from vmtest.host import HarnessError

RELEASES = [
    "5.10.0-30-cloud-amd64",
    "5.10.0-32-cloud-amd64",
    "6.1.0-9-cloud-amd64",
    "6.1.0-50-cloud-amd64",
    "6.12.95+deb12-cloud-amd64",
    "6.12.107+deb13-cloud-amd64",
    "6.12.90+deb12.1-cloud-amd64",
    "7.2.13+deb14-cloud-amd64",
    "7.3.4+deb13-cloud-amd64",
    "6.16.3+deb13-cloud-amd64",
]


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("5.10", "5.10.0-32-cloud-amd64"),
        ("6.1", "6.1.0-50-cloud-amd64"),  # neither 6.12 nor 6.16
        ("6.12", "6.12.107+deb13-cloud-amd64"),
        ("6.12.90", "6.12.90+deb12.1-cloud-amd64"),
        ("newest", "7.3.4+deb13-cloud-amd64"),
    ],
)
def test_choose(name, best):
    assert kernels.choose(RELEASES, name)[0] == best


def test_choose_nothing():
    assert kernels.choose(RELEASES, "4.19") == []


@pytest.mark.parametrize(
    ("package", "release"),
    [
        ("linux-image-6.1.0-50-cloud-amd64", "6.1.0-50-cloud-amd64"),
        ("linux-binary-7.3.4+deb13-cloud-amd64", "7.3.4+deb13-cloud-amd64"),
        ("linux-image-6.1.0-50-cloud-amd64-unsigned", None),
        ("linux-image-6.1.0-50-amd64", None),
        ("linux-image-cloud-amd64", None),
    ],
)
def test_package_names(package, release):
    found = kernels.PACKAGE.fullmatch(package)
    assert (found and found["release"]) == release


def test_unknown_name_is_refused():
    with pytest.raises(HarnessError, match="not a series"):
        kernels.get("stable")


def test_missing_path_is_refused(tmp_path):
    with pytest.raises(HarnessError, match="no such file"):
        kernels.get(str(tmp_path / "vmlinuz"))


def test_directory_with_modules(tmp_path):
    (tmp_path / "vmlinuz").touch()
    (tmp_path / "modules" / "6.6.1" / "kernel").mkdir(parents=True)
    kernel = kernels.get(str(tmp_path))
    assert kernel.boot == tmp_path / "vmlinuz"
    assert kernel.release == "6.6.1"
