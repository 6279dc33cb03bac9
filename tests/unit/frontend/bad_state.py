"""State used wrongly; each function has a golden file with what its user reads."""

from __future__ import annotations

import syscast as sc
from syscast import current, u16, u32, u64

reads = sc.Counter()
calls = sc.Counter[u32]()
sizes = sc.Log2Hist()
latency = sc.Log2Hist[sc.Comm]()
total = sc.Sum[u32]()
table = sc.Hash[u32, u64]()
narrow = sc.Hash[u32, u16]()
names = sc.Hash[u32, sc.Comm]()
pairs = sc.Hash[tuple[u32, u16], u64]()
slots = sc.Array[u64](8)
last = sc.Var[u64](0)
hosts = sc.Hash[u32, sc.IPv6]()


class Pair(sc.Struct):
    first: u32
    second: u64


class Flow(sc.Event):
    port: u16


structs = sc.Hash[u32, Pair]()
flows = sc.Hash[Flow, u64]()


class Names:
    last = last


def counter_as_a_variable(sock, backlog):
    reads += 1


def var_as_a_variable(sock, backlog):
    last += backlog


def counter_without_key(sock, backlog):
    reads[backlog] += 1


def counter_with_keys_but_none_given(sock, backlog):
    calls.add()


def counter_is_read(sock, backlog):
    if calls[backlog] > 10:
        reads.add()


def counter_is_assigned(sock, backlog):
    calls[backlog] = 3


def counter_goes_down(sock, backlog):
    calls[backlog] -= 1


def counter_value_in_probe(sock, backlog):
    if reads.value > 10:
        reads.add()


def histogram_plus_equals(sock, backlog):
    latency[current.comm] += backlog


def histogram_keys_missing(sock, backlog):
    latency.add(backlog)


def histogram_needs_an_integer(sock, backlog):
    sizes.add("text")


def hash_key_of_another_type(sock, backlog):
    table["nginx"] = 1


def hash_key_does_not_fit(sock, backlog):
    table[1 << 40] = 1


def hash_value_does_not_fit(sock, backlog):
    narrow[1] = 70000


def hash_key_is_a_tuple(sock, backlog):
    pairs[backlog] = 1


def hash_key_has_three_parts(sock, backlog):
    pairs[1, 2, 3] = 1


def hash_get_without_default(sock, backlog):
    last.value = table.get(backlog)


def hash_get_of_text(sock, backlog):
    if names.get(backlog, "nobody") == "root":
        reads.add()


def hash_times_equals(sock, backlog):
    table[backlog] *= 2


def hash_adds_to_16_bits(sock, backlog):
    narrow[backlog] += 1


def hash_adds_to_text(sock, backlog):
    names[backlog] += 1


def hash_items_in_probe(sock, backlog):
    table.items()


def hash_length(sock, backlog):
    if len(table) > 5:
        reads.add()


def hash_value_cannot_be_read(sock, backlog):
    if hosts[backlog] == 0:
        reads.add()


def struct_by_position(sock, backlog):
    structs[1] = Pair(1, 2)


def struct_lacks_a_field(sock, backlog):
    structs[1] = Pair(first=1)


def struct_unknown_field(sock, backlog):
    structs[1] = Pair(first=1, third=2)


def struct_value_is_a_number(sock, backlog):
    structs[1] = 5


def struct_member_unknown(sock, backlog):
    structs[1].third += 1


def struct_copy_is_written(sock, backlog):
    pair = structs[backlog]
    pair.second += 1


def struct_copy_is_assigned(sock, backlog):
    pair = structs[backlog]
    pair.second = backlog + 1


def struct_parameter_is_written(sock, backlog):
    _raise_second(structs[1])


def _raise_second(pair):
    pair.second += 2


def struct_made_here_is_written(sock, backlog):
    pair = Pair(first=1, second=2)
    pair.first = 3


def struct_of_two_returns(sock, backlog):
    table[1] = _either(backlog).second


def _either(backlog):
    if backlog > 3:
        return structs[1]
    return structs[2]


def class_in_a_variable(sock, backlog):
    pair = Pair


def event_key_of_another_class(sock, backlog):
    flows[Pair(first=1, second=2)] = 1


def array_element_deleted(sock, backlog):
    del slots[1]


def array_asked_for_a_value(sock, backlog):
    if backlog in slots:
        reads.add()


def var_subscript(sock, backlog):
    last[0] = backlog


def var_is_set_by_assignment(sock, backlog):
    Names.last = backlog
