"""Kernel tests in real kernels: fetch Debian kernels, boot them in QEMU, run commands and tests inside.

Only the standard library is used, so that `./dev vm` runs with any Python >= 3.11 on a machine where nothing of the
project is installed yet. Nothing here is part of the syscast package.

Layers, top to bottom: cli > matrix > machine > (image, kernels, checkout, initramfs) > (apt, bzimage, modules, console,
results, host). The files below guest/ run inside the virtual machine and import nothing from here.
"""
