"""What to write instead, for findings whose place in the front end says no more than what is wrong.

Many places find the same kinds of mistakes; a table keeps their cures alike. A finding that knows
better gives its own hint.
"""

from __future__ import annotations

import re

_TABLE: tuple[tuple[str, str], ...] = (
    (r"this always raises OverflowError", "take a wider type, or wrap32() or wrap64() if it may wrap"),
    (r"this always raises ZeroDivisionError", "every run would end here; divide by something else"),
    (r"this always raises", "every run would end here; give it a value that Python takes"),
    (r"can never be (equal|true)", "compare with less text: startswith() tests a beginning"),
    (r"strings can be compared for equality", "use `==`, `in`, startswith() or endswith()"),
    (r"a string can be compared with a string only", "read text with user_str(pointer) or kernel_str(pointer)"),
    (r"(must be|is) a constant", "write it in place, or capture it from the scope around the probe"),
    (r"looks for a constant string|a constant string is needed", "write the text in quotes, or capture it"),
    (r"the capacity must be", "a path fits 256 bytes most often; PATH_MAX is 4096"),
    (r"this branch is", "give both branches the same sort of value, or use `if` statements"),
    (r"has no truth value|has no text in a probe|is needed here, this is a struct", "name one of its members"),
    (r"is needed here, this is the str", "give a number; text is compared with text"),
    (r"this is a tuple of|the key is a tuple", "write the key as it was declared: m[a, b]"),
    (r"cannot count the keys", "len() works in Python; in a probe count with an sc.Counter"),
    (r"`in` asks|cannot be deleted", "an Array always has all its elements; a Hash has keys"),
    (r"that can be added to", "declare the values as integers, such as sc.Hash[sc.u32, sc.u64]"),
    (r"is outside a string", "positions count from 0; len() tells the length"),
    (r"has no length", "strings, tuples and arrays have one"),
    (r"a slice of a string has no step", "write s[a:b]"),
    (r"variables for \d+ values", "give as many variables as there are values"),
    (r"missing .* required", "add what is missing to the call, or give the parameter a default"),
    (r"multiple values", "give it once, by its place or by its name"),
    (r"positional-only", "give it by its place"),
    (r"takes .* arguments?, (this gives|but)", "give as many as it takes"),
    (r"has no attribute", "it is looked up in Python, as it is when the probe is attached"),
    (r"reading .* raised", "a captured attribute is read when the probe is attached"),
    (r"has no member", "see: syscast show 'struct NAME'"),
    (r"is no struct (list_head|hlist_node)|a struct (list_head|hlist_head) is needed", "see in the kernel's source what links the entries"),
    (r"a bit field, and has no address", "read its value instead"),
    (r"and member .* has type", "name the member that the pointer points to"),
    (r"takes a struct file, path or dentry", "give it the file itself: path_of(file)"),
    (r"an empty tuple", "leave it out"),
    (r"this text could have", "cut what is long: {name:.64}, or send two fields"),
    (r"a string is formatted with", "as in Python: f'{name:<16}', f'{name:.8}'"),
    (r"^!r of", "leave out !r, or put quotes around it: '{name}'"),
    (r"`\*` is not part", "name each value"),
)  # fmt: skip


def cure(message: str) -> str:
    """A hint for a message; "" where the message says it all."""
    for pattern, hint in _TABLE:
        if re.search(pattern, message):
            return hint
    return ""
