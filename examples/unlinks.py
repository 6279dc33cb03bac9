"""Who deletes files?

The kernel asks its security modules before it deletes; so this sees the attempt, and every file
system takes the same way.
"""

import syscast as sc
from syscast import u32, u64
from syscast.kernel import dentry, inode


class Unlink(sc.Event):
    name: str
    inode: u64
    directory: u64
    owner: u32


@sc.function
def security_inode_unlink(directory: inode, entry: dentry) -> Unlink:
    return Unlink(
        name=entry.d_name.name,
        inode=entry.d_inode.i_ino,
        directory=directory.i_ino,
        owner=entry.d_inode.i_uid.val,
    )


if __name__ == "__main__":
    with security_inode_unlink.attach() as events:
        for event in events:
            print(event)
