//! Analytics: what became of the attempts at a quest that were begun on a day.
//!
//! One row per quest and day (seed: `quest_analytics`), computed from the rows of learners and from nothing else, so
//! that any day can be computed again. The scheduler does so every night, for the days that are over and for those that
//! late events have changed. What cannot be used is set aside with its reason and blocks nothing.
//!
//! Authors read them with what the rows of learners say of steps, items and paths (`insight`), small groups held back.

pub mod attention;
pub mod chart;
pub mod csv;
pub mod http;
pub mod insight;
pub mod items;
pub mod model;
pub mod period;
pub mod privacy;
pub mod rollup;
pub mod scheduler;
pub mod service;
pub mod tables;
