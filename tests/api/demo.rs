//! The demo page: there in development, and nowhere else. tests/browser drives it.

use crate::harness::{Service, Setup, config, database};

#[tokio::test]
async fn the_demo_page_and_what_it_loads_are_there_in_development() {
    let pool = database().await;
    let service = Service::start(&pool).await;
    let anyone = service.anonymous();
    let page = anyone.get("/demo").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("connect-src 'self'"), "a link with `?api=` takes the token nowhere: {policy}");
    assert_eq!(anyone.get("/demo/").await.text, page.text);

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/demo/page/demo");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap();
        let name = file.file_name().into_string().unwrap();
        let served = anyone.get(&format!("/demo/{name}")).await;
        let kind =
            if file.path().extension().is_some_and(|kind| kind == "css") { "text/css" } else { "text/javascript" };
        assert!(served.header("content-type").unwrap().starts_with(kind), "{name}");
        assert_eq!(served.text, std::fs::read_to_string(file.path()).unwrap(), "{name}");
        files += 1;
    }
    assert!(files > 10, "{files}");
    service.stop().await;
}

#[tokio::test]
async fn a_setting_takes_the_demo_page_away() {
    let pool = database().await;
    let args = vec!["--demo-page=false".to_owned()];
    let service = Service::start_with(&pool, Setup { args, ..Setup::default() }).await;
    for gone in ["/demo", "/demo/", "/demo/main.js"] {
        service.anonymous().get(gone).await.problem(404, "not_found");
    }
    service.stop().await;
}

#[test]
fn without_the_development_secret_there_is_no_demo_page_unless_it_is_asked_for() {
    let with = |more: &[&str]| {
        let needed = ["--database-url=postgres://localhost/none", "--jwt-issuer=https://example.org"];
        let arguments = needed.iter().chain(more).map(|argument| (*argument).to_owned());
        config(&arguments.collect::<Vec<_>>()).has_demo_page()
    };
    let secret = "--jwt-secret=another-secret-that-is-at-least-32-bytes";
    assert!(!with(&[secret]));
    assert!(with(&[secret, "--demo-page=true"]));
    assert!(with(&[&format!("--jwt-secret={}", quests::config::DEVELOPMENT_SECRET)]));
}
