"""BTF, the kernel's type information: read, look up, lay out, render, encode, relocate."""
