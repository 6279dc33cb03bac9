"""The verifier's costs from logs of several kernels."""

from __future__ import annotations

from syscast.loader.cost import read_cost

IN_6_18 = """\
func#0 @0
Live regs before insn:
      0: .......... (b7) r0 = 0
      1: 0......... (15) if r0 == 0x0 goto pc+1
0: R1=ctx() R10=fp0
; return 0; @ x.py:3
0: (b7) r0 = 0                        ; R0=0
1: (15) if r0 == 0x0 goto pc+1        ; R0=0
mark_precise: frame0: regs=r0 stack= before 0: (b7) r0 = 0
3: (95) exit
from 1 to 3: safe
from 1 to 3 (speculative execution): R0=0
3: (95) exit
3: safe
verification time 212 usec
stack depth 16+8
processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 2 peak_states 1 mark_read 0
"""

IN_5_10 = """\
func#0 @0
0: R1=ctx(id=0,off=0,imm=0) R10=fp0
; return 0;
0: (b7) r0 = 0
1: R0_w=inv0 R1=ctx(id=0,off=0,imm=0) R10=fp0
1: (95) exit
verification time 41 usec
stack depth 0
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


def test_steps_and_sums():
    cost = read_cost(IN_6_18)
    assert cost is not None
    assert (cost.processed, cost.limit, cost.states, cost.peak_states) == (6, 1000000, 2, 1)
    assert cost.stack == (16, 8)
    assert cost.visits == {0: 1, 1: 1, 3: 4}


def test_an_older_kernel():
    cost = read_cost(IN_5_10)
    assert cost is not None
    assert cost.visits == {0: 1, 1: 1}
    assert (cost.processed, cost.stack) == (2, (0,))


def test_statistics_alone():
    cost = read_cost(IN_5_10[IN_5_10.index("verification") :])
    assert cost is not None
    assert (cost.processed, cost.visits) == (2, {})


def test_no_log():
    assert read_cost("") is None
