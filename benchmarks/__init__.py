"""Benchmarks: most print ratios from one run, as medians of alternating rounds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "probe"))
