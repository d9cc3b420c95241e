"""The log's thread: nothing is lost while somebody reads, and nobody waits when nobody does."""

import logging
import os
import threading
import time

from softphone.telemetry import background
from softphone.telemetry.background import BackgroundHandler


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("softphone", logging.INFO, "", 0, text, None, None)


def test_lines_of_many_threads_arrive_whole_and_in_order() -> None:
    reader, writer = os.pipe()
    lines: list[str] = []

    def read() -> None:
        with os.fdopen(reader) as source:
            lines.extend(line.rstrip("\n") for line in source)

    reading = threading.Thread(target=read)
    reading.start()
    with os.fdopen(writer, "w") as stream:
        handler = BackgroundHandler(stream)
        threads = [
            threading.Thread(target=lambda n=n: [handler.handle(record(f"{n}:{i}")) for i in range(1000)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        handler.close()
    reading.join()
    assert len(lines) == 4000
    for n in range(4):
        assert [line for line in lines if line.startswith(f"{n}:")] == [f"{n}:{i}" for i in range(1000)]


def test_flush_waits_until_it_is_written() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as source, os.fdopen(writer, "w") as stream:
        handler = BackgroundHandler(stream)
        handler.handle(record("one"))
        handler.flush()
        os.set_blocking(reader, False)
        assert source.read() == "one\n"
        handler.close()


def test_a_reader_that_stops_holds_nobody_up_and_learns_what_it_missed(monkeypatch) -> None:
    monkeypatch.setattr(background, "PATIENCE_S", 0.05)
    reader, writer = os.pipe()
    limit = 100
    with os.fdopen(reader) as source:
        stream = os.fdopen(writer, "w")
        handler = BackgroundHandler(stream, limit=limit)
        full = os.fpathconf(writer, "PC_PIPE_BUF") * 64  # more than any pipe here holds
        started = time.monotonic()
        for _ in range(full // 1000):
            handler.handle(record("x" * 1000))
        for _ in range(2 * limit):
            handler.handle(record("y"))
        handler.flush()
        assert time.monotonic() - started < 5
        monkeypatch.setattr(background, "PATIENCE_S", 30.0)
        lines = []

        def read() -> None:
            lines.extend(source)

        reading = threading.Thread(target=read)
        reading.start()
        handler.flush()
        handler.handle(record("back"))
        handler.close()
        stream.close()
        reading.join()
    told = [line for line in lines if "were dropped here: nobody was reading" in line]
    missing = sum(int(line.split()[0]) for line in told)
    assert missing > 0
    assert len(lines) - len(told) + missing == full // 1000 + 2 * limit + 1
    assert lines[-1] == "back\n"


def test_a_reader_that_left_is_no_fault_of_the_phone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    handler = BackgroundHandler(stream)
    for _ in range(3):
        handler.handle(record("x"))
        handler.flush()
    handler.close()
    handler.handle(record("after the end"))
    try:
        stream.close()
    except BrokenPipeError:
        pass
