"""The Python front end: a probe written as a Python function becomes IR.

`lower.lower_probe` is the way in; `language` holds the names that a probe uses.
"""
