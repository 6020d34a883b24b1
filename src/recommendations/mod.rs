//! Recommendations: quests that a learner can start now, ranked by features that are told as reasons.
//!
//! Candidates come from the learner's paths, openings, subjects, skills, from what peers did next and from the vector
//! index; the one gate of `unlocks` says what is available; a weighted sum ranks, and what is alike is spread (MMR).

pub mod http;
pub mod model;
pub mod rank;
pub mod service;
