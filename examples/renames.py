"""Who renames files, from what to what, and is anything replaced by it?"""

import syscast as sc
from syscast import u64
from syscast.kernel import dentry, inode


class Rename(sc.Event):
    old: str
    new: str
    inode: u64
    moved: bool
    replaces: bool


@sc.function
def security_inode_rename(old_dir: inode, old: dentry, new_dir: inode, new: dentry) -> Rename:
    return Rename(
        old=old.d_name.name,
        new=new.d_name.name,
        inode=old.d_inode.i_ino,
        moved=old_dir != new_dir,
        replaces=new.d_inode is not None,
    )


if __name__ == "__main__":
    with security_inode_rename.attach() as events:
        for event in events:
            print(event)
