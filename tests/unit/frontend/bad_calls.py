"""Programs outside the language where they call functions; each has a golden file."""

import math

import syscast as sc


class Small(sc.Event):
    value: sc.u8


def _add(x, y, *, z=0):
    return x + y + z


def _only_positions(x, y=2, /):
    return x + y


def _any(*numbers):
    return 1


def _options(**options):
    return 1


def _nothing(x):
    if x > 1:
        return


def _sometimes(x):
    if x > 1:
        return x
    return None


def _number_or_text(x):
    if x > 1:
        return x
    return "none"


def _made(x):
    if x > 1:
        return Small(value=1)
    return Small(value=2)


def _maybe_made(x):
    if x > 1:
        return Small(value=1)
    return None


def _down(n):
    return _down(n - 1) if n else 0


def _even(n):
    return n == 0 or _odd(n - 1)


def _odd(n):
    return n != 0 and _even(n - 1)


def _numbers(n):
    yield n


async def _later(n):
    return n


def _reads_port(sk):
    return sk.skc_num


def _reads_wrong(sk):
    return sk.skc_nuum


def _outer_reads(sk):
    return _reads_wrong(sk)


def _makes_adder(by):
    def add(x):
        return x + by

    return add


_ADD_LIST = _makes_adder([1])
_ADD_HALF = _makes_adder(0.5)


class _Settings:
    def __init__(self, limit):
        self.limit = limit
        self.names = ["a"]

    def over(self, x):
        return x > self.limits

    def named(self, x):
        return x in self.names

    @property
    def broken(self):
        return 1 // 0


_SETTINGS = _Settings(1)


def call_with_too_many(sock, backlog):
    return Small(value=_add(backlog, 1, 2))


def call_with_too_few(sock, backlog):
    return Small(value=_add(backlog))


def call_with_unknown_keyword(sock, backlog):
    return Small(value=_add(backlog, 1, zz=3))


def call_with_two_values(sock, backlog):
    return Small(value=_add(backlog, 1, x=3))


def call_with_positional_by_keyword(sock, backlog):
    return Small(value=_only_positions(x=backlog))


def call_with_star(sock, backlog):
    return Small(value=_add(*backlog))


def call_of_any_arguments(sock, backlog):
    return Small(value=_any(backlog) + _options(a=1))


def call_without_value(sock, backlog):
    x = _nothing(backlog)
    return Small(value=_nothing(backlog) + 1)


def call_with_value_sometimes(sock, backlog):
    return Small(value=_sometimes(backlog))


def call_of_two_sorts(sock, backlog):
    return Small(value=_number_or_text(backlog))


def call_gives_event_inside_expression(sock, backlog):
    if _made(backlog):
        return


def call_maybe_emits(sock, backlog):
    sc.emit(_maybe_made(backlog))


def call_gives_number_to_probe(sock, backlog):
    return _add(backlog, 1)


def call_event_goes_nowhere(sock, backlog):
    _made(backlog)


def recursion(sock, backlog):
    return Small(value=_down(backlog))


def mutual_recursion(sock, backlog):
    if _even(backlog):
        return Small(value=1)


def probe_calls_itself(sock, backlog):
    return probe_calls_itself(sock, backlog - 1)


def call_of_generator(sock, backlog):
    return Small(value=_numbers(backlog))


def call_of_coroutine(sock, backlog):
    return Small(value=_later(backlog))


def wrong_inside_callee(sock, backlog):
    return Small(value=_outer_reads(sock.sk))


def wrong_argument_for_callee(sock, backlog):
    return Small(value=_reads_port(backlog))


def closure_over_list(sock, backlog):
    return Small(value=_ADD_LIST(backlog))


def closure_over_float(sock, backlog):
    return Small(value=_ADD_HALF(backlog))


def captured_object(sock, backlog):
    if backlog > _SETTINGS:
        return Small(value=1)


def captured_object_lacks(sock, backlog):
    if _SETTINGS.over(backlog):
        return Small(value=1)


def captured_object_has_list(sock, backlog):
    if _SETTINGS.named(backlog):
        return Small(value=1)


def captured_object_raises(sock, backlog):
    return Small(value=_SETTINGS.broken)


def call_of_class(sock, backlog):
    return Small(value=_Settings(backlog).limit)


def call_of_library(sock, backlog):
    return Small(value=math.gcd(backlog, 4))
