"""report.html: what a run looks like. Values in, one page out; pictures are drawn by altair."""
