//! What learners say of quests, and what authors make of it.

pub mod http;
pub mod model;
pub mod service;
