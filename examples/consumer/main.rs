//! Keeps every learner's experience points up to date from the events; see README.md.

#![allow(clippy::disallowed_methods, reason = "a program of its own, without the service's settings")]

mod ledger;

use std::time::Duration;

use sqlx::PgPool;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    let url = std::env::var("AMQP_URL")?;
    // Until somebody stops it: what is missed while the broker is away waits in the queue.
    while let Err(error) = ledger::consume(&pool, &url, "quests.events", "points.quests").await {
        eprintln!("{error}; trying again");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
