//! A proxy before the broker that can stop forwarding, for good.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The gate; dropping it cuts every connection that goes through it.
pub struct Gate {
    /// The broker's URL, by way of the gate.
    pub url: String,
    open: watch::Sender<bool>,
    /// Ends the tasks of the gate when it goes.
    _alive: tokio::task::JoinSet<()>,
}

impl Gate {
    pub async fn start(amqp_url: &str) -> Self {
        let mut url = reqwest::Url::parse(amqp_url).unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5672));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (open, seen) = watch::channel(true);
        let mut alive = tokio::task::JoinSet::new();
        alive.spawn(async move {
            let mut links = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                links.spawn(forward(from_client, to_server, seen.clone()));
                links.spawn(forward(from_server, to_client, seen.clone()));
            }
        });
        Self { url: url.to_string(), open, _alive: alive }
    }

    /// From now on nothing passes any more, in either direction.
    pub fn stall(&self) {
        self.open.send_replace(false);
    }
}

async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut open: watch::Receiver<bool>) {
    let mut chunk = vec![0; 65_536];
    while let Ok(size @ 1..) = from.read(&mut chunk).await {
        if open.wait_for(|open| *open).await.is_err() || to.write_all(&chunk[..size]).await.is_err() {
            return;
        }
    }
}
