"""The preprocessor: pcpp, with kernel headers that are nothing, macros that are asked for when named, and places that survive.

pcpp runs directives, conditions, ``#define`` and the operators ``#`` and ``##``. What is replaced through its hooks: the lexer, how files are
found, messages, and the rescan of expanded macros, which in pcpp takes quadratic time, has no bound, and forgets columns.
"""

from __future__ import annotations

import posixpath
import sys
from functools import partial
from typing import TYPE_CHECKING, cast

from pcpp.preprocessor import Action, OutputDirective, Preprocessor

from syscast.diagnostics import CompileError, render
from syscast.frontend.c.conditions import Conditions, with_files_answered
from syscast.frontend.c.definitions import definitions
from syscast.frontend.c.flags import Flags
from syscast.frontend.c.places import UNDECODED, Files
from syscast.frontend.c.pptokens import (
    ID,
    INTEGER,
    NOTHING,
    SPACE,
    STRING,
    Lexer,
    Token,
    scan,
)
from syscast.frontend.c.predefined import predefined
from syscast.frontend.c.preprocessed import BLANK, KEPT_PRAGMAS, Output, Preprocessed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from syscast.frontend.c.surroundings import Surroundings

_MOST_TOKENS = 400_000
"""Tokens that macros may make in one text; funccount's longest takes a tenth."""
_LONGEST_TOKEN = 1 << 16
_DEEPEST_CALL = 64
"""Macro calls as arguments of macro calls."""
_DEEPEST_INCLUDE = 40
_MOST_INCLUDES = 2000
_COMMAND_LINE = "<command line>"
_FLAGS = "<cflags>"
_PRELUDE = "<prelude>"
_FOOTER = "<footer>"


def preprocess(  # noqa: PLR0913  (who calls it, what the text and where its macros come from are three things each)
    text: str | bytes,
    name: str,
    surroundings: Surroundings,
    cflags: Sequence[str] = (),
    *,
    macro: Callable[[str], str | None] | None = None,
    condition: Callable[[str], int | None] | None = None,
    prelude: str = "",
    footer: str = "",
    headers: Mapping[str, str] | None = None,
) -> Preprocessed:
    """Run the preprocessor over a text.

    Args:
        text: The user's C.
        name: Path under which messages name it.
        surroundings: The kernel: architecture, version, included files.
        cflags: Flags as a compiler takes them.
        macro: Asked once for each name that no one defined: what it is replaced by, None if it is no macro. For a macro with parameters
            the answer begins with the name: ``"min_t(type, a, b) ..."``.
        condition: What a name that is no macro stands for in ``#if``, None if it is not defined there either: numbers
            of kernel headers, which are no macros elsewhere, so that texts may use their names.
        prelude: Macros and C code that come first; its ``#define`` lines may not stand in conditions.
        footer: C code behind the user's.
        headers: Headers that have a text, such as ``bcc/proto.h``; all other kernel headers are empty.

    Raises:
        CompileError: A wrong directive, a missing file, macros without end.
    """
    run = _Run(surroundings, Flags.parse(cflags), macro, headers or {})
    run.condition = condition
    return run.all(text, name, prelude, footer)


