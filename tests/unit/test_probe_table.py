"""`study probe`: what its table says of itself."""

import polars as pl

from analysis.report.table import render_markdown
from study.probe import build_routes_table


def test_the_median_says_where_it_starts() -> None:
    handlers = pl.DataFrame(
        {
            "route": ["/a", "/a", "/a"],
            "arrived_s": [1.0, 2.0, 3.0],
            "sent_s": [1.1, 2.2, 3.3],
            "pool_wait_s": [0.0, 0.0, None],
            "thread_kind": ["loop", "loop", "loop"],
            "pid": [1, 1, 1],
            "thread_id": [7, 7, 7],
        }
    )
    shown = render_markdown(build_routes_table(handlers))
    assert "200" in shown  # the median of 100, 200 and 300 ms
    assert "from the moment the app sees a request" in shown
