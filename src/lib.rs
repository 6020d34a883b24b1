//! The Quests Service: quests, learners' progress on them, and the rewards it brings.
//!
//! The map, from the ground up; each module uses what stands above it in this list (docs/architecture.md
//! names the few places where neighbours know each other):
//! `config` `ids` `clock` `trace` `meters` `origin` `outgoing` `db` `audit` `criteria` `scoring` `drawing`
//! `user_service`, then `http`, then `asyncapi`, `outbox`, `learners` and `analytics`, then `admin`, `rewards`, `unlocks`, `evidence` and `live`, then `quests`, then `learning_paths` and
//! `enrollments`, then `curriculum` and `attempts`, then `assessments`, then `cohort`, `integrations` and `exports`, then `inbox`, then
//! `openapi`, `demo`, `routes` and `app`. `telemetry` stands beside them: only `main` knows it.

pub mod admin;
pub mod analytics;
pub mod app;
pub mod assessments;
pub mod asyncapi;
pub mod attempts;
pub mod audit;
pub mod clock;
pub mod cohort;
pub mod commands;
pub mod config;
pub mod criteria;
pub mod curriculum;
pub mod db;
pub mod demo;
pub mod drawing;
pub mod enrollments;
pub mod evidence;
pub mod exports;
pub mod feedback;
pub mod http;
pub mod ids;
pub mod inbox;
pub mod integrations;
pub mod learners;
pub mod learning_paths;
pub mod live;
pub mod me;
pub mod meters;
pub mod openapi;
pub mod origin;
pub mod outbox;
pub mod outgoing;
pub mod quests;
pub mod recommendations;
pub mod rewards;
pub mod routes;
pub mod scoring;
pub mod search;
pub mod skill_tags;
pub mod tags;
pub mod telemetry;
pub mod trace;
pub mod unlocks;
pub mod user_service;
