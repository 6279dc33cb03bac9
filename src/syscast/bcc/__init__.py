"""bcc's Python API on syscast: ``from syscast.bcc import BPF``."""
