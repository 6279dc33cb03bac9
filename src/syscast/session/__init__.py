"""Probes and sessions: compile, load, attach, read. Here the two towers meet."""
