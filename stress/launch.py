"""Starts a program that ends when its parent does, however the parent ends (Linux only).

Run as a file, before anything else is imported: prctl(2) survives the exec that follows.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):  # the parent ended before prctl
        sys.exit(143)
os.execvp(sys.argv[2], sys.argv[2:])
