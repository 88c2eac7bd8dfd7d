"""An HTTP server that takes its time on purpose: the slow service behind the endpoints under study.

Two implementations keep one contract: this package, which runs wherever the toolkit does, and the
program in `go/`, which costs less CPU. `tests/process/test_upstream_contract.py` holds both to it.
"""
