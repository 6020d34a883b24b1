//! The User Service over REST: a caller's skills, profile and academic context, the skill tree, curriculum versions.
//! While it is slow, away or wrong, nobody waits longer than a moment, and nothing here fails but what really needs
//! it. What is written into our database (skills, the tree, curriculum versions) is asked for each time: the database
//! is its memory. What is only shown (the profile) is kept for a moment, and shown for longer while it is away.

mod breaker;
mod cache;
mod client;
mod model;

pub use client::{Failure, UserService, Users};
pub use model::{AcademicContext, Enrollment, Profile, Shown, Skill, Subject, TreeSkill, User};
