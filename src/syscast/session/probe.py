"""``Probe``: a Python function bound to a kernel target, and the decorators that make it."""

from __future__ import annotations

from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Generic, ParamSpec, Self, TypedDict, TypeVar, overload

from syscast.errors import SyscastError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Unpack

    from syscast.events.event import Event
    from syscast.probes.kind import Role
    from syscast.session.plan import Job
    from syscast.session.session import Session

_BEST = {"function", "call"}
_PAIRED = {"call", "syscall"}

_CO_GENERATOR = 0x20  # inspect.CO_GENERATOR

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
E = TypeVar("E", bound="Event")


class AttachOptions(TypedDict, Generic[E], total=False):
    """The arguments of `Probe.attach`; `syscast.attach` says what each is."""

    pid: int | None
    tid: int | None
    comm: str | None
    uid: int | None
    cgroup: str | None
    netns: int | str | None
    follow: bool
    where: Callable[[E], object] | None
    command: list[str] | None
    ring_size: int | None
    latency: str | float
    mode: str
    rings: str
    pressure: str
    limit: str | None
    budget: str | float | None
    cost: bool


class Probe(Generic[P, R_co]):
    """A function of the probe language and the place in the kernel where it runs.

    Calling it runs the Python function itself, which is how its logic is tested without a kernel.

    Attributes:
        function: The Python function.
        kind: The probe kind's name; ``function`` and ``call`` take the best one available.
        target: The kernel function, tracepoint or syscall.
        where: A function of its events; only those for which it is true are sent.
        name: What events say they come from: the target.
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        kind: str,
        target: str,
        where: Callable[[Event], object] | None = None,
    ) -> None:
        self.function = function
        self.where = where
        self.kind = kind
        self.target = target
        self.__doc__ = function.__doc__
        self.__name__: str = str(getattr(function, "__name__", target))

    @property
    def name(self) -> str:
        """The probe's name in events and messages."""
        return self.target

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the Python function."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object | None, owner: type) -> Self:
        """In a class: the probe as it is; of an object: the probe of that object, as its method."""
        if instance is None or not isinstance(self.function, FunctionType):
            return self
        bound: Callable[P, R_co] = MethodType(self.function, instance)
        return type(self)(bound, self.kind, self.target, self.where)

    @property
    def __probed__(self) -> Callable[P, R_co]:
        """The function, for probes that call this one as a function."""
        return self.function

    def __repr__(self) -> str:
        return f"<Probe {self.kind}:{self.target}>"

    def job(self) -> Job:
        """What to attach: the target, how many programs it takes, the function."""
        from syscast.session.plan import Job  # noqa: PLC0415

        target = self.target if self.kind in _BEST else f"{self.kind}:{self.target}"
        paired = self.kind in _PAIRED or _is_generator(self.function)
        where = None
        if self.where is not None:
            from syscast.events.where import Where  # noqa: PLC0415  (only with filters)

            where = Where((self.where,))
        role: Role = "call" if paired else "probe"
        return Job(target, role, self.function, self.name, where=where)

    # Any: what the kernel function returns is sent into the generator; its type does not matter.
    @overload
    def attach(  # type: ignore[explicit-any]
        self: Probe[P, Generator[None, Any, E | None]], **options: Unpack[AttachOptions[E]]
    ) -> Session[E]: ...

    @overload
    def attach(
        self: Probe[P, None], **options: Unpack[AttachOptions[Event]]
    ) -> Session[Event]: ...

    @overload
    def attach(self: Probe[P, E | None], **options: Unpack[AttachOptions[E]]) -> Session[E]: ...

    def attach(self, **options: Unpack[AttachOptions[Any]]) -> Session[Event]:
        """Compile, load and attach; see `syscast.attach` for the arguments and errors."""
        from syscast.session.attach import attach  # noqa: PLC0415  (declaring a probe loads nothing)

        try:
            return attach(self, **options)
        except SyscastError as error:
            raise error.with_traceback(None) from error.__cause__


