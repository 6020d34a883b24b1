//! Operations on analytics: what the database counts, and what of it is told.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::attention::{Attention, Findings, Seen};
use super::insight::blocked::{self, Waiting, blocked};
pub use super::insight::path::path;
use super::insight::quest::Told;
pub use super::insight::quest::quest;
use super::insight::quest_figures::{self, Of};
use super::insight::tries::{self, Quiz};
use super::period::{Bounds, Period};

/// What needs attention in active quests, of one author or all; and, unless one author is asked for, in published
/// paths. At most three statements.
///
/// # Errors
/// The database's.
pub async fn attention(
    connection: &mut PgConnection,
    author: Option<Uuid>,
    period: Period,
    bounds: &Bounds,
) -> Result<Attention, sqlx::Error> {
    let of = Of::All { author };
    let counted = quest_figures::figures(connection, of, period, bounds).await?;
    let quizzes = tries::quizzes(connection, of, period, bounds).await?;
    let waiting = match author {
        None => blocked(connection, None, period, bounds).await?,
        Some(_) => Vec::new(),
    };
    let mut of_quest: HashMap<Uuid, Vec<Quiz>> = HashMap::new();
    for quiz in quizzes {
        of_quest.entry(quiz.quest_id).or_default().push(quiz);
    }
    let mut findings = Findings::new(bounds.shield);
    for figures in &counted.quests {
        let quizzes = of_quest.remove(&figures.quest_id).unwrap_or_default();
        findings.look_at(&Seen {
            quest_id: figures.quest_id,
            title: &figures.title,
            estimated_minutes: figures.estimated_minutes,
            told: &Told::of(bounds.shield, figures, &quizzes),
        });
    }
    let mut of_path: BTreeMap<Uuid, Vec<Waiting>> = BTreeMap::new();
    for waiting in waiting {
        of_path.entry(waiting.learning_path_id).or_default().push(waiting);
    }
    for waiting in of_path.values() {
        for (waiting, learners) in waiting.iter().zip(blocked::told(bounds.shield, waiting)) {
            findings.blocked(waiting, learners);
        }
    }
    Ok(Attention {
        from: period.from,
        to: period.to,
        time_zone: bounds.time_zone.clone(),
        min_cohort: bounds.shield.least,
        is_capped: counted.begun >= bounds.max_attempts,
        items: findings.ranked(),
    })
}
