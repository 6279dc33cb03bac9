"""Who becomes another user?

Every change of a task's credentials goes through ``commit_creds``; most change no user at all.
"""

import syscast as sc
from syscast import current, u32
from syscast.kernel import cred


class Become(sc.Event):
    old_uid: u32
    uid: u32
    euid: u32
    gid: u32


@sc.function
def commit_creds(new: cred) -> Become | None:
    uid = current.uid
    if uid == new.uid.val == new.euid.val:
        return None
    return Become(old_uid=uid, uid=new.uid.val, euid=new.euid.val, gid=new.gid.val)


if __name__ == "__main__":
    with commit_creds.attach() as events:
        for event in events:
            print(event)
