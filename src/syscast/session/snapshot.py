"""Pull without events: tables of the kernel as rows, by BPF iterators.

`iterator` declares what a row is; the kernel runs it for each element of a table (each TCP socket, each
open file of each task) while the table is read. The rows are events like any other; what stands around
one (`Event.envelope`) is the reader's, since it is the reader's system call that the program runs in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, ParamSpec, TypedDict, TypeVar, cast

from syscast.errors import KernelError, NotSupportedError, SyscastError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator as Iterable
    from typing import Unpack

    from syscast.events.event import Event
    from syscast.session.plan import Job, Plan
    from syscast.session.scope import Narrowing, Scope
    from syscast.session.table import Table

P = ParamSpec("P")
E = TypeVar("E", bound="Event")
R_co = TypeVar("R_co", covariant=True)
KIND = "iter:"


class ScopeOptions(TypedDict, total=False):
    """The arguments of `Iterator.snapshot`; `syscast.session.scope.Scope` says what each is."""

    pid: int | None
    tid: int | None
    netns: int | str | None
    cgroup: str | None
    order: str | None
    map: int | None


class Iterator(Generic[P, R_co]):
    """A function of the probe language that makes a row of an element of a kernel's table.

    Calling it runs the Python function itself.

    Attributes:
        function: The Python function.
        table: The table's name: ``tcp``, ``task_file``.
        where: A function of its rows; only those for which it is true are given.
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        table: str,
        where: Callable[[Event], object] | None = None,
    ) -> None:
        self.function = function
        self.table = table
        self.where = where
        self.__doc__ = function.__doc__
        self.__name__: str = str(getattr(function, "__name__", table))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the Python function."""
        return self.function(*args, **kwargs)

    @property
    def __probed__(self) -> Callable[P, R_co]:
        """The function, for probes that call this one as a function."""
        return self.function

    def __repr__(self) -> str:
        return f"<Iterator {self.table}>"

    def job(self) -> Job:
        """What to compile and load."""
        from syscast.session.plan import Job  # noqa: PLC0415  (declaring one loads nothing)

        where = None
        if self.where is not None:
            from syscast.events.where import Where  # noqa: PLC0415  (only with filters)

            where = Where((self.where,))
        return Job(KIND + self.table, "probe", self.function, self.table, where=where)

    def open(self: Iterator[P, E | None], **scope: Unpack[ScopeOptions]) -> Table[E]:
        """Compile and load; the table can then be read again and again. Close it at the end.

        Args:
            scope: Which part of the table; see `syscast.session.scope.Scope`.

        Raises:
            CompileError: The function is outside the language; the message shows the place.
            TargetError: The kernel has no such table; the message has near matches.
            NotSupportedError: The kernel has no iterators, or was built without this table.
            PermissionDeniedError: A capability is missing; the message names it.
            UsageError: The table is none to choose from in such a way.
        """
        from syscast.session.scope import Scope  # noqa: PLC0415  (declaring one loads nothing)

        try:
            return cast("Table[E]", open_table(self.job(), Scope(**scope)))
        except SyscastError as error:
            raise error.with_traceback(None) from error.__cause__

    def snapshot(self: Iterator[P, E | None], **scope: Unpack[ScopeOptions]) -> list[E]:
        """All rows as they are now; arguments and errors as of `open`.

        A table that changes meanwhile may have rows from before and after a change.
        """
        with self.open(**scope) as table:
            return table.snapshot()

    def rows(self: Iterator[P, E | None], **scope: Unpack[ScopeOptions]) -> Iterable[E]:
        """The rows one by one, read in portions of some hundred; arguments and errors as of `open`."""
        with self.open(**scope) as table:
            yield from table.rows()


def iterator(
    table: str, *, where: Callable[[Event], object] | None = None
) -> Callable[[Callable[P, R_co]], Iterator[P, R_co]]:
    """Make a function one that gives rows of a table: ``@sc.iterator("tcp")``.

    Its parameters are the table's (``syscast snapshot`` lists them), in their order or by name. What it
    returns is the row; for None there is no row.

    Args:
        table: The table's name.
        where: A function of a row; only rows for which it is true are given.
    """
    named: object = table
    if not isinstance(named, str) or not named:  # such as the function, for want of parentheses
        raise UsageError('iterator: declare: it names no table (@sc.iterator("tcp"))')

    def bind(function: Callable[P, R_co]) -> Iterator[P, R_co]:
        return Iterator(function, table, where)

    return bind


def open_table(job: Job, scope: Scope) -> Table[Event]:
    """`Iterator.open` for what need not be a decorated function; raises as that."""
    from syscast.session.attach import check_rights  # noqa: PLC0415  (declaring one loads nothing)
    from syscast.session.plan import plan  # noqa: PLC0415

    check_rights(f"iterator '{job.target.removeprefix(KIND)}'")
    (planned,) = plan([job])
    (choice,) = planned.choices
    from syscast.session.scope import Narrowing  # noqa: PLC0415  (as above)

    narrowing = Narrowing(choice.target, choice.types, scope)
    try:
        return _load(planned, narrowing)
    except BaseException:
        narrowing.close()
        raise


def _load(planned: Plan, narrowing: Narrowing) -> Table[Event]:
    from syscast.link.iterator import IteratorLink  # noqa: PLC0415  (declaring one loads nothing)
    from syscast.session.delivery import DEFAULT  # noqa: PLC0415
    from syscast.session.filters import Filters  # noqa: PLC0415
    from syscast.session.part import Part  # noqa: PLC0415

    part = Part.load(planned, Filters(pid=narrowing.pid, tid=narrowing.tid), DEFAULT)
    try:
        part.sift_by(planned.sifted)
        ((name, program),) = part.loaded.programs.items()
        try:
            link = IteratorLink.attach(program.fd, program.spec.target, narrowing.info)
        except KernelError as error:
            raise _refused(error, program.spec.target) from error
        part.links[name] = link
        return _table_class(narrowing)(part, link, narrowing)
    except BaseException:
        part.close()
        raise


def _table_class(narrowing: Narrowing) -> type[Table[Event]]:
    if narrowing.cgroup is None:
        from syscast.session.table import Table  # noqa: PLC0415  (declaring one loads nothing)

        return Table
    from syscast.session.cgroupwalk import CgroupTable  # noqa: PLC0415  (cgroups only)

    return CgroupTable


def _refused(error: KernelError, table: str) -> KernelError:
    """Say what a table wanted that was refused without a word."""
    import errno  # noqa: PLC0415  (only when refused)

    cures = {
        errno.EBADF: "it has the elements of something that has to be given",
        errno.EINVAL: "what it was narrowed down to does not fit",
        errno.E2BIG: "this kernel cannot narrow it down so",
    }
    cure = cures.get(error.errno)
    if cure is None:
        return error
    kind = NotSupportedError if error.errno == errno.E2BIG else KernelError
    return kind(f"iterator '{table}': open: {cure}", error.errno, error.command)
