"""Which files are opened most, by which commands, and how often does that fail? Asked in SQL.

The events go to DuckDB as Arrow columns, batch by batch: no Python object is made for any of them.
It needs ``pip install duckdb``.
"""

from typing import Annotated

import syscast as sc
from syscast import i32, user_str

SECONDS = 10
QUESTION = """
    select comm, path, count(*) as opens, count(*) filter (ret < 0) as failed, max(time) as last
    from events group by comm, path order by opens desc, path limit 20
"""


class Opened(sc.Event):
    path: Annotated[str, 128]
    ret: i32


@sc.syscall("openat")
def openat(filename: object, ret: int) -> Opened:
    return Opened(path=user_str(filename), ret=ret)


if __name__ == "__main__":
    import duckdb

    with openat.attach() as session:
        events = session.arrow(timeout=SECONDS)  # DuckDB finds it by its name
        print(duckdb.sql(QUESTION))
