import io
import os
import threading
from pathlib import Path

import pytest

from syscast.sinks.sink import Output, SinkClosed, SinkError


def test_bytes_reach_a_file_behind_what_others_wrote(tmp_path):
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as stream:
        stream.write("first\n")
        output = Output(stream, "jsonl")
        output.write(b"second\n")
        assert path.read_text() == "first\nsecond\n"
    assert not output.terminal


@pytest.mark.parametrize("stream", [io.StringIO(), io.BytesIO()])
def test_streams_in_memory_do(stream):
    Output(stream, "console").write_text("é\n")
    assert stream.getvalue() in {"é\n", "é\n".encode()}


def test_what_the_encoding_lacks_is_escaped(tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        Output(stream, "console").write_text("é日\n")
    assert (tmp_path / "out").read_bytes() == b"\\xe9\\u65e5\n"


def test_a_closed_pipe_is_a_reason_to_stop():
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w", encoding="utf-8")
    with pytest.raises(SinkClosed, match="sink 'console': write: broken pipe"):
        Output(stream, "console").write(b"x")
    stream.close()  # flushes: nothing of ours was left behind to fail again


def test_a_full_disk_is_a_clear_error():
    text = r"sink 'jsonl': write: no space left on device \(free some space"
    with Path("/dev/full").open("w") as stream, pytest.raises(SinkError, match=text) as caught:
        Output(stream, "jsonl").write(b"x")
    assert caught.value.errno == 28


def test_a_closed_stream_is_a_clear_error(tmp_path):
    stream = (tmp_path / "out").open("w", encoding="utf-8")
    output = Output(stream, "jsonl")
    stream.close()
    for each in (output, Output(None, "jsonl"), Output(stream, "jsonl")):
        with pytest.raises(SinkError, match="the output was closed"):
            each.write(b"x")


def test_a_slow_reader_of_a_non_blocking_pipe_gets_everything():
    read, write = os.pipe()
    os.set_blocking(write, False)
    data = bytes(range(256)) * 2000  # far more than a pipe holds
    got = []

    def drain():
        while chunk := os.read(read, 65536):
            got.append(chunk)

    reader = threading.Thread(target=drain)
    with os.fdopen(write, "wb") as stream:
        reader.start()
        Output(stream, "jsonl").write(data)
    reader.join()
    os.close(read)
    assert b"".join(got) == data


def test_the_width_of_a_terminal_is_asked(narrow, tmp_path):
    output = Output(narrow.stream, "console")
    assert output.terminal
    assert output.width() == 60
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        assert Output(stream, "console").width() == 80
