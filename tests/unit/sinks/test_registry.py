import io

import pytest

from syscast.errors import TargetError
from syscast.sinks.registry import SINKS, find


def test_every_sink_is_found_and_opens_over_a_stream(listen):
    names = [each.name for each in SINKS]
    assert names == ["console", "jsonl"]
    for name in names:
        stream = io.StringIO()
        sink = find(name)(stream)
        sink.open()
        sink.write([listen(addr="127.0.0.1", port=80, backlog=1)])
        sink.close()
        assert stream.getvalue().count("\n") == 1


def test_an_unknown_name_gets_near_matches():
    with pytest.raises(TargetError, match=r"sink 'json': find: no such sink \(did you mean jsonl"):
        find("json")
