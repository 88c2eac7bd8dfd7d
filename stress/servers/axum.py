"""The server of `peers/axum`: Rust, one thread per worker."""

from stress.programs import make_peer_adapter

ADAPTER = make_peer_adapter("axum", toolchain="cargo", variables=("TOKIO_",))
