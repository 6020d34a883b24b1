//! Analytics as authors read them: the attempts or enrolments of a period, as they stand now.
//!
//! Each answer is one or a few set-wise statements, and holds no number of a small group of learners, nor any from
//! which one could be worked out (`analytics/privacy.rs`). CSV and pictures are made of the same answers.

pub mod blocked;
pub mod model;
pub mod path;
pub mod quest;
pub mod quest_figures;
pub mod series;
pub mod tries;
