"""The parts of ``compare.py``: the tracers, what is measured, the report."""
