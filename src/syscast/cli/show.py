"""``syscast show``: a target's arguments and how it attaches, or a struct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syscast.cli import completing
from syscast.cli.messages import show, show_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.btf.lookup import Btf
    from syscast.probes.kind import Role, Target
    from syscast.probes.registry import Choice

_HELP = """Show a target's signature, its arguments, and how it attaches here; or a struct.

\b
syscast show inet_listen
syscast show --depth 2 inet_listen     with the structs inside of structs
syscast show syscall:openat
syscast show sched:sched_process_exec
syscast show 'struct sock'             also 'union NAME' and 'enum NAME'
"""

_WORDS = ("struct", "union", "enum")
_FUNCTION_KINDS = ("fentry", "kprobe", "fexit", "kretprobe")
_TRACEPOINT_KINDS = ("raw_tracepoint", "tracepoint")
_EXITS = {"fexit", "kretprobe"}


@click.command("show", help=_HELP)
@click.argument("target", nargs=-1, required=True, shell_complete=completing.targets)
@click.option(
    "--depth",
    type=click.IntRange(0, 8),
    default=1,
    show_default=True,
    metavar="N",
    help="Levels of structs to expand; 0 for none.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each target.")
def command(target: tuple[str, ...], depth: int, *, as_json: bool) -> int:
    """Run ``syscast show``."""
    if target[0] in _WORDS and len(target) == 2:  # struct sock, without quotes
        target = (" ".join(target),)
    if as_json:
        show_json(_described(text) for text in target)
        return 0
    for number, text in enumerate(target):
        if number:
            show([""])
        words = text.split()
        if len(words) == 2 and words[0] in _WORDS:
            show(_type_lines(words[0], words[1], max(depth, 1)))
        else:
            show(_target_lines(text, depth))
    return 0


def _type_lines(word: str, name: str, depth: int) -> list[str]:
    from syscast.btf import render  # noqa: PLC0415  (once the options are right)
    from syscast.btf.types import Enum  # noqa: PLC0415

    types, found = _find_type(word, name)
    made = types.type(found)
    if not isinstance(made, Enum):
        return render.struct_lines(types, found, depth)
    return [
        f"enum {name} {{",
        *(f"    {each.name} = {each.value}," for each in made.values),
        f"}}; /* size {made.size} */",
    ]


def _find_type(word: str, name: str) -> tuple[Btf, int]:
    """A struct, union or enum of the kernel, or of the first module that has it.

    Raises:
        TargetError: There is none.
    """
    from syscast.btf import source  # noqa: PLC0415  (once the options are right)
    from syscast.btf.types import Enum, Struct  # noqa: PLC0415
    from syscast.errors import TargetError  # noqa: PLC0415

    kind = Enum if word == "enum" else Struct
    kernel = source.kernel()
    for types in (kernel, *(source.module(each) for each in source.modules())):
        for found in types.find_all(name, kind):
            made = types.type(found)
            if isinstance(made, Enum) or (
                isinstance(made, Struct) and made.is_union == (word == "union")
            ):
                return types, found
    raise TargetError(f"{word} '{name}': look up: the kernel has none", kernel.near(name, kind))


def _target_lines(text: str, depth: int) -> Iterator[str]:
    from syscast.probes import names, registry  # noqa: PLC0415  (once the options are right)

    choice = registry.choose(text, here=False)
    target = choice.target
    yield target.signature or target.name
    if target.module:
        yield f"module       {target.module}"
    yield from _argument_lines(target)
    yield ""
    yield from _attach_lines(text, choice, explicit=names.parse(text).kind in registry.KINDS)
    if depth:
        yield from _struct_lines(choice.types, target, depth)


def _argument_lines(target: Target) -> Iterator[str]:
    """Names as expressions use them, with their C types."""
    rows = [(each.name, each.ctype, each.why) for each in target.arguments]
    if target.returns is not None:
        rows.append(("ret", target.returns.ctype, target.returns.why))
    width = max((len(name) for name, *_ in rows), default=0)
    for name, ctype, why in rows:
        yield f"  {name:<{width}}  {ctype}{f'  ({why})' if why else ''}".rstrip()


def _attach_lines(text: str, choice: Choice, *, explicit: bool) -> Iterator[str]:
    """Each kind that could attach, with the reason for it or against it; the best is marked."""
    if not explicit and choice.kind.name in _FUNCTION_KINDS:
        yield from _explained(choice.target.name)
    for kind, mark, why in _ways(text, choice, explicit=explicit):
        yield f"  {kind:<14}  {mark:<5}  {why}"


def _ways(text: str, choice: Choice, *, explicit: bool) -> Iterator[tuple[str, str, str]]:
    """Each kind that could attach: its name; ``best``, ``works`` or ``no``; why."""
    kind = choice.kind.name
    kinds: tuple[str, ...] = (kind,)
    if not explicit and kind in _FUNCTION_KINDS:
        kinds = _FUNCTION_KINDS
    elif not explicit and kind in _TRACEPOINT_KINDS:
        kinds = _TRACEPOINT_KINDS
    chosen = {_chosen(text, "probe"), _chosen(text, "call")}
    for each in kinds:
        works, why = _judged(text, each)
        yield each, "no" if not works else "best" if each in chosen else "works", why


def _judged(text: str, kind: str) -> tuple[bool, str]:
    """Whether a kind can attach to the target here, and why or why not."""
    from syscast.errors import NotSupportedError, TargetError  # noqa: PLC0415  (imported before)
    from syscast.probes import names, registry  # noqa: PLC0415

    role: Role = "call" if kind in _EXITS else "probe"
    try:
        return True, registry.choose(names.parse(text).scoped, role, kind=kind).reason
    except NotSupportedError as error:
        return False, registry.get(kind).unavailable() or str(error)
    except TargetError as error:
        return False, str(error)


def _chosen(text: str, role: Role) -> str:
    """The kind that would be taken here, "" for none."""
    from syscast.errors import NotSupportedError, TargetError  # noqa: PLC0415  (imported before)
    from syscast.probes import registry  # noqa: PLC0415

    try:
        return registry.choose(text, role).kind.name
    except (NotSupportedError, TargetError):
        return ""


def _explained(name: str) -> Iterator[str]:
    """Why the kernel would refuse whatever kind, if it would."""
    from syscast.probes import functions  # noqa: PLC0415  (imported before)

    found = functions.explanation(name)
    if found is not None:
        near = f" (perhaps {', '.join(found.near)})" if found.near else ""
        yield f"  cannot be traced: {found.text}{near}"


def _struct_lines(types: Btf, target: Target, depth: int) -> Iterator[str]:
    """The structs that arguments and the return value point to, each once."""
    from syscast.btf.render import struct_lines  # noqa: PLC0415  (imported before)
    from syscast.btf.types import Ptr, Struct  # noqa: PLC0415

    seen: set[int] = set()
    sources = [*target.arguments, *([target.returns] if target.returns else [])]
    for source in sources:
        type_id = source.pointee
        if not type_id and source.type_id:
            pointer = types.type(types.resolve(source.type_id))
            type_id = pointer.type_id if isinstance(pointer, Ptr) else source.type_id
        if not type_id:
            continue
        struct_id = types.resolve(type_id)
        if struct_id not in seen and isinstance(types.type(struct_id), Struct):
            seen.add(struct_id)
            yield ""
            yield from struct_lines(types, struct_id, depth)


def _described(text: str) -> dict[str, object]:
    """A target: arguments and ways to attach; or a type: its members or values.

    Raises:
        TargetError: There is none.
    """
    from syscast.probes import names, registry  # noqa: PLC0415  (once the options are right)

    words = text.split()
    if len(words) == 2 and words[0] in {"struct", "union", "enum"}:
        return _type_object(words[0], words[1])
    choice = registry.choose(text, here=False)
    target = choice.target
    explicit = names.parse(text).kind in registry.KINDS
    returns = target.returns
    return {
        "target": text,
        "kind": choice.kind.name,
        "name": target.name,
        "module": target.module or None,
        "signature": target.signature or None,
        "arguments": [
            {"name": each.name, "type": each.ctype, "unreadable": each.why or None}
            for each in target.arguments
        ],
        "returns": returns.ctype if returns is not None else None,
        "ways": [
            {"kind": kind, "works": mark != "no", "best": mark == "best", "why": why}
            for kind, mark, why in _ways(text, choice, explicit=explicit)
        ],
    }


def _type_object(word: str, name: str) -> dict[str, object]:
    from syscast.btf.render import type_name  # noqa: PLC0415  (once the options are right)
    from syscast.btf.types import Enum, Struct  # noqa: PLC0415

    types, found = _find_type(word, name)
    made = types.type(found)
    if isinstance(made, Enum):
        values = {each.name: each.value for each in made.values}
        return {"kind": word, "name": name, "size": made.size, "values": values}
    assert isinstance(made, Struct)
    return {
        "kind": word,
        "name": name,
        "size": made.size,
        "members": [
            {
                "name": each.name,
                "type": type_name(types, each.type_id),
                "offset": each.bit_offset // 8,
                "bit": each.bit_offset % 8 if each.bitfield_size else None,
                "bits": each.bitfield_size or None,
            }
            for each in made.members
        ],
    }