def _is_generator(function: object) -> bool:
    """As ``inspect.isgeneratorfunction``; importing inspect costs a start 5 ms."""
    code: object = getattr(function, "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & _CO_GENERATOR)


class _Decorator:
    """``@kind``, ``@kind()`` and ``@kind("target")``, also with a filter: ``where=lambda e: ...``."""

    def __init__(self, kind: str, doc: str) -> None:
        self._kind = kind
        self.__doc__ = doc

    @overload
    def __call__(self, target: Callable[P, R_co], /) -> Probe[P, R_co]: ...

    @overload
    def __call__(
        self, target: str = "", /, *, where: Callable[[Event], object] | None = None
    ) -> Callable[[Callable[P, R_co]], Probe[P, R_co]]: ...

    def __call__(
        self,
        target: Callable[P, R_co] | str = "",
        /,
        *,
        where: Callable[[Event], object] | None = None,
    ) -> Probe[P, R_co] | Callable[[Callable[P, R_co]], Probe[P, R_co]]:
        if callable(target):
            return self._probe(target, "")
        name = target

        def bind(function: Callable[P, R_co]) -> Probe[P, R_co]:
            return self._probe(function, name, where)

        return bind

    def _probe(
        self,
        function: Callable[P, R_co],
        target: str,
        where: Callable[[Event], object] | None = None,
    ) -> Probe[P, R_co]:
        own = getattr(function, "__name__", "")
        if not target and not own.isidentifier():
            raise UsageError(
                f'probe: declare: a {type(function).__name__} has no name (@sc.{self._kind}("target"))'
            )
        return Probe(function, self._kind, target or own, where)


kprobe: _Decorator = _Decorator(
    "kprobe", "Run at a kernel function's entry, through a breakpoint or ftrace."
)
kretprobe: _Decorator = _Decorator(
    "kretprobe", "Run when a kernel function returns; sees ``ret`` only."
)
fentry: _Decorator = _Decorator(
    "fentry", "Run at a kernel function's entry, through a BPF trampoline."
)
fexit: _Decorator = _Decorator(
    "fexit", "Run when a kernel function returns; sees arguments and ``ret``."
)
tracepoint: _Decorator = _Decorator(
    "tracepoint", 'Run at a static tracepoint: ``@sc.tracepoint("sched:sched_process_exec")``.'
)
raw_tracepoint: _Decorator = _Decorator(
    "raw_tracepoint", "Run at a tracepoint with its own typed arguments, before formatting."
)
syscall: _Decorator = _Decorator(
    "syscall", "Run when a system call returns: arguments by name, ``ret``, ``duration``."
)
uprobe: _Decorator = _Decorator(
    "uprobe", 'Run at a place in a program or library: ``@sc.uprobe("/bin/bash:readline")``.'
)
uretprobe: _Decorator = _Decorator(
    "uretprobe", "Run when a function of a program or library returns; sees ``ret`` only."
)
usdt: _Decorator = _Decorator(
    "usdt",
    'Run where the author of a program put a mark: ``@sc.usdt("/usr/bin/python3:python:line")``.',
)
profile: _Decorator = _Decorator(
    "profile", 'Run so often a second on each CPU: ``@sc.profile("99hz")``.'
)
interval: _Decorator = _Decorator(
    "interval", 'Run so often a second on one CPU: ``@sc.interval("1s")``.'
)
software: _Decorator = _Decorator(
    "software", 'Run at an event that the kernel counts: ``@sc.software("page-faults:100")``.'
)
hardware: _Decorator = _Decorator(
    "hardware", 'Run at an event that the machine counts: ``@sc.hardware("cycles:1000000")``.'
)
function: _Decorator = _Decorator(
    "function", "Run at a kernel function's entry, by the best way this machine has."
)
call: _Decorator = _Decorator(
    "call", "Run at entry and exit of a kernel function or syscall, as a generator."
)
