"""The parser: pycparser's, with the syntax of GNU C that tracing programs are written in.

pycparser is a recursive descent parser, so its rules are methods: those that GNU C changes are overridden here, all others are its own. Type
names that a text does not declare are asked for, since they come from BTF.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c._mistakes import Mistakes
from syscast.frontend.c.ctokens import ASM, ATTRIBUTE, AUTO_TYPE
from syscast.frontend.c.deep import room_for_depth
from syscast.frontend.c.nodes import (
    Asm,
    Attribute,
    AutoType,
    Elvis,
    Operand,
    Range,
    StmtExpr,
    Typeof,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pycparser.c_lexer import Token
    from pycparser.c_parser import Coord

    from syscast.frontend.c.preprocessed import Preprocessed

    _TypeInParentheses = tuple[c_ast.Typename, int, Token, list[str]]
    _Specifiers = dict[str, list[c_ast.Node]]
    _Declarator = dict[str, c_ast.Node]


def parse(
    preprocessed: Preprocessed,
    typedef_known: Callable[[str], bool],
    near_types: Callable[[str], Sequence[str]] = lambda _name: (),
) -> c_ast.FileAST:
    """Parse a preprocessed text.

    Args:
        preprocessed: What `preprocess` returned.
        typedef_known: Whether a name that the text does not declare is a typedef; asked once for each.
        near_types: Names of types that read like one that there is not.

    Returns:
        The tree; coordinates of its nodes are those of ``preprocessed.text``, for ``preprocessed.places.span``.

    Raises:
        CompileError: The text is no C.
    """
    with room_for_depth():
        parser = _Parser(preprocessed, typedef_known)
        parser.near_types = near_types
        return parser.unit()


_ATTRIBUTE_LISTS = (c_ast.TypeDecl, c_ast.ArrayDecl, c_ast.FuncDecl, c_ast.PtrDecl)


class _Parser(Mistakes):
    """pycparser's parser with GNU rules."""

    def __init__(self, preprocessed: Preprocessed, typedef_known: Callable[[str], bool]) -> None:
        super().__init__(preprocessed)
        self._typedef_known = typedef_known
        self._answers: dict[str, bool] = {}
        self._pack: list[int] = []
        self._skipping = False
        self._type_in_parentheses: tuple[int, _TypeInParentheses, int] | None = None

    def unit(self) -> c_ast.FileAST:
        """The whole text."""
        try:
            return self._parse_translation_unit_or_empty()
        except RecursionError:
            raise self.too_deep() from None
        except (AssertionError, AttributeError, IndexError, TypeError, ValueError):
            # pycparser asserts what valid C has; which rule it was does not help who wrote the text.
            raise self.not_c() from None

    # ------------------------------------------------------------------ names of types

    def _is_type_in_scope(self, name: str) -> bool:
        for scope in reversed(self._scope_stack):
            if name in scope:
                return bool(scope[name])
        answer = self._answers.get(name)
        if answer is None:
            answer = self._answers[name] = self._typedef_known(name)
        return answer

    def _try_parse_paren_type_name(self) -> _TypeInParentheses | None:
        # A compound literal is tried as a cast, as an operand of sizeof, and then as what it is: remember the type, since a typeof in it
        # can hold another, and so on.
        mark = self._mark()
        if self._type_in_parentheses is not None and self._type_in_parentheses[0] == mark:
            self._reset(self._type_in_parentheses[2])
            return self._type_in_parentheses[1]
        result: _TypeInParentheses | None = super()._try_parse_paren_type_name()
        if result is not None:
            self._type_in_parentheses = (mark, result, self._mark())
        return result

    # ------------------------------------------------------------------ attributes

    def _parse_attribute_specifier_sequence(self) -> list[Attribute]:
        found: list[Attribute] = []
        while True:
            kind = self._peek_type()
            if kind == ATTRIBUTE:
                if self._skipping:
                    self._advance()
                    self._skip_parentheses()
                else:
                    found.extend(self._parse_attributes())
            elif kind == ASM and self._peek_type(2) == "LPAREN" and not self._skipping:
                token = self._advance()
                self._expect("LPAREN")
                label = self._parse_unified_string_literal()
                self._expect("RPAREN")
                found.append(Attribute("asm", (label,), self._tok_coord(token)))
            else:
                return found

    def _skip_parentheses(self) -> None:
        depth = 0
        while (token := self._tokens.next()) is not None:
            depth += (token.type == "LPAREN") - (token.type == "RPAREN")
            if not depth:
                return

    def _parse_attributes(self) -> list[Attribute]:
        """``__attribute__((a, b(1)))``; an empty one is an attribute without a name."""
        opening = self._advance()
        self._expect("LPAREN")
        self._expect("LPAREN")
        found: list[Attribute] = []
        while self._peek_type() not in {"RPAREN", None}:
            if self._accept("COMMA"):
                continue
            word = self._advance()
            args: list[c_ast.Node] = []
            if self._accept("LPAREN"):
                if self._peek_type() != "RPAREN":
                    args = self._parse_argument_expression_list().exprs
                self._expect("RPAREN")
            found.append(
                Attribute(word.value.strip("_") or word.value, tuple(args), self._tok_coord(word))
            )
            if self._peek_type() not in {"COMMA", "RPAREN"}:
                self._expect("RPAREN")
        self._expect("RPAREN")
        self._expect("RPAREN")
        return found or [Attribute("", (), self._tok_coord(opening))]

    def _attribute_declarations(
        self, nodes: list[c_ast.Node], attributes: list[Attribute]
    ) -> list[c_ast.Node]:
        if not nodes:
            self._parse_error("expected a declaration after attributes", attributes[0].coord)
        for node in nodes:
            decl = node.decl if isinstance(node, c_ast.FuncDef) else node
            if isinstance(decl, (c_ast.Decl, c_ast.Typedef)):
                decl.attributes = [*attributes, *(decl.attributes or ())]
        return nodes

    def _build_declarations(
        self,
        spec: _Specifiers,
        decls: list[_Declarator],
        typedef_namespace: bool = False,  # noqa: FBT001, FBT002  (pycparser's signature)
    ) -> list[c_ast.Node]:
        declarations: list[c_ast.Node] = super()._build_declarations(
            spec, decls, typedef_namespace
        )
        for declaration in declarations:
            attributes = list(spec.get("attributes", ()))
            part = declaration.type
            while isinstance(part, _ATTRIBUTE_LISTS):
                attributes.extend(part.attributes or ())
                part = part.type
            declaration.attributes = attributes
        return declarations

    def _parse_parameter_declaration(self) -> c_ast.Node:
        self.deeper()
        attributes = self._parse_attribute_specifier_sequence()
        decl = self._parse_parameter_declaration_body()
        self.depth -= 1
        decl.attributes = [*attributes, *(decl.attributes or ())]
        return decl

    def _scan_declarator_name_info(self) -> tuple[str | None, bool]:
        before, self._skipping = self._skipping, True
        self._parse_attribute_specifier_sequence()
        found: tuple[str | None, bool] = super()._scan_declarator_name_info()
        self._skipping = before
        return found

    def _parse_declarator_kind(self, kind: str, allow_paren: bool) -> c_ast.Node:  # noqa: FBT001  (pycparser's signature)
        self.deeper()
        attributes = self._parse_attribute_specifier_sequence()
        decl = super()._parse_declarator_kind(kind, allow_paren)
        self._attach(decl, attributes)
        self.depth -= 1
        return decl

    @staticmethod
    def _attach(decl: c_ast.Node, attributes: list[Attribute]) -> None:
        if attributes:
            while isinstance(decl.type, _ATTRIBUTE_LISTS):
                decl = decl.type
            decl.attributes = [*(decl.attributes or ()), *attributes]

    # ------------------------------------------------------------------ declarations

    def _parse_specifiers(
        self, *, allow_storage_and_function: bool
    ) -> tuple[_Specifiers | None, bool, Coord | None]:
        spec: _Specifiers | None = None
        saw_type = False
        first = None
        attributes: list[Attribute] = []
        while (token := self._peek()) is not None:
            if token.type == ATTRIBUTE:
                attributes.extend(self._parse_attribute_specifier_sequence())
                continue
            if token.type == "TYPEID" and saw_type:
                break
            found = self._parse_specifier(
                token, allow_storage_and_function=allow_storage_and_function
            )
            if found is None:
                break
            kind, value = found
            first = first or self._tok_coord(token)
            spec = self._add_declaration_specifier(spec, value, kind)
            saw_type = saw_type or kind == "type"
        if spec is not None:
            spec["attributes"] = attributes
        return spec, saw_type, first

    def _parse_specifier(
        self, token: Token, *, allow_storage_and_function: bool
    ) -> tuple[str, str | c_ast.Node] | None:
        """One specifier and what it is; None where there is none."""
        kind = token.type
        if kind in _SIMPLE_TYPES or kind == "TYPEID":
            self._advance()
            return "type", c_ast.IdentifierType([token.value], coord=self._tok_coord(token))
        if kind in _QUALIFIERS:
            return "qual", self._advance().value
        if kind in _STORAGE and allow_storage_and_function:
            return "storage", self._advance().value
        if kind in _FUNCTION and allow_storage_and_function:
            return "function", self._advance().value
        rule = _OTHER_SPECIFIERS.get(kind)
        return (rule[0], getattr(self, rule[1])()) if rule is not None else None

    def _parse_typeof_specifier(self) -> Typeof | AutoType:
        token = self._advance()
        if token.value == AUTO_TYPE:
            return AutoType(self._tok_coord(token))
        self._expect("LPAREN")
        expr = self._parse_type_name() if self._starts_declaration() else self._parse_expression()
        self._expect("RPAREN")
        return Typeof(expr, self._tok_coord(token))

    def _parse_struct_or_union_specifier(self) -> c_ast.Node:
        self.deeper()
        node = super()._parse_struct_or_union_specifier()
        if node.decls is not None:
            node.attributes = [*node.attributes, *self._parse_attribute_specifier_sequence()]
            if self._pack and self._pack[-1]:
                node.attributes.append(
                    Attribute(
                        "pack",
                        (c_ast.Constant("int", str(self._pack[-1]), node.coord),),
                        node.coord,
                    )
                )
        self.depth -= 1
        return node

    def _parse_enum_specifier(self) -> c_ast.Node:
        node = super()._parse_enum_specifier()
        if node.values is not None:
            node.attributes = [
                *(node.attributes or ()),
                *self._parse_attribute_specifier_sequence(),
            ]
        return node

    def _parse_struct_declarator(self) -> _Declarator:
        info: _Declarator = super()._parse_struct_declarator()
        if self._peek_type() == ATTRIBUTE:
            self._attach(info["decl"], self._parse_attribute_specifier_sequence())
        return info

    def _parse_pppragma_directive(self) -> c_ast.Node:
        node = super()._parse_pppragma_directive()
        words = node.string.replace("(", " ").replace(")", " ").replace(",", " ").split()
        if words[:1] == ["pack"]:
            number = next((int(each) for each in words if each.isdigit()), None)
            if "pop" in words:
                del self._pack[-1:]
            elif "push" in words:
                self._pack.append(number if number is not None else (self._pack or [0])[-1])
            else:
                self._pack[-1:] = [number or 0]
        return node

    def _parse_function_definition(self, spec: _Specifiers, decl: c_ast.Node) -> c_ast.Node:
        # A declaration behind a declarator is that of a parameter only in old C: f(a, b) int a, b; {}.
        if self._peek_type() != "LBRACE" and not _lists_names(decl):
            self._expect("SEMI")
        return super()._parse_function_definition(spec, decl)

    # ------------------------------------------------------------------ statements

    def _parse_statement(self) -> c_ast.Node:
        self.deeper()
        node = self._parse_asm() if self._peek_type() == ASM else super()._parse_statement()
        self.depth -= 1
        return node

    def _parse_selection_statement(self) -> c_ast.Node:
        """``else if`` is one level deep, however many there are."""
        if self._peek_type() != "IF":
            return super()._parse_selection_statement()
        first = last = self._parse_if()
        while self._accept("ELSE"):
            if self._peek_type() != "IF":
                last.iffalse = self._parse_pragmacomp_or_statement()
                break
            last.iffalse = self._parse_if()
            last = last.iffalse
        return first

    def _parse_if(self) -> c_ast.If:
        """``if (c) a``, without what is else."""
        token = self._advance()
        self._expect("LPAREN")
        cond = self._parse_expression()
        self._expect("RPAREN")
        then = self._parse_pragmacomp_or_statement()
        return c_ast.If(cond, then, None, self._tok_coord(token))

    def _parse_labeled_statement(self) -> c_ast.Node:
        if self._peek_type() != "CASE":
            return super()._parse_labeled_statement()
        token = self._advance()
        expr = self._parse_range()
        self._expect("COLON")
        coord = self._tok_coord(token)
        stmt = (
            self._parse_pragmacomp_or_statement()
            if self._starts_statement()
            else c_ast.EmptyStatement(coord)
        )
        return c_ast.Case(expr, [stmt], coord)

    def _parse_range(self) -> c_ast.Node:
        first = self._parse_constant_expression()
        if self._accept("ELLIPSIS"):
            return Range(first, self._parse_constant_expression(), first.coord)
        return first

    def _parse_asm(self) -> Asm:
        token = self._advance()
        volatile = False
        while self._peek_type() in {"VOLATILE", "INLINE"}:
            volatile = self._advance().type == "VOLATILE" or volatile
        self._expect("LPAREN")
        template = self._text()
        operands: list[tuple[Operand, ...]] = [(), ()]
        for at in range(2):
            if self._accept("COLON"):
                operands[at] = self._parse_operands()
        clobbers: list[str] = []
        if self._accept("COLON"):
            while self._peek_type() == "STRING_LITERAL":
                clobbers.append(self._text())
                if not self._accept("COMMA"):
                    break
        self._expect("RPAREN")
        self._expect("SEMI")
        return Asm(
            template,
            (operands[0], operands[1]),
            tuple(clobbers),
            volatile=volatile,
            coord=self._tok_coord(token),
        )

    def _parse_operands(self) -> tuple[Operand, ...]:
        found: list[Operand] = []
        while self._peek_type() in {"STRING_LITERAL", "LBRACKET"}:
            token = self._peek()
            name = ""
            if self._accept("LBRACKET"):
                name = self._parse_identifier_or_typeid().name
                self._expect("RBRACKET")
            constraint = self._text()
            self._expect("LPAREN")
            expr = self._parse_expression()
            self._expect("RPAREN")
            found.append(Operand(name, constraint, expr, self._tok_coord(token)))
            if not self._accept("COMMA"):
                break
        return tuple(found)

    def _text(self) -> str:
        """A string's text, escapes as they are."""
        if self._peek_type() != "STRING_LITERAL":
            self._parse_error("expected a string", None)
        return "".join(
            each for each in self._parse_unified_string_literal().value[1:-1].split('" "')
        )

    # ------------------------------------------------------------------ expressions

    def _parse_cast_expression(self) -> c_ast.Node:
        self.deeper()
        node = super()._parse_cast_expression()
        self.depth -= 1
        return node

    def _parse_conditional_expression(self) -> c_ast.Node:
        expr = self._parse_binary_expression()
        if not self._accept("CONDOP"):
            return expr
        self.deeper()
        iftrue = None if self._peek_type() == "COLON" else self._parse_expression()
        self._expect("COLON")
        iffalse = self._parse_conditional_expression()
        self.depth -= 1
        if iftrue is None:
            return Elvis(expr, iffalse, expr.coord)
        return c_ast.TernaryOp(expr, iftrue, iffalse, expr.coord)

    def _parse_assignment_expression(self) -> c_ast.Node:
        expr = self._parse_conditional_expression()
        if not self._is_assignment_op():
            return expr
        operator = self._advance().value
        self.deeper()
        value = self._parse_assignment_expression()
        self.depth -= 1
        return c_ast.Assignment(operator, expr, value, expr.coord)

    def _parse_unary_expression(self) -> c_ast.Node:
        if self._peek_type() not in {"PLUSPLUS", "MINUSMINUS", "SIZEOF"}:
            return super()._parse_unary_expression()
        self.deeper()
        node = super()._parse_unary_expression()
        self.depth -= 1
        return node

    def _parse_primary_expression(self) -> c_ast.Node:
        if self._peek_type() == "LPAREN" and self._peek_type(2) == "LBRACE":
            token = self._advance()
            body = self._parse_compound_statement()
            self._expect("RPAREN")
            return StmtExpr(body, self._tok_coord(token))
        return super()._parse_primary_expression()

    def _parse_argument_expression_list(self) -> c_ast.Node:
        exprs = [self._parse_argument()]
        while self._accept("COMMA"):
            exprs.append(self._parse_argument())
        return c_ast.ExprList(exprs, exprs[0].coord)

    def _parse_argument(self) -> c_ast.Node:
        """An expression, or a type as macros of the kernel take them: ``min_t(u32, a, b)``."""
        if self._starts_declaration():
            return self._parse_type_name()
        return self._parse_assignment_expression()

    def _parse_initializer(self) -> c_ast.Node:
        self.deeper()
        node = super()._parse_initializer()
        self.depth -= 1
        return node

    def _parse_initializer_item(self) -> c_ast.Node:
        if self._peek_type() in {"ID", "TYPEID"} and self._peek_type(2) == "COLON":
            name = self._parse_identifier_or_typeid()
            self._expect("COLON")
            return c_ast.NamedInitializer([name], self._parse_initializer())
        return super()._parse_initializer_item()

    def _parse_designator(self) -> c_ast.Node:
        if self._peek_type() != "LBRACKET":
            return super()._parse_designator()
        token = self._advance()
        expr = self._parse_range()
        self._expect("RBRACKET")
        return c_ast.ArrayDesignator(expr, self._tok_coord(token))


