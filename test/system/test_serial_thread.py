"""One thread runs the calls of all."""

from __future__ import annotations

import threading

import pytest

from liquid_control.system.serial_thread import SerialThread


def test_calls_run_in_one_thread_one_after_the_other_and_return_to_their_callers():
    serial, inside, seen = SerialThread("one"), [], {}

    def work(number):
        inside.append(threading.get_ident())
        held = len(inside)
        serial.call(inside.append, inside[0])  # a call from within runs at once
        assert len(inside) == held + 1
        return number * number

    def call(number):
        seen[number] = serial.call(work, number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: number * number for number in range(20)}
    assert len(set(inside)) == 1 and threading.get_ident() not in inside


def test_errors_reach_the_caller_and_the_thread_goes_on():
    serial = SerialThread("one")
    with pytest.raises(ZeroDivisionError):
        serial.call(lambda: 1 / 0)
    serial.later(lambda: 1 / 0)
    assert serial.call(int, "3") == 3
