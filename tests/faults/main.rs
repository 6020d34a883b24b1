//! What breaks around the service, or the service itself; one binary, so that it links once.

#![allow(clippy::unwrap_used, clippy::too_many_lines, reason = "a test that cannot go on fails, and tells one story")]

#[path = "../harness/mod.rs"]
mod harness;

mod broker;
mod clients;
mod gate;
mod kill;
mod ledger;
mod node;

static MIGRATOR: &sqlx::migrate::Migrator = &quests::db::MIGRATOR;
