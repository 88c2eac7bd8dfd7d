"""Ctrl-C and SIGTERM become a note that the run reads between two looks; nothing is torn."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from stress.interruption import Interruption

NAMES = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGTERM: "SIGTERM",
    signal.SIGHUP: "the terminal went away",
}


@contextmanager
def record_signals(interruption: Interruption) -> Iterator[None]:
    """The handlers hold inside the `with`; the old ones come back after it."""

    def note(number: int, _: FrameType | None) -> None:
        interruption.reason = interruption.reason or NAMES[signal.Signals(number)]

    before = {each: signal.signal(each, note) for each in NAMES}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
