"""Compiling for a guest on the host: what goes wrong there costs time only."""

from __future__ import annotations

import subprocess

from vmtest import precompile
from vmtest.kernels import Kernel


def kernel_at(path):
    return Kernel("6.1", "6.1.0", path, None, None)


def test_a_kernel_without_btf_is_told_in_one_line(tmp_path, capfd):
    image = tmp_path / "bzImage"
    image.write_bytes(b"MZ no ELF file")
    precompile.fill(kernel_at(image), tmp_path / "cache")
    said = capfd.readouterr()
    lines = (said.out + said.err).strip().splitlines()
    assert len(lines) == 1
    assert "it compiles by itself" in lines[0]


def test_a_compiler_that_hangs_is_given_up(tmp_path, monkeypatch, capfd):
    def late(command, **_):
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(precompile.subprocess, "run", late)
    precompile.fill(kernel_at(tmp_path / "vmlinux"), tmp_path / "cache")
    assert "took too long" in "".join(capfd.readouterr())
