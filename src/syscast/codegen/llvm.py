"""The child's program: LLVM text in, object out. The only module that imports llvmlite.

Run by path in an isolated interpreter (see ``child``), so it imports nothing of syscast. Frames
go both ways: u32 length in little endian, then that many bytes. A request is a line that names the cpu
and the module's text; an answer is one byte, 0 (object follows) or 1 (message follows).
LLVM itself ends this process on some errors: the parent takes that as an answer, too.
"""

from __future__ import annotations

import sys

import llvmlite.binding as llvm

OK = b"\0"
REFUSED = b"\1"


def compile_text(text: str, cpu: str) -> bytes:
    """Optimise and compile one module for BPF.

    Raises:
        RuntimeError: LLVM does not parse or verify the text.
    """
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_triple("bpf").create_target_machine(opt=2, cpu=cpu)
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = False
    tuning.slp_vectorization = False
    tuning.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    made: bytes = machine.emit_object(module)
    return made


def serve() -> None:
    """Answer requests until the parent closes its end."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(size := requests.read(4)) == 4:
        request = requests.read(int.from_bytes(size, "little"))
        cpu, _, text = request.partition(b"\n")
        try:
            answer = OK + compile_text(text.decode(), cpu.decode())
        except RuntimeError as refused:
            answer = REFUSED + str(refused).encode()
        answers.write(len(answer).to_bytes(4, "little") + answer)
        answers.flush()


if __name__ == "__main__":
    serve()
