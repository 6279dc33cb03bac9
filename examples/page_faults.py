"""Where does a process touch memory that is not there yet, and which file has it?"""

import syscast as sc
from syscast.kernel import vm_area_struct

FAULT_FLAG_WRITE = 1


class Fault(sc.Event):
    address: sc.Pointer
    write: bool
    name: str


@sc.function
def handle_mm_fault(vma: vm_area_struct, address: int, flags: int) -> Fault:
    write = (flags & FAULT_FLAG_WRITE) != 0
    if vma.vm_file is None:
        return Fault(address=address, write=write, name="")
    return Fault(address=address, write=write, name=vma.vm_file.f_path.dentry.d_name.name)


if __name__ == "__main__":
    with handle_mm_fault.attach() as events:
        for event in events:
            print(event)
