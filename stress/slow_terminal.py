"""A terminal that takes only so many bytes a second. Run as a file: what it reads on its standard
input goes to standard output, at that pace; whoever writes faster waits for it."""

import os
import sys
import time

TURNS_A_SECOND = 20

if __name__ == "__main__":
    at_once = max(1, int(sys.argv[1]) // TURNS_A_SECOND)
    while piece := os.read(0, at_once):
        os.write(1, piece)
        time.sleep(len(piece) / at_once / TURNS_A_SECOND)
