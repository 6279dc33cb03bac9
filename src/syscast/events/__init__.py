"""Events: declared as classes, decoded from records without any input or output of its own.

Bytes go in, events, tuples or arrays come out, and a ledger says what became of the rest.
"""
