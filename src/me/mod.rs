//! The caller at a glance: roles, what the User Service says of them, and what they have done here.

pub mod http;
pub mod model;
pub mod service;