class _Run(Preprocessor):
    """One run over one text."""

    def __init__(
        self,
        surroundings: Surroundings,
        flags: Flags,
        macro: Callable[[str], str | None] | None,
        headers: Mapping[str, str],
    ) -> None:
        self.files = Files()
        self.warnings: list[str] = []
        self._surroundings = surroundings
        self._flags = flags
        self._macro = macro
        self._headers = headers
        self.condition: Callable[[str], int | None] | None = None
        self._asked: set[str] = set()
        self._known: tuple[Mapping[str, str], ...] = ()
        self._incoming: tuple[int, str] = (0, "")
        self._directories: list[str] = [""]
        self._reading: list[str] = []
        self._includes = 0
        self._left = _MOST_TOKENS
        self._depth = 0
        self._uses = 1
        self.lastdirective: Token | None = None
        super().__init__(lexer=Lexer(self._named))
        self.evaluator = Conditions(self.lexer, partial(self._files_answered, expanded=True))
        self.rewrite_paths: list[tuple[str, str]] = []
        self.expand_linemacro = False
        self._asked.clear()

    # ------------------------------------------------------------------ the whole

    def all(self, text: str | bytes, name: str, prelude: str, footer: str) -> Preprocessed:
        """Prelude, flags, included files, the text, footer."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        self._check_encoding(text, name)
        first = definitions(prelude)
        self._known = (
            first.macros,
            predefined(self._surroundings.arch, self._surroundings.version_code),
        )
        output = Output(self.files)
        if first.code:
            output.take(self.parsegen(first.code, _PRELUDE, _PRELUDE))
        if self._flags.macros:
            output.take(
                self.parsegen("\n".join(self._flags.macros) + "\n", _COMMAND_LINE, _COMMAND_LINE)
            )
        files = self._flags.files
        place = self.files.add(_FLAGS, "\n".join(map(" ".join, files))) if files else 0
        for flag, file in files:
            at = place + len(flag) + 1
            output.take(self._include_file(file, at, required=True, length=len(file)))
            place = at + len(file) + 1
        self._reading.append(name)
        self._directories.append(posixpath.dirname(name))
        output.take(self.parsegen(text, name, name))
        output.end()
        if footer:
            output.take(self.parsegen(footer, _FOOTER, _FOOTER))
        return output.done(tuple(self.warnings))

    def _check_encoding(self, text: str, name: str) -> None:
        """Bytes that are no UTF-8 are kept (as Python's ``surrogateescape`` does), which is worth a warning."""
        if text.isascii():
            return
        found = UNDECODED.search(text)
        if found is not None:
            line = text.count("\n", 0, found.start()) + 1
            self.warnings.append(
                f"{name}:{line}: warning: byte {ord(found[0]) & 0xFF:#x} is not UTF-8"
            )

    # ------------------------------------------------------------------ messages

    def fail(self, place: int, message: str, *, hint: str = "", length: int = 0) -> CompileError:
        """The error to raise."""
        return CompileError([self.files.diagnostic(place, message, hint=hint, length=length)])

    def on_error(self, file: object, line: int, msg: str) -> None:
        """Raise what pcpp found, in our words."""
        del file
        caught = sys.exception()
        if isinstance(caught, CompileError):
            raise caught
        place = line or (self.lastdirective.lineno if self.lastdirective else 1)
        if msg.startswith("Unterminated"):
            raise self.fail(place, "this condition has no #endif")
        if msg.startswith("Could not evaluate"):
            raise self.fail(place, "this condition is not a constant expression of integers")
        if msg.startswith("Empty expression"):
            raise self.fail(place, "a condition is missing")
        raise self.fail(place, msg[0].lower() + msg[1:])

    def on_directive_handle(
        self, directive: Token, toks: list[Token], ifpassthru: object, precedingtoks: object
    ) -> bool:
        """Check what pcpp takes for granted."""
        del ifpassthru, precedingtoks
        self.lastdirective = directive
        name = directive.value
        if name in {"define", "undef", "ifdef", "ifndef"}:
            if not toks:
                raise self.fail(directive.lineno, f"#{name} without a name")
            if toks[0].type != ID:
                raise self.fail(
                    toks[0].lineno,
                    f"a macro cannot be named {toks[0].value}",
                    length=toks[0].length,
                )
        elif name == "pragma" and not toks:
            raise OutputDirective(Action.IgnoreAndRemove)
        elif name in {"if", "elif"} and not toks:
            raise self.fail(directive.lineno, f"#{name} without a condition")
        return True

    def on_directive_unknown(
        self, directive: Token, toks: list[Token], ifpassthru: object, precedingtoks: object
    ) -> bool | None:
        """``#error``, ``#warning``, ``#pragma``; all others are wrong."""
        del ifpassthru, precedingtoks
        words = "".join(each.value for each in toks)
        match directive.value:
            case "error":
                raise self.fail(directive.lineno, f"#error {words}".rstrip())
            case "warning":
                found = self.files.diagnostic(directive.lineno, f"#warning {words}".rstrip())
                self.warnings.append(render(found, severity="warning"))
                return True
            case "pragma":
                return None if words.startswith(KEPT_PRAGMAS) else True
            case "line" | "ident" | "sccs":
                return True
            case _ if directive.type == INTEGER:
                return True
        raise self.fail(
            directive.lineno, f"unknown directive #{directive.value}", length=directive.length
        )

    # ------------------------------------------------------------------ names

    def _named(self, name: str) -> None:
        """An identifier was read somewhere: define it if it is a macro that waits for being named."""
        if name in self._asked:
            return
        self._asked.add(name)
        if name in self.macros:
            return
        for known in self._known:
            if name in known:
                self.define(known[name])
                return
        if self._macro is not None:
            answer = self._macro(name)
            if answer is not None:
                self.define(answer if answer.startswith(f"{name}(") else f"{name} {answer}")

    def define(self, tokens: str | list[Token]) -> None:
        """Define a macro; its body stands nowhere, so that what it makes stands where it is used."""
        if isinstance(tokens, str):
            tokens = list(scan(tokens, 0, self._named))
        place = tokens[0].lineno
        name = tokens[0].value
        if name == "__VA_OPT__":
            raise self.fail(
                place,
                f"macro '{name}': it belongs to macros with variable arguments and cannot be defined",
            )
        if any(each.value == "__VA_OPT__" for each in tokens):
            full, empty = _optional(tokens)
            self.define(empty)
            without = self.macros.get(name)
            self.define(full)
            if name in self.macros:  # else the preprocessor refused the name
                self.macros[name].without = without
            return
        try:
            super().define(tokens)
        except IndexError:
            raise self.fail(
                place, f"macro '{name}': its parameters are not a list of names"
            ) from None
        macro = self.macros.get(name)
        if macro is None:
            return
        for each in macro.value:
            each.lineno = each.length = 0
        if macro.arglist is None and any(each.value == "##" for each in macro.value):
            macro.value = _without_blanks_around_pastes(macro.value)
            macro.arglist, macro.variadic = [], False
            self.macro_prescan(macro)
            macro.arglist = None

    def on_unknown_macro_in_defined_expr(self, tok: Token) -> bool:
        """``defined(NAME)``, ``#ifdef NAME`` of what is no macro."""
        return self.condition is not None and self.condition(tok.value) is not None

    def on_unknown_macro_in_expr(self, ident: str) -> int:
        """What is no macro is zero in ``#if``, unless kernel headers give it a number."""
        return (self.condition(ident) if self.condition else None) or 0

    def evalexpr(self, tokens: list[Token]) -> tuple[int, list[Token] | None]:
        """Files are asked for before macros in their names would be replaced, and again where macros named them."""
        answered = self._files_answered(tokens, expanded=False)
        return cast("tuple[int, list[Token] | None]", super().evalexpr(answered))

    def _files_answered(self, tokens: list[Token], *, expanded: bool) -> list[Token]:
        return with_files_answered(tokens, self._has_file, self._no_file, expanded=expanded)

    def _has_file(self, name: str, quoted: bool) -> bool:  # noqa: FBT001  (no flag: a kind of name)
        """Whether ``#include`` would take it: kernel headers always, since they are nothing."""
        return not quoted or name in self._headers or self._found(name, quoted=True) is not None

    def _no_file(self, token: Token) -> CompileError:
        message = '__has_include takes <file> or "file"'
        return self.fail(token.lineno, message, length=token.length)

    # ------------------------------------------------------------------ files

    def parsegen(
        self,
        input: str,  # noqa: A002  (pcpp's name)
        source: str | None = None,
        abssource: str | None = None,
    ) -> Iterator[Token]:
        """Read a file; its text goes round pcpp, which would replace trigraphs."""
        self._incoming = (self.files.add(source or "", input), input)
        return cast("Iterator[Token]", super().parsegen("", source, abssource))

    def group_lines(self, input: str, abssource: str | None) -> Iterator[list[Token]]:  # noqa: A002  (pcpp's name)
        """Tokens line by line, each with its newline."""
        del input, abssource
        base, text = self._incoming
        return self._lines(base, text)

    def _lines(self, base: int, text: str) -> Iterator[list[Token]]:
        line: list[Token] = []
        for token in scan(text, base, self._named):
            line.append(token)
            if token.value == "\n":
                yield line
                line = []
        if line:
            line.append(Token(SPACE, "\n", base + len(text), 0))
            yield line

    def include(self, tokens: list[Token], original_line: object) -> Iterator[Token]:
        """``#include``: a user's file is read, a kernel header is nothing."""
        del original_line
        if not tokens:
            raise self.fail(
                self.lastdirective.lineno if self.lastdirective else 1, "#include without a file"
            )
        place, length = tokens[0].lineno, tokens[-1].lineno + tokens[-1].length - tokens[0].lineno
        words = "".join(each.value for each in tokens)
        if words.startswith("<") and ">" in words:
            return self._include_file(
                words[1 : words.index(">")], place, required=False, length=length
            )
        if tokens[0].type == STRING:
            return self._include_file(tokens[0].value[1:-1], place, required=True, length=length)
        raise self.fail(place, '#include takes <file> or "file"', length=max(length, 0))

    def _include_file(
        self, name: str, place: int, *, required: bool, length: int = 0
    ) -> Iterator[Token]:
        if name in self._headers:
            yield from self._read(name, self._headers[name], place)
            return
        found = self._found(name, quoted=required)
        if found is not None:
            path, content = found
            if path not in self.include_once:
                text = content.decode("utf-8", "surrogateescape")
                self._check_encoding(text, path)
                yield from self._read(path, text, place)
        elif required:
            raise self.fail(
                place,
                f"there is no file '{name}'",
                hint='kernel headers are written <in/brackets.h>; "quotes" name files of yours, sought beside the script and in -I folders',
                length=length,
            )

    def _found(self, name: str, *, quoted: bool) -> tuple[str, bytes] | None:
        """A file of the user's, beside the one that names it in quotes and in -I folders."""
        here = [self._directories[-1]] if quoted else []
        for folder in (*here, *self._flags.folders):
            found = self._surroundings.include(name, folder)
            if found is not None:
                return found
        return None

    def _read(self, path: str, text: str, place: int) -> Iterator[Token]:
        self._includes += 1
        if len(self._reading) >= _DEEPEST_INCLUDE or self._includes > _MOST_INCLUDES:
            cycle = "it includes itself" if path in self._reading else "too many files in files"
            raise self.fail(
                place,
                f"#include of '{path}': {cycle}",
                hint="#pragma once, or #ifndef ... #endif around the file",
            )
        self._reading.append(path)
        self._directories.append(posixpath.dirname(path))
        yield from self.parsegen(text, path, path)
        self._reading.pop()
        self._directories.pop()

    # ------------------------------------------------------------------ macros

    def expand_macros(self, tokens: list[Token], expanding_from: object = None) -> list[Token]:
        """Replace macros until none is left; a name is not replaced again in what it was replaced by (Prosser's hide sets)."""
        del expanding_from
        uses, self._uses = self._uses, 1
        macros = self.macros
        done: list[Token] = []
        work = tokens[::-1]
        while work:
            token = work.pop()
            if token.type == ID:
                macro = macros.get(token.value)
                if macro is not None and token.value not in token.hide:
                    replacement = self._replacement(macro, token, work)
                    if replacement is not None:
                        work.extend(reversed(replacement))
                        continue
                elif token.value in {"__LINE__", "__COUNTER__"}:
                    token = self._number(token)
            done.append(token)
        if len(done) * uses > _MOST_TOKENS:
            raise self._bomb(done[0].lineno or 1)
        return done

    def _number(self, token: Token) -> Token:
        if token.value == "__LINE__":
            value = self.files.line(token.lineno)
        else:
            value = self.countermacro
            self.countermacro += 1
        return Token(INTEGER, str(value), token.lineno, token.length)

    def _bomb(self, place: int) -> CompileError:
        """Too much came of the macro that stands at a place."""
        name = f"macro '{self.files.word(place)}'"
        return self.fail(
            place,
            f"{name} expands to more than {_MOST_TOKENS:,} tokens",
            hint="macros that each name the next one twice grow without end",
        )

    def _replacement(self, macro: _Macro, token: Token, work: list[Token]) -> list[Token] | None:
        """What a macro's name stands for here; takes its arguments off ``work``. None where it is no call."""
        if macro.arglist is None:
            hide = token.hide | {macro.name}
            pasted = hasattr(macro, "patch")
            body = self.macro_expand_args(macro, [], token) if pasted else macro.value
        else:
            at = len(work) - 1
            while at >= 0 and work[at].type in BLANK:
                at -= 1
            if at < 0 or work[at].value != "(":
                return None
            del work[at:]
            args, last = self._arguments(macro, token, work)
            hide = (token.hide & last.hide) | {macro.name}
            if macro.variadic and not args[-1]:
                macro = getattr(macro, "without", macro)
            body = self.macro_expand_args(macro, args, token)
        return self._placed(macro, token, body, hide)

    def _placed(
        self, macro: _Macro, token: Token, body: list[Token], hide: frozenset[str]
    ) -> list[Token]:
        self._left -= len(body)
        if self._left < 0:
            raise self._bomb(token.lineno)
        replacement = []
        for each in body:
            twin = each.__copy__()
            if not twin.lineno:
                twin.lineno, twin.length = token.lineno, 0
            twin.hide = hide if each.hide is NOTHING else hide | each.hide
            if len(each.value) > _LONGEST_TOKEN:
                raise self.fail(
                    token.lineno,
                    f"macro '{macro.name}' makes one token of more than {_LONGEST_TOKEN:,} characters",
                )
            replacement.append(twin)
        return replacement

    def _arguments(
        self, macro: _Macro, token: Token, work: list[Token]
    ) -> tuple[list[list[Token]], Token]:
        """Arguments of a call whose ``(`` is taken, and its ``)``."""
        args: list[list[Token]] = [[]]
        depth = 0
        parameters = macro.arglist or []
        while work:
            each = work.pop()
            value = each.value
            if value == "(":
                depth += 1
            elif value == ")":
                if not depth:
                    return self._checked(macro, token, args), each
                depth -= 1
            elif (
                value == ","
                and not depth
                and not (macro.variadic and len(args) >= len(parameters))
            ):
                args.append([])
                continue
            args[-1].append(each)
        raise self.fail(
            token.lineno,
            f"the call of macro '{macro.name}' has no closing parenthesis",
            length=token.length,
        )

    def _checked(self, macro: _Macro, token: Token, args: list[list[Token]]) -> list[list[Token]]:
        args = [self.tokenstrip(each) for each in args]
        wanted = len(macro.arglist or [])
        if args == [[]] and wanted == 0:
            return []
        if macro.variadic and len(args) == wanted - 1:
            args.append([])
        if len(args) != wanted:
            least = f"at least {wanted - 1}" if macro.variadic else str(wanted)
            given = 0 if args == [[]] else len(args)
            raise self.fail(
                token.lineno,
                f"macro '{macro.name}' takes {least} argument{'' if least == '1' else 's'}, {given} given",
                length=token.length,
            )
        return args

    def macro_expand_args(
        self, macro: _Macro, args: list[list[Token]], token: Token | None = None
    ) -> list[Token]:
        """pcpp's, within bounds."""
        place = token.lineno if token else 1
        if self._depth >= _DEEPEST_CALL:
            raise self.fail(
                place,
                f"calls of macro '{macro.name}' stand in one another more than {_DEEPEST_CALL} deep",
            )
        self._depth += 1
        self._uses = max(len(macro.patch), 1)
        if self._uses * max((len(each) for each in args), default=0) > _MOST_TOKENS:
            raise self._bomb(place)
        body = cast("list[Token]", super().macro_expand_args(macro, args))
        self._uses = 1
        self._depth -= 1
        return body


def _without_blanks_around_pastes(body: list[Token]) -> list[Token]:
    kept: list[Token] = []
    for each in body:
        if each.type in BLANK and kept and kept[-1].value == "##":
            continue
        if each.value == "##":
            while kept and kept[-1].type in BLANK:
                kept.pop()
        kept.append(each)
    return kept


def _optional(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """A definition with what stands in ``__VA_OPT__(...)``, for calls with variable arguments, and without it, for those with none."""
    full: list[Token] = []
    empty: list[Token] = []
    depth = 0
    waiting = False
    for each in tokens:
        if each.value == "__VA_OPT__" and not depth:
            waiting = True
        elif waiting:
            waiting = each.type in BLANK
            depth = int(each.value == "(")
        elif depth:
            depth += (each.value == "(") - (each.value == ")")
            if depth:
                full.append(each)
        else:
            full.append(each)
            empty.append(each)
    return full, empty


class _Macro:
    """What pcpp knows of a macro."""

    name: str
    value: list[Token]
    arglist: list[str] | None
    variadic: bool
    patch: list[tuple[str, int, int]]
