//! The demo page (clients/demo), for development: what a front-end developer can read and try.

use axum::Router;
use axum::http::header;
use axum::response::Redirect;
use axum::routing::get;

const PAGE: &str = include_str!("../clients/demo/page/index.html");
const STYLE: &str = include_str!("../clients/demo/page/demo/style.css");

macro_rules! scripts {
    ($($name:literal),+ $(,)?) => {
        [$((concat!("/demo/", $name), include_str!(concat!("../clients/demo/page/demo/", $name)))),+]
    };
}
/// Compiled from TypeScript by `make demo`, and committed: building the service needs no Node.
const SCRIPTS: [(&str, &str); 11] = scripts![
    "api.js",
    "dom.js",
    "main.js",
    "markdown.js",
    "openapi-fetch.js",
    "paths.js",
    "quest.js",
    "rewards.js",
    "session.js",
    "step.js",
    "stream.js",
];

/// `/demo` and what it loads.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let router = Router::new()
        .route("/demo", file("text/html; charset=utf-8", PAGE))
        // Its files are named from /demo.
        .route("/demo/", get(|| async { Redirect::permanent("/demo") }))
        .route("/demo/style.css", file("text/css; charset=utf-8", STYLE));
    SCRIPTS
        .into_iter()
        .fold(router, |router, (path, script)| router.route(path, file("text/javascript; charset=utf-8", script)))
}

fn file<S: Clone + Send + Sync + 'static>(kind: &'static str, text: &'static str) -> axum::routing::MethodRouter<S> {
    // Another build may bring another page.
    // Whoever follows a link with `?api=` of somebody else must not send the token there: that is for pages served elsewhere.
    const POLICY: &str = "connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    get(move || async move { (headers, text) })
}
