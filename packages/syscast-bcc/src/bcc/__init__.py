"""The name ``bcc`` for syscast's drop-in; this package has nothing of its own."""

from syscast.bcc import naming

naming.take(__name__, __path__)
