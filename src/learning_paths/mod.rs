//! Learning paths: quests in an order, grouped in chapters, with what each one needs to open (seed:
//! `learning_paths`, `quest_chapters`, `learning_path_quests`).
//!
//! A path is made as a draft and published once it has an active mandatory quest. Chapters and quests
//! are numbered from 1 without gaps. `totalExperiencePoints` is what the quests and their steps pay; edits
//! of quests keep it current (`quests::service::refresh_paths_of`). Learners see published paths, and those
//! that they are enrolled in; a path with enrolments is unpublished, never deleted.

pub mod http;
pub mod lint;
pub mod map;
pub mod model;
pub mod service;
