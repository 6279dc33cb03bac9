"""The child's program: LLVM text in, object out. The only module that imports llvmlite.

Run by path in an isolated interpreter (see ``child``), so it imports nothing of syscast. Frames
go both ways: u32 length in little endian, then that many bytes. A request is a line that names the cpu
(and ``unroll`` behind it, or not) and the module's text; an answer is one byte, 0 (object follows) or 1 (message follows).
LLVM itself ends this process on some errors: the parent takes that as an answer, too.
"""

from __future__ import annotations

import sys
from types import ModuleType

OK = b"\0"
REFUSED = b"\1"


class _Unused(ModuleType):
    """Stands in for a module of which only names are looked up: they are all ``object``."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


class _Path:
    """The one path that llvmlite asks ``importlib.resources`` for, that of its library."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __truediv__(self, name: str) -> _Path:
        return _Path(f"{self._path}/{name}")

    def __enter__(self) -> str:
        return self._path

    def __exit__(self, *_: object) -> None:
        pass


def _load_lightly() -> ModuleType:
    """Import llvmlite's binding without what takes half of its time and is not used here.

    That is its own IR builders, which the binding only names, and ``importlib.resources``, which
    drags in tempfile, random and pathlib to find one file.
    """
    resources = ModuleType("importlib.resources")
    resources.files = lambda name: _Path(sys.modules[name].__path__[0])  # type: ignore[attr-defined]
    resources.as_file = lambda path: path  # type: ignore[attr-defined]
    before = set(sys.modules)
    sys.modules |= {"importlib.resources": resources, "llvmlite.ir": _Unused("llvmlite.ir")}
    try:
        return _load()
    except Exception:  # noqa: BLE001  (another llvmlite than was known: whatever it misses)
        for name in set(sys.modules) - before:
            del sys.modules[name]
        return _load()


def _load() -> ModuleType:
    import llvmlite.binding  # noqa: PLC0415  (see above)

    found: ModuleType = llvmlite.binding
    return found


def compile_text(llvm: ModuleType, text: str, cpu: str, *, unroll: bool = False) -> bytes:
    """Optimise and compile one module for BPF.

    Args:
        llvm: ``llvmlite.binding``.
        text: LLVM IR.
        cpu: BPF instruction set.
        unroll: Unroll loops of few rounds, as C compilers do.

    Raises:
        RuntimeError: LLVM does not parse or verify the text.
    """
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_triple("bpf").create_target_machine(opt=2, cpu=cpu)
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = False
    tuning.slp_vectorization = False
    tuning.loop_unrolling = unroll
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    if any(each.name.startswith(_EXTREMES) for each in module.functions):
        module = llvm.parse_assembly(_chosen(str(module)))
    if unroll:
        module = _with_hidden_numbers(llvm, module)
    made: bytes = machine.emit_object(module)
    return made


_EXTREMES = tuple(f"llvm.{name}." for name in ("smin", "smax", "umin", "umax"))
_CALL = r"(%\S+) = (?:(?:tail|musttail|notail) )?call (?:range\([^)]*\) )?(i\d+) @llvm\.([su])(min|max)\.i\d+\(i\d+ ([^,]+), i\d+ ([^)]+)\)"


def _chosen(text: str) -> str:
    """Write minima and maxima that a comparison of the other signedness looks at as comparison and choice.

    LLVM's BPF back end takes ``x <u smax(a, 0)`` in a loop apart into ``x <u a or x <u 0``, with the one
    comparison's sign for both (BPFCheckAndAdjustIR::sinkMinMax; seen in LLVM 20 to 22), which is wrong.
    """
    import re  # noqa: PLC0415  (only few modules need it)

    lines = []
    for line in text.split("\n"):
        found = re.match(r"\s*" + _CALL, line)
        other = "u" if found and found[3] == "s" else "s"
        if found and re.search(
            rf"icmp (?:samesign )?{other}\w\w i\d+ .*{re.escape(found[1])}\b", text
        ):
            name, type_, sign, which, a, b = found.groups()
            than = f"{sign}{'lt' if which == 'min' else 'gt'}"
            test = f'"{name[1:].strip(chr(34))}.test"'
            lines.append(f"  %{test} = icmp {than} {type_} {a}, {b}")
            chosen = (
                f"  {name} = select i1 %{test}, {type_} {a}, {type_} {b}" + line[found.end() :]
            )
            lines.append(re.sub(r" #\d+(?=,|$)", "", chosen))
        else:
            lines.append(line)
    return "\n".join(lines)


def _with_hidden_numbers(llvm: ModuleType, module: ModuleType) -> ModuleType:
    """Hide from the back end what is added to pointers, and pointers between which it may choose.

    Where it knows enough of the number (or of the distance between the pointers) it would add by ``or``, or
    subtract, which the verifier refuses of pointers to the stack. An empty asm tells it nothing.
    """
    import re  # noqa: PLC0415  (only C text needs it)

    count = 0

    def hidden(found: re.Match[str]) -> str:
        made = []

        def operand(each: re.Match[str]) -> str:
            nonlocal count
            count += 1
            name = f'%"hidden.{count}"'
            made.append(f'  {name} = call {each[1]} asm "", "=r,0"({each[0]})\n')
            return f"{each[1]} {name}"

        type_ = "i64" if found[1] == "getelementptr" else "ptr"
        line = re.sub(rf"\b({type_}) (%[^\s,]+)", operand, found[0])
        return "".join(made) + line

    changed = re.sub(_NUMBERS, hidden, str(module), flags=re.MULTILINE)
    return llvm.parse_assembly(changed) if count else module


_NUMBERS = r"^ +%\S+ = (getelementptr|select) (?:[^\n]*, i64 %|i1 [^\n]*, ptr %)[^\n]*$"


def serve() -> None:
    """Answer requests until the parent closes its end."""
    llvm = _load_lightly()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    # Verifiers before 6.x take an edge back only from a jump (check_cfg), but LLVM likes to place the end
    # of a loop so that it runs into the loop's head. Programs do not get longer without that.
    llvm.set_option("", "-disable-block-placement")
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(size := requests.read(4)) == 4:
        request = requests.read(int.from_bytes(size, "little"))
        head, _, text = request.partition(b"\n")
        cpu, _, wishes = head.partition(b" ")
        try:
            answer = OK + compile_text(llvm, text.decode(), cpu.decode(), unroll=bool(wishes))
        except RuntimeError as refused:
            answer = REFUSED + str(refused).encode()
        answers.write(len(answer).to_bytes(4, "little") + answer)
        answers.flush()


if __name__ == "__main__":
    serve()
