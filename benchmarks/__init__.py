"""Speed, shown: each prints ratios from one run, alternating, medians of rounds."""
