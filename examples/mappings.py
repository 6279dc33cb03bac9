"""What do processes map into their memory, and where does it come to lie?"""

from collections.abc import Generator

import syscast as sc
from syscast import u32, u64
from syscast.kernel import file


class Map(sc.Event):
    name: str
    length: u64
    prot: u32
    flags: u32
    address: sc.Pointer


@sc.call
def vm_mmap_pgoff(
    file: file | None, _address: int, length: int, prot: int, flags: int
) -> Generator[None, int, Map]:
    address = yield
    if file is None:
        return Map(name="", length=length, prot=prot, flags=flags, address=address)
    name = file.f_path.dentry.d_name.name
    return Map(name=name, length=length, prot=prot, flags=flags, address=address)


if __name__ == "__main__":
    with vm_mmap_pgoff.attach() as events:
        for event in events:
            print(event)
