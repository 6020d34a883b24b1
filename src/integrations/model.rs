//! Meetings as types.

use chrono::{DateTime, Utc};

use crate::ids::{LearnerId, QuestId};

/// Limits of what a meeting may say.
#[derive(Debug, Clone, Copy)]
pub struct MeetingLimits {
    pub participants: usize,
}

/// A meeting that has taken place.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// At the Meeting Service, 1 to 128 characters
    pub id: String,
    pub quest: QuestId,
    /// Each once, in the order of their ids: that in which they are locked
    pub participants: Vec<LearnerId>,
    pub ended_at: DateTime<Utc>,
}
