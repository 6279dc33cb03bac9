"""Readers of what programs send: the BPF ring buffer, and perf rings on kernels without it.

``opening.open_reader`` picks one for a map; ``reader.Reader`` is what both have in common. What
can be decided without a kernel is in ``scan`` and ``perfrecords``: bytes in, records out.
"""
