"""syscast: any Linux kernel call as a stream of typed Python events."""

__version__ = "0.1.0"
