"""Stopping by a signal."""

from __future__ import annotations

import signal
import threading

import pytest

from crackseg.training.signals import stop_signals

pytestmark = pytest.mark.train


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_a_stop_and_the_handler_is_restored(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_signals() as stopped:
        assert not stopped()
        signal.raise_signal(number)
        assert stopped()
    assert signal.getsignal(number) is before


def test_another_thread_catches_no_signals() -> None:
    before = signal.getsignal(signal.SIGINT)
    handlers: list[object] = []

    def work() -> None:
        with stop_signals() as stopped:
            handlers.extend([signal.getsignal(signal.SIGINT), stopped()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before, False]


def test_an_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stopped:
            signal.raise_signal(signal.SIGHUP)
            assert not stopped()
    finally:
        signal.signal(signal.SIGHUP, before)
