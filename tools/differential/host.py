"""The second answer: the same LLVM IR as native code of this machine, in a child process.

The child (`host_child`) may die of what a wrong lowering does, such as a division by zero; that is an answer, too.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Self

from differential.kernel import WORDS, Answer, record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_CHILD = Path(__file__).with_name("host_child.py")
_DEBUG = re.compile(
    r",? !(?:dbg|llvm\.preserve\.access\.index) ![0-9]+| #[12]$|^![^\n]*\n", re.MULTILINE
)
_SECTION = re.compile(r',? section "[^"]*"')
_RELOCATED = re.compile(
    r'^(@"llvm\.[^:\n]*:\d+:(\d+)\$[^\n]*) = external global i64$', re.MULTILINE
)
_HELPER = re.compile(r"inttoptr \(i64 (\d+) to ptr\)")
_TARGET = re.compile(r"^target [^\n]*\n", re.MULTILINE)


class HostDiedError(Exception):
    """The child ended while it ran a probe."""


def native(text: str) -> str:
    """A module for BPF as one for this machine: helpers are functions, relocated numbers are what they were compiled as."""
    text = _TARGET.sub("", text)
    text = _SECTION.sub("", _DEBUG.sub("", text))
    text = _RELOCATED.sub(r"\1 = internal constant i64 \2", text)
    text = _HELPER.sub(r"@helper\1", text)
    text = text.replace("@llvm.bpf.passthrough.i64.i64", "@passthrough_i64")
    text = text.replace("@llvm.bpf.passthrough.p0.p0", "@passthrough_ptr")
    return re.sub(r"^declare [^\n]*@passthrough_[^\n]*\n", "", text, flags=re.MULTILINE)


class Host:
    """A running child. Close it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def run(
        self,
        text: str,
        runs: Sequence[tuple[str, Sequence[int], Sequence[Sequence[int]]]],
        texts: bytes = b"",
    ) -> list[list[Answer]]:
        """Compile a module and run functions of it.

        Args:
            text: LLVM IR for BPF.
            runs: Name of each function, which of its words are places in the texts, and the words of its context for
                each run.
            texts: Strings that words point to.

        Raises:
            HostDiedError: The child died, or refused the text.
        """
        request = [native(text).encode(), texts]
        for name, columns, rows in runs:
            words = b"".join(pack(f"<{WORDS}Q", *row, *[0] * (WORDS - len(row))) for row in rows)
            request += [name.encode(), bytes(columns), words]
        answer = self._ask(b"".join(len(part).to_bytes(4, "little") + part for part in request))
        found: list[list[Answer]] = []
        at = 0
        for _, _, rows in runs:
            answers = []
            for _ in rows:
                site, size = unpack_from("<II", answer, at)
                at += 8
                answers.append(Answer(site, _events(answer[at : at + size])))
                at += size
            found.append(answers)
        return found

    def _ask(self, request: bytes) -> bytes:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, str(_CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(len(request).to_bytes(4, "little") + request)
            child.stdin.flush()
        except BrokenPipeError:
            pass
        head = child.stdout.read(5)
        if len(head) < 5:
            code = self.close()
            raise HostDiedError(f"the native code ended its process: {code}")
        answer = child.stdout.read(int.from_bytes(head[1:], "little"))
        if head[0]:
            raise HostDiedError(answer.decode())
        return answer

    def close(self) -> int:
        """End the child; gives its exit code."""
        child, self._child = self._child, None
        if child is None:
            return 0
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.close()
        code = child.wait()
        child.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _events(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """Records: u64 size, ~0 where it was discarded, then as many bytes, up to a multiple of 8."""
    found = []
    at = 0
    while at < len(data):
        size, kept = unpack_from("<II", data, at)
        at += 8
        if kept:
            found.append(record(data[at : at + size]))
        at += (size + 7) // 8 * 8
    return tuple(found)
