//! A proxy before a server that can stop forwarding, for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The gate; dropping it cuts every connection that goes through it.
pub struct Gate {
    /// The server's URL, by way of the gate.
    pub url: String,
    /// Links with a lower number are silent.
    silent: Arc<watch::Sender<usize>>,
    links: Arc<AtomicUsize>,
    /// Ends the tasks of the gate when it goes.
    _alive: tokio::task::JoinSet<()>,
}

impl Gate {
    pub async fn start(url: &str) -> Self {
        let mut url = reqwest::Url::parse(url).unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (silent, links) = (Arc::new(watch::Sender::new(0)), Arc::new(AtomicUsize::new(0)));
        let (silences, count) = (Arc::clone(&silent), Arc::clone(&links));
        let mut alive = tokio::task::JoinSet::new();
        alive.spawn(async move {
            let mut links = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                links.spawn(forward(from_client, to_server, number, silences.subscribe()));
                links.spawn(forward(from_server, to_client, number, silences.subscribe()));
            }
        });
        Self { url: url.to_string(), silent, links, _alive: alive }
    }

    /// From now on nothing passes any more, in either direction.
    pub fn stall(&self) {
        self.silent.send_replace(usize::MAX);
    }

    /// From now on nothing passes any more on the links that there are; new ones work.
    pub fn silence(&self) {
        self.silent.send_replace(self.links.load(Ordering::SeqCst));
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: usize,
    mut silent: watch::Receiver<usize>,
) {
    let mut chunk = vec![0; 65_536];
    while let Ok(size @ 1..) = from.read(&mut chunk).await {
        if silent.wait_for(|silent| number >= *silent).await.is_err() || to.write_all(&chunk[..size]).await.is_err() {
            return;
        }
    }
}
