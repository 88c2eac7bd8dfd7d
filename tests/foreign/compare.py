"""Print a row of the table in docs/reliability.md: compare.py NAME VERSION WITHOUT.json WITH.json

Exit code 1 where a test has another outcome with the probe.
"""

import json
import sys
from collections import Counter
from pathlib import Path


def main(name: str, version: str, without: str, with_probe: str) -> int:
    before, after = (json.loads(Path(each).read_text()) for each in (without, with_probe))
    counts = Counter(before.values())
    changed = {test for test in before.keys() | after.keys() if before.get(test) != after.get(test)}
    print(
        f"| {name} {version} | {len(before):,} | {counts['passed']:,} | {counts['failed']:,} | "
        f"{counts['skipped']:,} | {len(changed)} |"
    )
    for test in sorted(changed):
        print(f"  {test}: {before.get(test)} without, {after.get(test)} with", file=sys.stderr)
    return 1 if changed or not before else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
