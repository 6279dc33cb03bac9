"""From C text to an object, with the cache in front of everything.

A text's key is made of the text, its flags, the compiler's files, the kernel's BTF and a few numbers.
What else it depends on (files that it includes, formats of tracepoints, options of the kernel's configuration)
is known only once it was compiled: those questions are kept with the object and asked again. On a hit
neither the preprocessor, nor the parser, nor LLVM is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast._version import __version__
from syscast.compiler.asked import Asked, Question, still_true
from syscast.compiler.cache import Cache
from syscast.compiler.stamp import compiler_stamp
from syscast.errors import SyscastError
from syscast.spec.digest import digest
from syscast.spec.objectspec import ObjectSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.frontend.c.surroundings import Surroundings
    from syscast.ir.program import Program

DEFAULT_NAME = "/virtual/main.c"
"""How messages call a text that is no file."""

_PACKAGES = (
    *("passes", "codegen", "compiler", "btf", "ir", "spec"),
    *("frontend/c", "frontend/c/data"),
)


class CObject(msgspec.Struct, frozen=True):
    """What a text became.

    Attributes:
        spec: The object; its programs are in the order of the text.
        warnings: Drawn as compilers do, several lines each.
        cached: It came from the cache.
    """

    spec: ObjectSpec
    warnings: tuple[str, ...] = ()
    cached: bool = False


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """What the cache holds of a text."""

    questions: tuple[Question, ...]
    warnings: tuple[str, ...]
    spec: ObjectSpec


def compile_c(
    text: str | bytes,
    *,
    name: str = DEFAULT_NAME,
    surroundings: Surroundings,
    cflags: Sequence[str] = (),
) -> CObject:
    """Compile a text of the bcc dialect.

    Args:
        text: The C.
        name: Path of the text, by which messages call it.
        surroundings: The kernel that it is compiled for.
        cflags: As for a compiler: ``-D``, ``-U``, ``-I``, ``-include``; others are ignored.

    Raises:
        CompileError: The text is wrong.
        NotSupportedError: llvmlite is not installed; the machine has no known calling convention.
        InternalError: A bug of the front end or of what follows it.
    """
    cache = Cache.default()
    key = _key(text, name, surroundings, cflags)
    if key:
        held = _held(cache, key, surroundings)
        if held is not None:
            return CObject(held.spec, held.warnings, cached=True)
    asked = Asked(surroundings)
    spec, warnings = _compiled(text, name, asked, cflags)
    if key:
        cache.put(key, msgspec.msgpack.encode(_Kept(asked.questions, warnings, spec)))
    return CObject(spec, warnings)


def _key(text: str | bytes, name: str, surroundings: Surroundings, cflags: Sequence[str]) -> str:
    """Nothing where no key tells this BTF from others."""
    identity = surroundings.btf.key
    if not identity:
        return ""
    numbers = (surroundings.version_code, surroundings.possible_cpus, surroundings.page_size)
    facts = (
        __version__,
        compiler_stamp(_PACKAGES),
        surroundings.arch,
        identity,
        repr(numbers),
        name,
    )
    raw = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
    parts = [each.encode(errors="surrogateescape") for each in (*facts, *cflags)]
    return digest(b"c", *parts, raw).hex()


def _held(cache: Cache, key: str, surroundings: Surroundings) -> _Kept | None:
    data = cache.get(key)
    if data is None:
        return None
    try:
        kept = msgspec.msgpack.decode(data, type=_Kept)
    except msgspec.MsgspecError:
        return None
    return kept if still_true(kept.questions, surroundings) else None


def _compiled(
    text: str | bytes, name: str, surroundings: Surroundings, cflags: Sequence[str]
) -> tuple[ObjectSpec, tuple[str, ...]]:
    from syscast.codegen.child import Child  # noqa: PLC0415  (a hit needs none)

    with Child() as child:  # it loads LLVM while the text is read here
        from syscast.compiler.driver import made_by  # noqa: PLC0415
        from syscast.frontend.c.translate import lower_text  # noqa: PLC0415

        try:
            lowered = lower_text(text, name, surroundings, cflags)
        except SyscastError:
            raise
        except Exception as error:
            from syscast.compiler.bugs import in_text  # noqa: PLC0415  (never, one hopes)

            raise in_text(error, name, text) from error
        spec = made_by(child, lowered.program, surroundings.btf)
    return _finished(spec, lowered.program, lowered.license), lowered.warnings


def _finished(spec: ObjectSpec, program: Program, license_: str) -> ObjectSpec:
    """The object with what its sections cannot say: licence, and types of programs by their use."""
    contexts = {each.name: each.context for each in program.functions}
    programs = []
    for each in spec.programs:
        context = contexts.get(each.name)
        if context is not None:
            each = msgspec.structs.replace(  # noqa: PLW2901
                each,
                type=context.program_type,
                attach_type=context.attach_type,
                target=context.target,
            )
        programs.append(each)
    order = {each.name: number for number, each in enumerate(program.functions)}
    programs.sort(key=lambda each: order.get(each.name, len(order)))
    return msgspec.structs.replace(spec, license=license_, programs=tuple(programs))
