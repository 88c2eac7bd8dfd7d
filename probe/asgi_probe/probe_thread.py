"""A thread of the probe."""

from __future__ import annotations

from signal import SIG_BLOCK, SIG_SETMASK, pthread_sigmask, valid_signals
from threading import Thread


class ProbeThread(Thread):
    """Takes no signal of the process. One that the app blocks, to wait for it with `sigwait` on a
    thread of its own, would otherwise be delivered here, and end the process."""

    def start(self) -> None:
        blocked = pthread_sigmask(SIG_BLOCK, valid_signals())  # the new thread inherits it
        try:
            super().start()
        finally:
            pthread_sigmask(SIG_SETMASK, blocked)
