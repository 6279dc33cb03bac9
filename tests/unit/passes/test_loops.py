"""Large loops become callbacks where the kernel has bpf_loop; what crosses the border is right."""

import pytest
from sketch import golden

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import Enum, EnumValue, Int
from syscast.codegen import build
from syscast.ir import ops
from syscast.ir.builder import Builder
from syscast.ir.check import Layer, check
from syscast.ir.printer import program_text
from syscast.ir.program import Function, Loop, Program, ProgramContext
from syscast.ir.types import BOOL, I64, U64, Const, PtrType, Space
from syscast.passes import loops
from syscast.passes.naturalloops import natural_loop
from syscast.spec.read import read_object

CONTEXT = ProgramContext("raw_tracepoint", "x", "raw_tp/x", "raw_tracepoint")


def btf(*helpers):
    b = BtfBuilder()
    b.add(Int("int", 4, 1, 32))
    values = tuple(EnumValue(f"BPF_FUNC_{name}", 181) for name in helpers)
    b.add(Enum("bpf_func_id", 4, values))
    return Btf.from_bytes(b.encode(), name="test")


class Writer(Builder):
    """Sums numbers in one loop, or in one inside another."""

    def __init__(self):
        super().__init__()
        self.heads = []
        self.start("entry")
        self.total = self.slot("total", I64, 8)
        self.text = self.slot("text", None, 16)
        self.add(ops.SlotStore(slot=self.total, value=Const(0, I64)))
        self.base = self.register(I64)
        self.add(ops.Helper(result=self.base, name="ktime_get_ns"))

    def loop(self, limit, body):
        counter = self.slot("(round)", U64, 8)
        head, inside, after = (self.label(hint) for hint in ("loop", "round", "done"))
        self.heads.append(Loop(head, limit, counter))
        self.add(ops.SlotStore(slot=counter, value=Const(0, U64)))
        self.add(ops.Jump(target=head))
        self.start(head)
        read, number, over = self.register(U64), self.register(U64), self.register(BOOL)
        self.add(ops.SlotLoad(result=read, slot=counter))
        self.add(ops.Opaque(result=number, a=read))
        end = Const(limit, U64)
        self.add(ops.Compare(result=over, pred=ops.Predicate.UGE, a=number, b=end))
        self.add(ops.Branch(cond=over, then=after, other=inside))
        self.start(inside)
        body()
        more = self.register(U64)
        self.add(ops.Binary(result=more, op=ops.BinaryOp.ADD, a=number, b=Const(1, U64)))
        self.add(ops.SlotStore(slot=counter, value=more))
        self.add(ops.Jump(target=head))
        self.start(after)

    def sum(self):
        address, old, new = (
            self.register(PtrType(Space.STACK)),
            self.register(I64),
            self.register(I64),
        )
        self.add(ops.SlotAddr(result=address, slot=self.text))
        self.add(ops.Fill(ptr=address, size=16))
        self.add(ops.SlotLoad(result=old, slot=self.total))
        self.add(ops.Binary(result=new, op=ops.BinaryOp.ADD, a=old, b=self.base))
        self.add(ops.SlotStore(slot=self.total, value=new))

    def program(self):
        address, total = self.register(PtrType(Space.STACK)), self.register(I64)
        self.add(ops.SlotAddr(result=address, slot=self.text))
        self.add(ops.SlotLoad(result=total, slot=self.total))
        self.add(ops.Store(ptr=address, value=total))
        self.add(ops.Return(value=total))
        function = Function(
            "probe", self.blocks(), self.slots(), CONTEXT, id=0, loops=tuple(self.heads)
        )
        return Program("test", (function,))


def one(limit):
    writer = Writer()
    writer.loop(limit, writer.sum)
    return writer.program()


def nested(outer, inner):
    writer = Writer()
    writer.loop(outer, lambda: writer.loop(inner, writer.sum))
    return writer.program()


@pytest.mark.parametrize(("limit", "helpers"), [(100, ("loop",)), (100_000, ("strncmp",))])
def test_small_loops_and_those_of_older_kernels_stay(limit, helpers):
    program = one(limit)
    assert loops.run(program, btf(*helpers)) == program


def test_a_large_loop_is_called_back():
    kernel = btf("loop")
    made = loops.run(one(100_000), kernel)
    check(made, Layer.PRIMITIVE)
    golden("passes/loops.txt", program_text(made))
    parent, body = made.functions
    (call,) = [op for b in parent.blocks for op in b.ops if isinstance(op, ops.Helper) and op.args]
    assert call.name == "loop"
    assert call.args[0] == Const(100_001, U64)
    assert [str(each.type) for each in body.parameters] == ["u64", "ptr<stack>"]
    returned = {op.value.value for b in body.blocks for op in b.ops if isinstance(op, ops.Return)}
    assert returned == {0, 1}
    # The counter is the callback's own index, and only what the loop changes is written back.
    assert {slot.name for slot in body.slots} == {"total", "(round)"}
    (program,) = read_object(build(made, kernel), "test").programs
    assert len(program.func_infos) == 2


def test_inner_loops_are_cut_first_and_outer_ones_if_they_are_large_then():
    kernel = btf("loop")
    made = loops.run(nested(10, 100_000), kernel)
    assert [each.name for each in made.functions] == ["probe", "probe_loop0"]
    made = loops.run(nested(10_000, 100_000), kernel)
    check(made, Layer.PRIMITIVE)
    assert [each.name for each in made.functions] == ["probe", "probe_loop0", "probe_loop1"]
    assert len(read_object(build(made, kernel), "test").programs[0].func_infos) == 3
    made = loops.run(nested(10_000, 3), kernel)
    assert [each.name for each in made.functions] == ["probe", "probe_loop0"]


def test_a_loop_is_what_jumps_back_to_its_head_and_nothing_else():
    function = nested(5, 5).functions[0]
    outer, inner = (natural_loop(function, loop.head) for loop in function.loops)
    assert inner < outer
    assert "entry" not in outer
    assert "done" not in outer
    assert natural_loop(function, "nowhere") == frozenset()
    assert natural_loop(function, "entry") == frozenset()


def test_what_a_loop_branches_on_is_hidden_from_the_verifier():
    def slots(compared):
        writer = Writer()

        def body():
            writer.sum()
            if compared:
                total, over = writer.register(I64), writer.register(BOOL)
                writer.add(ops.SlotLoad(result=total, slot=writer.total))
                sgt, high = ops.Predicate.SGT, Const(9, I64)
                writer.add(ops.Compare(result=over, pred=sgt, a=total, b=high))
                writer.add(ops.Branch(cond=over, then="done", other="on"))
                writer.start("on")

        writer.loop(10, body)
        made = loops.run(writer.program(), btf())
        check(made, Layer.PRIMITIVE)
        return {slot.name for slot in made.functions[0].slots}

    assert "@hidden" not in slots(compared=False)
    assert "@hidden" in slots(compared=True)
