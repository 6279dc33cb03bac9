"""State that probes keep in the kernel, as Python objects: maps, counters, histograms.

The objects are plain data here. A session puts them into the kernel (`loader.statemaps`), and the
front end lowers what a probe does with them (`frontend.python.stateful`); this room knows neither.
"""