def _lists_names(decl: c_ast.Node) -> bool:
    """Whether a declarator is a function's whose parameters are named and not declared."""
    if not isinstance(decl, c_ast.FuncDecl) or decl.args is None:
        return False
    return any(isinstance(each, c_ast.ID) for each in decl.args.params)


_SIMPLE_TYPES = frozenset(
    {
        "VOID",
        "_BOOL",
        "CHAR",
        "SHORT",
        "INT",
        "LONG",
        "FLOAT",
        "DOUBLE",
        "_COMPLEX",
        "SIGNED",
        "UNSIGNED",
        "__INT128",
    }
)
_QUALIFIERS = frozenset({"CONST", "RESTRICT", "VOLATILE", "_ATOMIC"})
_STORAGE = frozenset({"AUTO", "REGISTER", "STATIC", "EXTERN", "TYPEDEF", "_THREAD_LOCAL"})
_FUNCTION = frozenset({"INLINE", "_NORETURN"})
_OTHER_SPECIFIERS = {
    "_ALIGNAS": ("alignment", "_parse_alignment_specifier"),
    "TYPEOF": ("type", "_parse_typeof_specifier"),
    "STRUCT": ("type", "_parse_struct_or_union_specifier"),
    "UNION": ("type", "_parse_struct_or_union_specifier"),
    "ENUM": ("type", "_parse_enum_specifier"),
}
