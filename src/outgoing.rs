//! How this process calls others over HTTP.

/// A client to be finished: the one TLS of everything here, and the system's certificates.
pub fn client() -> reqwest::ClientBuilder {
    prepare();
    reqwest::Client::builder()
}

/// Names the one TLS for clients that others make. Whoever named one before stays.
pub fn prepare() {
    drop(rustls::crypto::ring::default_provider().install_default());
}
