//! The stand-in User Service, to be run by hand: `make neighbours`.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a part of the tests, without their service"
)]

#[path = "users.rs"]
mod users;

use users::{SERVICE_TOKEN, Users};

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let users = Users::start_at(&address).await;
    for (skill, level) in [("c-basics", 2), ("pointers", 1), ("arrays", 0), ("loops", 3)] {
        users.teaches(skill);
        users.has(skill, level);
    }
    println!("A User Service that knows everybody. In the shell of the Quests Service:");
    println!("export USER_SERVICE_URL={} USER_SERVICE_TOKEN={SERVICE_TOKEN}", users.base);
    std::future::pending::<()>().await;
}
