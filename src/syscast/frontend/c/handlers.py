"""What lowers each class of node: the tables of all rooms in one."""

from __future__ import annotations

from pycparser import c_ast

from syscast.frontend.c.declarations import LITERALS
from syscast.frontend.c.expressions import OPERANDS, branch, elvis
from syscast.frontend.c.inlining import call
from syscast.frontend.c.lowering import Handlers
from syscast.frontend.c.nodes import Elvis
from syscast.frontend.c.statements import STATEMENTS

HANDLERS = Handlers(
    {**OPERANDS, **LITERALS, c_ast.FuncCall: call, Elvis: elvis}, STATEMENTS, branch
)
