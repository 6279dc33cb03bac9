"""Probes that call functions in every way; each is compared with itself in plain Python."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import written_elsewhere
from written_elsewhere import clamp, describe, scaled

import syscast as sc
from syscast import i64, u64


class Answer(sc.Event):
    value: i64


class Wide(sc.Event):
    value: u64


class Text(sc.Event):
    text: str


class Two(sc.Event):
    first: i64
    second: i64


LIMIT = 1024
is_low = lambda p: p < LIMIT
pair = (lambda x: x + 1, lambda x: x * 2)
plus, twice = pair


def add(x, y=10, /, z=100, *, w=1000):
    return x + y + z + w


def defaults(a, b, c):
    return Answer(value=add(a) + add(a, 2) + add(a, 2, 3) + add(a, z=5, w=7))


def sign(x):
    if x < 0:
        return -1
    if x == 0:
        return 0
    return 1


def early(a, b, c):
    return Answer(value=sign(a) * 100 + sign(c))


def either(a, x):
    """An i64 on one path, a u64 on the other."""
    if a > 5:
        return a
    return x


def kinds(a, b, c):
    return Wide(value=either(a, b))


def truth(x):
    if x > 10:
        return True
    return x == 3


def bools(a, b, c):
    if truth(a):
        return Answer(value=truth(c))
    return None


def mixed(x):
    if x > 10:
        return x > 20
    return x


def bool_or_int(a, b, c):
    return Answer(value=mixed(a) + 1)


def only_for_effect(a):
    if a > 5:
        sc.emit(Answer(value=a))
        return
    sc.emit(Answer(value=-a if a > -100 else 0))


def effects(a, b, c):
    only_for_effect(a)
    only_for_effect(c)


def make(x):
    if x < 0:
        return None
    if x > 1000:
        return Answer(value=1000)
    return Answer(value=x)


def make_through(x):
    return make(x + 1) if x != 7 else None


def events(a, b, c):
    return make(a)


def events_deeper(a, b, c):
    return make_through(a)


def always(x):
    if x & 1:
        return Answer(value=x)
    return Answer(value=0)


def emitted(a, b, c):
    sc.emit(always(a))
    sc.emit(always(c))
    return Answer(value=always_odd(a))


def always_odd(x):
    return x | 1


def lambdas(a, b, c):
    if is_low(a):
        return Answer(value=plus(a))
    return Answer(value=twice(a))


def shadow(a):
    """Locals of its own, with names of the caller's."""
    c = a
    c += 1
    b = c * 2
    return b


def scopes(a, b, c):
    value = shadow(a)
    d = shadow(c)
    return Two(first=value + c, second=d + a)


def reassigns(x):
    x = x // 3
    x += 1
    return x


def arguments_stay(a, b, c):
    y = reassigns(a)
    return Two(first=y, second=a)


def divide(x, y):
    return x // y


def raises_inside(a, b, c):
    return Answer(value=divide(a, c))


def both(x):
    return x + 1, x - 1


def some(x):
    if x > 0:
        return x, True
    return -1, False


def tuples(a, b, c):
    first, second = both(a)
    value, good = some(c)
    return Two(first=first * second if good else 0, second=value)


def name_of(port):
    if port == 80:
        return "http"
    if port == 443:
        return "https"
    return "?"


def texts(a, b, c):
    return Text(text=name_of(a))


def apply(function, x):
    return function(function(x))


def higher(a, b, c):
    return Two(first=apply(plus, a), second=apply(written_elsewhere.halved, c))


def modules(a, b, c):
    return Two(first=clamp(a, 0, written_elsewhere.TOP), second=scaled(c))


@dataclass(frozen=True)
class Inner:
    factor: int


@dataclass(frozen=True)
class Settings:
    limit: int
    inner: Inner

    STEP = 3

    def over(self, x):
        return x > self.limit

    def grown(self, x, by=None):
        if by is None:
            return x * self.inner.factor + self.STEP
        return x + by

    @staticmethod
    def half(x):
        return x // 2

    @classmethod
    def stepped(cls, x):
        return x + cls.STEP

    @property
    def double_limit(self):
        return self.limit * 2


SETTINGS = Settings(100, Inner(7))


def methods(a, b, c):
    if SETTINGS.over(a):
        return Two(first=SETTINGS.half(a), second=SETTINGS.double_limit)
    return Two(first=SETTINGS.stepped(a), second=Settings.half(c) + SETTINGS.inner.factor)


def use(settings, x):
    return settings.limit + settings.half(x)


def object_argument(a, b, c):
    return Answer(value=use(SETTINGS, a))


class Adder:
    def __init__(self, by):
        self.__by = by

    def __call__(self, x):
        return x + self.__by


ADD_FIVE = Adder(5)
add_six = functools.partial(add, 1, z=2)


def callables(a, b, c):
    return Two(first=ADD_FIVE(a), second=add_six(c))


def closed(by, function):
    def inner(x):
        return function(x) + by

    return inner


with_closure = closed(11, sign)


def closures(a, b, c):
    return Answer(value=with_closure(a))


def nested_calls(a, b, c):
    return Answer(value=clamp(sign(clamp(a, -5, 5)), sign(c), max(sign(a), sign(c))))


def branches(a, b, c):
    value = sign(a) if c > 0 else describe(c)
    return Answer(value=value) if value and is_low(value) else make(c)


def logic(a, b, c):
    if (is_low(a) and not truth(c)) or sign(a) == sign(c):
        return Answer(value=1)
    return Answer(value=0)


def with_none(x, by=None):
    if by is None:
        return x * 3
    return x + by


def with_none_assigned(x, limit=None, *, flag=False):
    if limit is None:
        limit = 10
    elif limit > 100:
        limit = 100
    if flag and x:
        return x.nothing_of_the_kind
    return x - limit if not flag else limit


def optional(a, b, c):
    value = with_none(a) + with_none(a, 4)
    return Two(first=value, second=with_none_assigned(c) + with_none_assigned(c, a))


def either_way(x, by=None):
    return x if by is None else by


def choices(a, b, c):
    return Two(
        first=either_way(a), second=either_way(a, c) + SETTINGS.grown(a) + SETTINGS.grown(a, c)
    )


PROBES = [
    *(optional, choices),
    *(defaults, early, kinds, bools, bool_or_int, effects, events, events_deeper, emitted),
    *(lambdas, scopes, arguments_stay, raises_inside, tuples, texts, higher, modules, methods),
    *(object_argument, callables, closures, nested_calls, branches, logic),
]
