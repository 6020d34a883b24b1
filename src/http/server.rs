//! The accept loop: axum's own has no time limit for headers and none for draining.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    pub header_timeout: Duration,
    pub max_header_bytes: usize,
    pub max_connections: usize,
    pub drain_timeout: Duration,
    pub write_timeout: Duration,
}

/// Serves until `stop`, then lets open requests finish, for as long as the drain time allows.
pub async fn serve(listener: TcpListener, router: Router, limits: ServerLimits, stop: CancellationToken) {
    // HTTP/1 only: telling it from HTTP/2 has no time limit in hyper-util, and TLS ends before us anyway.
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        // The exact limit is answered with a problem by the outermost layer; this is the hard stop.
        .max_buf_size(limits.max_header_bytes.saturating_mul(8));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.max_connections));

    loop {
        // A place first: connections beyond the cap wait in the kernel's queue.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stop.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, or a connection that died while it waited: go on, not in a hot loop.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        // Who reads nothing more of what was sent is let go by the kernel; hyper waits for such a one for ever.
        #[cfg(target_os = "linux")]
        if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(limits.write_timeout)) {
            tracing::debug!(%error, "TCP_USER_TIMEOUT could not be set");
        }
        let service = TowerToHyperService::new(router.clone());
        let (builder, watcher, stop) = (builder.clone(), graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            // hyper's time limit begins with the first byte: who says nothing is let go here.
            let mut first = [0];
            tokio::select! {
                said = tokio::time::timeout(limits.header_timeout, stream.peek(&mut first)) => {
                    if !matches!(said, Ok(Ok(1))) {
                        return;
                    }
                }
                () = stop.cancelled() => return,
            }
            let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("the drain time is over, open requests are cut off");
    }
}
