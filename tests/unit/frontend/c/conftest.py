"""Kernels to compile C for in tests: types made by hand, or those of the machine that runs the tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pycparser import c_ast

from syscast.btf import source
from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.frontend.c.btftypes import KernelTypes
from syscast.frontend.c.declare import Declarations
from syscast.frontend.c.names import Names
from syscast.frontend.c.parse import parse
from syscast.frontend.c.preprocess import preprocess
from syscast.frontend.c.types import TypeProblem

if TYPE_CHECKING:
    from collections.abc import Mapping


RUNNING = Path("/sys/kernel/btf/vmlinux")


@dataclass
class Kernel:
    """A `Surroundings` that says what a test wants."""

    btf: Btf
    arch: str = "x86_64"
    config: Mapping[str, str] | None = None
    version_code: int = 6 << 16
    possible_cpus: int = 4
    page_size: int = 4096
    modules: dict[tuple[str, str], Btf] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    lacking: frozenset[str] = frozenset({"trace_vprintk"})

    def module_with(self, name: str, kind: str) -> Btf | None:
        self.asked.append((name, kind))
        return self.modules.get((name, kind))

    def has_helper(self, name: str) -> bool:
        return name not in self.lacking

    def syscall_wrapper(self) -> bool:
        return True

    def tracepoint_format(self, category: str, event: str) -> str | None:
        del category, event
        return None

    def include(self, name: str, directory: str) -> tuple[str, bytes] | None:
        del directory
        content = self.files.get(name)
        return None if content is None else (name, content)


@pytest.fixture
def make_kernel():
    """`Kernel(btf, ...)`, for tests that make their own types."""
    return Kernel


@pytest.fixture
def running_kernel():
    """The kernel of this machine; skips the test where it has no BTF."""
    if not RUNNING.exists():
        pytest.skip("this kernel has no BTF")
    return Kernel(source.kernel())


class NoConstants:
    """No names of kernel headers."""

    def constant(self, name):
        del name

    def constant_names(self):
        return iter(())


class Text:
    """A text whose declarations were taken in; functions and variables are only typed."""

    def __init__(self, text, kernel, constants=None):
        self.kernel = kernel
        self.text = text
        self.names = Names(KernelTypes(kernel), constants or NoConstants())
        self.problems = []
        self.declarations = Declarations(
            self.names, kernel.arch, self.fail, type_of=self.type_of_expression
        )
        self.types = {}
        preprocessed = preprocess(text, "/virtual/main.c", kernel)
        for node in parse(preprocessed, self.names.is_type).ext:
            self.take(node)

    def take(self, node):
        if isinstance(node, c_ast.Typedef):
            self.declarations.typedef(node)
        elif isinstance(node, c_ast.Decl) and node.name is None:
            self.declarations.tag(node)
        elif isinstance(node, c_ast.Decl):
            self.types[node.name] = self.declarations.of(node)
            if node.init is not None:
                self.value = self.declarations.constants.integer(node.init, "a value")

    def expression(self, text):
        """The node of an expression; types in it must be the kernel's or C's own."""
        tree = parse(
            preprocess(f"{self.text} int x = ({text});", "/virtual/main.c", self.kernel),
            self.names.is_type,
        )
        return tree.ext[-1].init

    def fail(self, node, message, hint=""):
        del node
        raise TypeProblem(message, hint)

    def type_of_expression(self, node):
        if isinstance(node, c_ast.ID):
            return self.types[node.name]
        found = self.declarations.constants.value(node)
        assert found is not None
        return found.type


EMPTY = Btf.from_bytes(BtfBuilder().encode())


@pytest.fixture
def declare():
    """`declare(text, kernel=...)`: the text's declarations, by default for a kernel without types."""

    def make(text, kernel=None, constants=None):
        return Text(text, kernel or Kernel(EMPTY), constants)

    return make


@pytest.fixture
def empty_kernel():
    """A kernel without types and without bpf_trace_vprintk."""
    return Kernel(EMPTY)
