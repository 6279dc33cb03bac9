"""Which files are written, and in pieces of which size?"""

import syscast as sc
from syscast import u64
from syscast.kernel import file


class Write(sc.Event):
    name: str
    inode: u64
    offset: u64
    size: u64


@sc.function
def vfs_write(file: file, *, count: int) -> Write:
    return Write(
        name=file.f_path.dentry.d_name.name,
        inode=file.f_inode.i_ino,
        offset=file.f_pos,
        size=count,
    )


if __name__ == "__main__":
    with vfs_write.attach() as events:
        for event in events:
            print(event)
