"""Probe kinds: one file each; `registry` lists them and chooses."""
