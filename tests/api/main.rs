//! The API over HTTP, on a real database; one binary, so that it links once.

#[path = "../harness/mod.rs"]
mod harness;

mod attempts;
mod curriculum;
mod events;
mod races;
mod statements;

static MIGRATOR: &sqlx::migrate::Migrator = &quests::db::MIGRATOR;
