"""Which processes and threads are born?

The kernel calls ``wake_up_new_task`` once for each new task, from its parent.
"""

import syscast as sc
from syscast import u32
from syscast.kernel import task_struct


class Fork(sc.Event):
    child: u32
    process: u32
    thread: bool


@sc.function
def wake_up_new_task(task: task_struct) -> Fork:
    return Fork(child=task.pid, process=task.tgid, thread=task.pid != task.tgid)


if __name__ == "__main__":
    with wake_up_new_task.attach() as events:
        for event in events:
            print(event)
