//! A listener on a live stream, as a browser's `EventSource` reads it.

use std::time::Duration;

use serde_json::Value;

use super::Client;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: String,
    /// Heartbeats are comments.
    pub comment: Option<String>,
}

impl Frame {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn kind(&self) -> &str {
        self.event.as_deref().unwrap_or_default()
    }
}

/// An open stream.
pub struct Stream {
    response: reqwest::Response,
    buffer: String,
    /// As `EventSource` keeps it
    pub last_id: Option<String>,
}

impl Stream {
    pub async fn open(client: &Client, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = client.http.get(format!("{}{path}", client.base));
        if let Some(token) = &client.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(response.headers().get("content-encoding").is_none(), "a compressed stream is a buffered one");
        Self { response, buffer: String::new(), last_id: None }
    }

    /// The next frame; None when the stream has ended.
    pub async fn frame(&mut self) -> Option<Frame> {
        tokio::time::timeout(Duration::from_secs(20), self.read()).await.expect("a frame in 20 s")
    }

    async fn read(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let text: String = self.buffer.drain(..end + 2).collect();
                let mut frame = Frame::default();
                for line in text.lines().filter(|line| !line.is_empty()) {
                    match line.split_once(':').map(|(name, value)| (name, value.trim_start().to_owned())) {
                        Some(("", comment)) => frame.comment = Some(comment),
                        Some(("id", id)) => frame.id = Some(id),
                        Some(("event", event)) => frame.event = Some(event),
                        Some(("data", data)) => frame.data.push_str(&data),
                        Some(("retry", _)) => {}
                        other => panic!("no line of a stream: {other:?}"),
                    }
                }
                if frame.id.is_some() {
                    self.last_id.clone_from(&frame.id);
                }
                return Some(frame);
            }
            let chunk = self.response.chunk().await.ok()??;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next events, without heartbeats and frames that have only an id.
    pub async fn events(&mut self, count: usize) -> Vec<Frame> {
        let mut events = Vec::new();
        while events.len() < count {
            let frame = self.frame().await.unwrap_or_else(|| panic!("ended after {} events", events.len()));
            if frame.event.is_some() {
                events.push(frame);
            }
        }
        events
    }

    /// All events of a client so far, as they stand on the wire.
    pub async fn text_of(client: &Client, events: usize) -> String {
        let mut stream = Self::open(client, "/v1/me/events?lastEventId=0", &[]).await;
        let frames = stream.logged(events).await;
        frames.iter().flat_map(|frame| [format!("{frame:?}"), frame.data.clone()]).collect::<Vec<_>>().join("\n")
    }

    /// The next events of the log, without hints.
    pub async fn logged(&mut self, count: usize) -> Vec<Frame> {
        let mut events = Vec::new();
        while events.len() < count {
            events.extend(self.events(1).await.into_iter().filter(|frame| frame.id.is_some()));
        }
        events
    }
}
