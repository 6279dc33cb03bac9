"""Surroundings that remember what a text asked of them, so that a later start can ask the same again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from syscast.errors import SyscastError
from syscast.spec.digest import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.btf.lookup import Btf
    from syscast.frontend.c.surroundings import Surroundings


class Question(msgspec.Struct, frozen=True, array_like=True):
    """One question and a digest of its answer."""

    about: str
    words: tuple[str, ...]
    answer: bytes


class Asked:
    """Passes questions on, and keeps them.

    Attributes:
        questions: What was asked, each once.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._real = surroundings
        self._seen: dict[tuple[str, ...], Question] = {}

    @property
    def questions(self) -> tuple[Question, ...]:
        """What was asked, in order."""
        return tuple(self._seen.values())

    def _note(self, about: str, words: tuple[str, ...], answer: bytes | None) -> None:
        self._seen.setdefault(
            (about, *words), Question(about, words, b"" if answer is None else digest(answer))
        )

    @property
    def arch(self) -> str:
        """Part of the key itself; so with what follows."""
        return self._real.arch

    @property
    def btf(self) -> Btf:
        """Types of the kernel."""
        return self._real.btf

    @property
    def version_code(self) -> int:
        """``LINUX_VERSION_CODE``."""
        return self._real.version_code

    @property
    def possible_cpus(self) -> int:
        """CPUs that there can be."""
        return self._real.possible_cpus

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return self._real.page_size

    @property
    def config(self) -> Mapping[str, str] | None:
        """The kernel's configuration; each option that is looked at is a question."""
        config = self._real.config
        self._note("config", (), None if config is None else b"there")
        return None if config is None else _Options(self, config)

    def option(self, name: str, value: str | None) -> None:
        """An option of the configuration was looked at."""
        self._note("option", (name,), None if value is None else value.encode())

    def module_with(self, name: str, kind: str) -> Btf | None:
        """Types of the module that declares a name."""
        found = self._real.module_with(name, kind)
        self._note("module", (name, kind), None if found is None else found.key.encode())
        return found

    def has_helper(self, name: str) -> bool:
        """Whether the kernel has a helper; no question: the types, part of the key, say it."""
        return self._real.has_helper(name)

    def syscall_wrapper(self) -> bool:
        """Whether system calls get their arguments in a struct."""
        found = self._real.syscall_wrapper()
        self._note("wrapper", (), b"there" if found else None)
        return found

    def tracepoint_format(self, category: str, event: str) -> str | None:
        """Text of a tracepoint's format."""
        found = self._real.tracepoint_format(category, event)
        self._note("tracepoint", (category, event), None if found is None else found.encode())
        return found

    def include(self, name: str, directory: str) -> tuple[str, bytes] | None:
        """A file of the user's."""
        found = self._real.include(name, directory)
        whole = None if found is None else found[0].encode() + b"\0" + found[1]
        self._note("include", (name, directory), whole)
        return found


class _Options(Mapping[str, str]):
    def __init__(self, asked: Asked, config: Mapping[str, str]) -> None:
        self._asked = asked
        self._config = config

    def __getitem__(self, name: str) -> str:
        self._asked.option(name, self._config.get(name))
        return self._config[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._config)

    def __len__(self) -> int:
        return len(self._config)


def still_true(questions: tuple[Question, ...], surroundings: Surroundings) -> bool:
    """Whether the same questions have the same answers now."""
    again = Asked(surroundings)
    try:
        for each in questions:
            _ask(again, each)
    except (SyscastError, LookupError):
        return False
    return again.questions == questions


def _ask(asked: Asked, question: Question) -> None:
    words = question.words
    match question.about:
        case "config":
            _ = asked.config
        case "option":
            config = asked.config
            if config is not None:
                config.get(words[0])
        case "module":
            asked.module_with(words[0], words[1])
        case "wrapper":
            asked.syscall_wrapper()
        case "tracepoint":
            asked.tracepoint_format(words[0], words[1])
        case "include":
            asked.include(words[0], words[1])
        case _:
            raise LookupError(question.about)
