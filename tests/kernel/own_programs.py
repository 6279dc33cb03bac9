"""Small C programs that a test builds and runs, and that wait for what the test tells them."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def built(directory, text, *flags):
    """Compile a program; skips where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source = directory / "own.c"
    source.write_text(text)
    program = directory / "own"
    subprocess.run([compiler, "-O1", *flags, "-o", str(program), str(source)], check=True)
    return program


class Told:
    """A running program that does one thing for each byte it reads, and writes the byte back."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self.process.pid

    def do(self, letters):
        """Let it do these things; they are done when this returns."""
        self.process.stdin.write(letters.encode())
        self.process.stdin.flush()
        assert self.process.stdout.read(len(letters)) == letters.encode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)
