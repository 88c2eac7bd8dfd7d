//! The socket, the runtime, and shutdown.

use std::future::IntoFuture;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::errors::Problem;
use crate::options::Options;

const BACKLOG: u32 = 2048;
/// The process must end within a second of the signal.
const GRACE: Duration = Duration::from_millis(700);

pub fn run(options: &Options, router: Router) -> Result<(), Problem> {
    // Thousands of callers need thousands of sockets. If this fails, the user's limit applies.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let address = resolve(options)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(options.workers)
        .enable_all()
        .build()
        .map_err(Problem::cannot_run_here)?;
    let ended = runtime.block_on(serve(address, router));
    // Tasks that still run have had their grace period.
    runtime.shutdown_background();
    ended.map_err(|error| Problem::cannot_run_here(format!("{address}: {error}")))
}

fn resolve(options: &Options) -> Result<SocketAddr, Problem> {
    let Options { host, port, .. } = options;
    let found = (host.as_str(), *port).to_socket_addrs();
    found
        .ok()
        .and_then(|addresses| addresses.min_by_key(SocketAddr::is_ipv6))
        .ok_or_else(|| Problem::wrong_use(format!("--host {host:?} is not an address")))
}

async fn serve(address: SocketAddr, router: Router) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = listen(address)?;
    announce(listener.local_addr()?)?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let (end, asked_to_end) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = asked_to_end.await;
    });
    // A spawned task runs on the workers; this thread, which is not a worker, waits for a signal.
    let serving = tokio::spawn(serving.into_future());
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
    drop(end);
    let _ = timeout(GRACE, serving).await;
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, r#"{{"listening": "{address}"}}"#)?;
    stdout.flush()
}
