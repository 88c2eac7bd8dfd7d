"""The server of `peers/gin`: Go, one thread per worker."""

from stress.programs import make_peer_adapter

ADAPTER = make_peer_adapter(
    "gin", toolchain="go", variables=("GIN_", "GODEBUG", "GOGC", "GOMEMLIMIT")
)
