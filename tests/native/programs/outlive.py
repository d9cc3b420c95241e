"""Starts and stops the endpoint many times; ports outlive it, are closed after it, and are collected in other threads.

python -m tests.native.programs.outlive ROUNDS
"""

import gc
import json
import os
import sys
import threading

import pjsua2 as pj

from ..bench import Bench, quiet_endpoint


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def one_round(keep: list[object]) -> None:
    bench = Bench()
    with quiet_endpoint():
        ports = [bench.port() for _ in range(10)]
        for port in ports:
            ports[0].startTransmit(port)
        ports[0].write(b"\1\1" * 8000)
        ports[0].notifyDrained()
        bench.frames(ports[1], 3)
    ports[2].close()
    assert not ports[2].isOpen()
    assert ports[3].isOpen()
    assert ports[3].stat().framesPut > 0
    ports[3].write(b"\1\1")
    ports[3].read()
    ports[3].flushTx()
    bench.hub.drain()
    bench.hub.events()
    try:
        pj.PcmPort().open("too late", pj.PcmPortConfig())
    except pj.Error:
        pass
    else:
        raise AssertionError("a port opened without an endpoint")
    keep.append((bench, ports))


def drop_in_a_thread(keep: list[object]) -> None:
    def drop() -> None:
        keep.clear()
        gc.collect()

    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()


def main(rounds: int) -> dict[str, int]:
    keep: list[object] = []
    one_round(keep)
    drop_in_a_thread(keep)
    before = descriptors()
    for n in range(rounds):
        one_round(keep)
        if n % 2:
            drop_in_a_thread(keep)  # else these ports live on into the next endpoint
    drop_in_a_thread(keep)
    return {"rounds": rounds, "descriptors_before": before, "descriptors_after": descriptors()}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
