//! Operations on the catalogue. Every write locks the quest's row first, so that edits of one quest
//! come one after the other and the checks before them hold until the commit.

mod lists;
mod paths;
mod prerequisites;
mod quest;
mod resources;
mod steps;
mod units;

pub use lists::{Cursor, list_quests};

pub use paths::refresh_path_totals;
pub use prerequisites::{
    list_prerequisites, list_skill_rewards, lock_prerequisites, set_prerequisites, set_skill_rewards,
};
pub use quest::{clone_quest, create_quest, delete_quest, get_quest, lock_quest, update_quest};
pub use resources::{create_resource, delete_resource, get_resource, list_resources, order_resources, update_resource};
pub use steps::{create_step, delete_step, get_step, list_steps, order_steps, retire_step, same_members, update_step};
pub use units::{changed as units_changed, lock_assessments, tried_assessments};
