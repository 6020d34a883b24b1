//! The API over HTTP, on a real database; one binary, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a test that cannot go on fails, and tells one story"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod admin;
mod analytics;
mod analytics_held_back;
mod analytics_privacy;
mod assessments;
mod assessments_edits;
mod assessments_ends;
mod assessments_grading;
mod assessments_jobs;
mod assessments_races;
mod assessments_results;
mod assessments_secrecy;
mod asyncapi;
mod attempts;
mod background;
mod catalogue;
mod coding_results;
mod cohort;
mod commands;
mod configuration;
mod curriculum;
mod curriculum_files;
mod demo;
mod enrollments;
mod events;
mod faults;
mod feedback;
mod http;
mod inbox;
mod insights;
mod learners;
mod learning_paths;
mod live;
mod maps;
mod me;
mod metrics;
mod model;
mod peer_reviews;
mod progress;
mod races;
mod read_replica;
mod recommendations;
mod rollup;
mod search;
mod secrecy;
mod sharding;
mod skill_tags;
mod statements;
mod step_checks;
mod step_reviews;
mod syllabus;
mod tokens;
mod traces;
mod unlocks;
mod user_service;
