"""An HTTP server that waits before it responds: the slow service behind the endpoints under study.

It has two implementations. This package runs wherever the toolkit does. The Go program in `go/`
keeps its waits half a millisecond more accurately and spreads bursts over the cores.
`tests/process/test_upstream_contract.py` tests the contract of both.
"""
