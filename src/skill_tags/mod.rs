//! Skill tags and what they mean to the User Service: its skill of the same name, in capitals or not. A job reads its
//! skill tree and keeps the ids; completing a quest takes them from here, so that nobody waits for the User Service.
//! Tags that no skill is known for are listed, for authors to mend.

pub mod http;
pub mod model;
pub mod service;
