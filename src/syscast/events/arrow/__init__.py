"""Events as Arrow columns, and back: the one form of batches, streams and files.

`columns` says which columns there are (pure, no library); `build` makes the schema and the arrays
of a batch; `cells` writes text and addresses, all rows at once; `back` gives the records back.
See docs/data-plane.md.
"""
