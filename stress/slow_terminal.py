"""A slow terminal, run as a script: copies stdin to stdout at a limited rate in bytes per second,
in bursts, like a terminal that redraws now and then. A faster writer has to wait."""

import os
import sys
import time

BURSTS_A_SECOND = 5

if __name__ == "__main__":
    at_once = max(1, int(sys.argv[1]) // BURSTS_A_SECOND)
    while piece := os.read(0, at_once):
        os.write(1, piece)
        time.sleep(len(piece) / at_once / BURSTS_A_SECOND)
