"""Standard output and error that outlive their reader: with a closed pipe, a full disk or a lost
terminal the lines are lost that nobody reads, and nothing that was measured."""

import os
import sys
from io import FileIO, TextIOWrapper

CLOSED = "the output was closed"


class Output(TextIOWrapper):
    """failure: what kept the first lost line from being written. Later ones go nowhere."""

    failure: OSError | None = None

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.failure = self.failure or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def guard_output() -> None:
    """Replace both streams of this process. What an encoding lacks becomes a question mark, also
    in what is read. A closed stdin, study ... <&-, has nothing to read."""
    if sys.stdin is None:
        sys.stdin = TextIOWrapper(FileIO(os.devnull))
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the shell closed it: study ... >&-
            stream = TextIOWrapper(FileIO(os.devnull, "w"))
        if isinstance(stream, TextIOWrapper):
            kept, buffering = stream.encoding, stream.line_buffering
            guarded = Output(stream.detach(), kept, errors="replace", line_buffering=buffering)
            setattr(sys, name, guarded)


def describe_output_failure() -> str | None:
    """Why standard output has lost lines, in words; None where it has lost none."""
    failure = getattr(sys.stdout, "failure", None)
    if failure is None:
        return None
    if isinstance(failure, BrokenPipeError):
        return CLOSED
    return f"cannot write the output: {failure.strerror or failure}"
