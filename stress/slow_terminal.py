"""A terminal that takes only so many bytes a second, in bursts, as one that draws now and then. Run
as a file: what it reads on its standard input goes to standard output, at that pace; whoever writes
faster waits for it."""

import os
import sys
import time

BURSTS_A_SECOND = 5

if __name__ == "__main__":
    at_once = max(1, int(sys.argv[1]) // BURSTS_A_SECOND)
    while piece := os.read(0, at_once):
        os.write(1, piece)
        time.sleep(len(piece) / at_once / BURSTS_A_SECOND)
