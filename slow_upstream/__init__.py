"""An HTTP server that takes its time on purpose: the slow service behind the endpoints under study.

Two implementations keep one contract: this package, which runs wherever the toolkit does, and the
program in `go/`, which is half a millisecond nearer to its time and shares bursts among the cores.
`tests/process/test_upstream_contract.py` holds both to it.
"""
