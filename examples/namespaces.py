"""Which processes enter other namespaces?

The numbers are those of the links in ``/proc/PID/ns``. A process that ends leaves its namespaces,
which is a change to none.
"""

import syscast as sc
from syscast import u32
from syscast.kernel import nsproxy, task_struct


class Enter(sc.Event):
    task: u32
    net: u32
    mnt: u32
    uts: u32


@sc.function
def switch_task_namespaces(task: task_struct, new: nsproxy | None) -> Enter | None:
    if new is None:
        return None
    return Enter(
        task=task.tgid,
        net=new.net_ns.ns.inum,
        mnt=new.mnt_ns.ns.inum,
        uts=new.uts_ns.ns.inum,
    )


if __name__ == "__main__":
    with switch_task_namespaces.attach() as events:
        for event in events:
            print(event)
