//! A proxy between the service and PostgreSQL that counts the statements of the frontend, by the
//! messages of the protocol themselves.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Statements that have passed, in order.
#[derive(Clone, Default)]
pub struct Counter(Arc<Mutex<Vec<String>>>);

impl Counter {
    /// Starts a proxy to `target` (host:port); gives its port.
    pub async fn start(target: String) -> (Self, u16) {
        let counter = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = counter.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                tokio::spawn(accepting.clone().pump(client, server));
            }
        });
        (counter, port)
    }

    async fn pump(self, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let mut buffer: Vec<u8> = Vec::new();
        let mut chunk = vec![0; 65_536];
        let mut started = false;
        let mut prepared = std::collections::HashMap::new();
        let mut bound = String::new();
        while let Ok(size @ 1..) = from_client.read(&mut chunk).await {
            buffer.extend_from_slice(&chunk[..size]);
            // The start-up message has no type; every other one is type, length, body.
            loop {
                let head = usize::from(started);
                if buffer.len() < head + 4 {
                    break;
                }
                let length = u32::from_be_bytes(buffer[head..head + 4].try_into().unwrap()) as usize;
                if buffer.len() < head + length {
                    break;
                }
                if started {
                    let body = buffer[5..=length].to_vec();
                    let mut words =
                        body.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
                    match buffer[0] {
                        b'P' => {
                            let (name, sql) = (words.next().unwrap(), words.next().unwrap());
                            prepared.insert(name, sql);
                        }
                        b'B' => bound = words.nth(1).and_then(|name| prepared.get(&name).cloned()).unwrap_or_default(),
                        b'E' => self.0.lock().unwrap().push(bound.clone()),
                        b'Q' => self.0.lock().unwrap().push(words.next().unwrap_or_default()),
                        _ => {}
                    }
                }
                started = true;
                buffer.drain(..head + length);
            }
            if to_server.write_all(&chunk[..size]).await.is_err() {
                return;
            }
        }
    }

    /// Forgets what has passed.
    pub fn reset(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The statements since the reset, without BEGIN, COMMIT, ROLLBACK, the check of an idle
    /// connection, and the statements of the Idempotency-Key.
    pub fn statements(&self) -> Vec<String> {
        let skipped = ["BEGIN", "COMMIT", "ROLLBACK", "SELECT now() = statement_timestamp()"];
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|sql| !skipped.iter().any(|skip| sql.trim_start().starts_with(skip)))
            .cloned()
            .collect()
    }
}
