"""Stacks as the journal keeps them: a JSON list of frames, innermost first, each
[module, file, line, function, first line]."""

from __future__ import annotations

import json
from pathlib import Path
from types import CodeType, FrameType

PROBE_HOME = str(Path(__file__).parent)
RUNNER = "run_handle"
"""The name of the probe's function that runs a handle."""
MOST_FRAMES = 120
MOST_STACKS = 2_000
"""Distinct stacks kept per process."""

Line = tuple[CodeType, int]


class StackTexts:
    """Makes each distinct stack's text once."""

    def __init__(self) -> None:
        self._texts: dict[tuple[Line, ...], str] = {}

    def format_stack(self, frame: FrameType | None) -> str | None:
        """None where there is no frame, or where the process has shown too many stacks."""
        lines: list[Line] = []
        modules: list[object] = []
        while frame is not None and len(lines) < MOST_FRAMES:
            code = frame.f_code
            if not code.co_filename.startswith(PROBE_HOME):
                lines.append((code, frame.f_lineno or code.co_firstlineno))
                modules.append(frame.f_globals.get("__name__"))
            elif code.co_name == RUNNER:  # what lies outside it is the loop's own
                break
            frame = frame.f_back
        key = tuple(lines)
        text = self._texts.get(key)
        if text is None and lines and len(self._texts) < MOST_STACKS:
            text = self._texts[key] = json.dumps(
                [
                    [str(module), code.co_filename, line, code.co_name, code.co_firstlineno]
                    for module, (code, line) in zip(modules, lines)
                ]
            )
        return text
