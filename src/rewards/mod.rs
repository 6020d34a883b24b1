//! Rewards: what a step and a quest pay, once each, and how it is announced.
//!
//! This service defines rewards and announces them; the User Service keeps the ledger.
//! A grant's id is derived from what it is for, and is the id of its event: one grant can
//! only ever be one event.

mod model;

pub use model::{
    Earned, Grant, Kind, SkillReward, effective_skill_rewards, grant_of_step, grants_of_quest, unlock_id,
    with_known_skills,
};
