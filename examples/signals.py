"""Who sends signals to whom?

The sender is the task that the event's own pid and comm name.
"""

from typing import Annotated

import syscast as sc
from syscast import u8, u32
from syscast.kernel import kernel_siginfo, task_struct


class Signal(sc.Event):
    number: u8
    to: u32
    to_comm: Annotated[str, 16]


@sc.function
def do_send_sig_info(number: int, _info: kernel_siginfo, task: task_struct) -> Signal:
    return Signal(number=number, to=task.pid, to_comm=task.comm)


if __name__ == "__main__":
    with do_send_sig_info.attach() as events:
        for event in events:
            print(event)
