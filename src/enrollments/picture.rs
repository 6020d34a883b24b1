//! The learner's picture of a path: chapters, quests, what is missing, what comes next.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{Enrollment, PathStatus};
use super::service::get_enrollment;
use crate::criteria::LockedView;
use crate::ids::{ChapterId, LearnerId, LearningPathId, QuestId};
use crate::quests::model::{AttemptStatus, DifficultyLevel, QuestType};
use crate::unlocks::{Availability, Eligibility, Gated, My, Verdict, explain, judge_quests, view};

/// Answer of `GET /v1/me/learning-paths/{id}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    pub learning_path_id: LearningPathId,
    #[schema(example = "Programming in C: the first semester")]
    pub name: String,
    pub description: String,
    pub is_published: bool,
    /// What its quests and their steps pay in all
    pub total_experience_points: i32,
    /// Null for who is not enrolled
    pub enrollment: Option<Enrollment>,
    /// Completed ÷ mandatory quests in percent, cut to two decimals
    #[serde(with = "rust_decimal::serde::float")]
    #[schema(example = 25.0)]
    pub completion_percentage: Decimal,
    pub completed_quests_count: i64,
    pub total_quests_count: i64,
    /// Experience points that its quests and their steps have paid
    pub experience_earned: i64,
    pub next_action: NextAction,
    /// In order; quests without a chapter come last, under one without id
    pub chapters: Vec<ChapterPicture>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum NextAction {
    /// Go on with the quest in progress.
    #[serde(rename_all = "camelCase")]
    ContinueQuest { quest_id: QuestId, title: String },
    /// Start the first that can be started.
    #[serde(rename_all = "camelCase")]
    StartQuest { quest_id: QuestId, title: String },
    /// Take up a paused or abandoned quest again.
    #[serde(rename_all = "camelCase")]
    ResumeQuest { quest_id: QuestId, title: String },
    /// Nothing can be started before this moment.
    Wait { until: DateTime<Utc> },
    /// Nothing can be started; the quests say what is missing.
    Locked,
    /// Every mandatory quest is completed.
    Completed,
}

/// A chapter as the learner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChapterPicture {
    /// Null for the quests without a chapter
    pub chapter_id: Option<ChapterId>,
    #[schema(example = "Pointers and memory")]
    pub title: Option<String>,
    /// The learner's own: by the quests in it; Paused while authors have paused it
    pub status: PathStatus,
    pub start_date: Option<NaiveDate>,
    pub end_date: Option<NaiveDate>,
    /// The end date is over, and mandatory quests are not done; a hint
    pub is_overdue: bool,
    pub completed_quests_count: i64,
    pub total_quests_count: i64,
    pub quests: Vec<QuestPicture>,
}

/// A quest as the learner sees it in the path.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestPicture {
    pub quest_id: QuestId,
    #[schema(example = "Pointers without fear")]
    pub title: String,
    pub sequence_order: i32,
    pub is_mandatory: bool,
    /// Its level within this path
    pub difficulty_level: DifficultyLevel,
    pub quest_type: QuestType,
    /// Minutes
    pub estimated_duration_minutes: Option<i32>,
    /// What the quest and its steps pay
    pub experience_points: i64,
    pub experience_earned: i64,
    pub my: My,
    /// What is missing, while it is locked
    pub locked: Option<Eligibility>,
}

struct PathRow {
    name: String,
    description: String,
    is_published: bool,
    total_experience_points: i32,
    chapters: Json<Vec<ChapterRow>>,
}

struct QuestRow {
    quest_id: QuestId,
    title: String,
    chapter_id: Option<ChapterId>,
    sequence_order: i32,
    is_mandatory: bool,
    difficulty_level: DifficultyLevel,
    quest_type: QuestType,
    estimated_duration_minutes: Option<i32>,
    experience_points: i64,
    experience_earned: i64,
}

#[derive(Deserialize)]
struct ChapterRow {
    id: ChapterId,
    title: String,
    status: PathStatus,
    start_date: Option<NaiveDate>,
    end_date: Option<NaiveDate>,
}

/// The picture; five statements whatever the size. None when there is no such path for this learner.
///
/// # Errors
/// The database's.
pub async fn picture(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    learner: LearnerId,
    path: LearningPathId,
) -> Result<Option<Picture>, sqlx::Error> {
    let enrollment = get_enrollment(connection, learner, path).await?;
    let row = sqlx::query_as!(
        PathRow,
        r#"SELECT name, description, is_published, total_experience_points,
                  (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'title', title, 'status', status, 'start_date', start_date,
                                                                'end_date', end_date) ORDER BY sequence), '[]')
                   FROM quest_chapters WHERE learning_path_id = path.id) AS "chapters!: Json<Vec<ChapterRow>>"
           FROM learning_paths AS path WHERE id = $1"#,
        path.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(mut row) = row.filter(|row| row.is_published || enrollment.is_some()) else { return Ok(None) };
    let chapters = std::mem::take(&mut row.chapters.0);
    let quests = quests(connection, learner, path).await?;
    let ids: Vec<Uuid> = quests.iter().map(|quest| quest.quest_id.0).collect();
    let judged = judge_quests(connection, now, &[learner.0], &ids).await?;
    let judged: Vec<(Gated, Verdict)> = judged.into_iter().flat_map(|judgement| judgement.quests).collect();
    let locked = judged.iter().filter(|(gated, verdict)| gated.attempt.is_none() && !verdict.is_available());
    let explained = explain(connection, now, learner, locked).await?;
    let chapters = Chapters { rows: chapters, explained: &explained };
    Ok(Some(draw(now, path, row, enrollment, chapters, quests, &judged)))
}

async fn quests(
    connection: &mut PgConnection,
    learner: LearnerId,
    path: LearningPathId,
) -> Result<Vec<QuestRow>, sqlx::Error> {
    sqlx::query_as!(
        QuestRow,
        r#"SELECT quest.id AS "quest_id: QuestId", quest.title, link.chapter_id AS "chapter_id: ChapterId", link.sequence_order,
                  link.is_mandatory, link.difficulty_level AS "difficulty_level: DifficultyLevel",
                  quest.quest_type AS "quest_type: QuestType", quest.estimated_duration_minutes,
                  quest.experience_points_reward + coalesce((SELECT sum(experience_points) FROM quest_steps
                      WHERE quest_id = quest.id AND retired_at IS NULL), 0) AS "experience_points!",
                  coalesce(attempt.total_experience_earned, 0)::bigint AS "experience_earned!"
           FROM learning_path_quests AS link JOIN quests AS quest ON quest.id = link.quest_id
           LEFT JOIN user_quest_attempts AS attempt ON attempt.auth_user_id = $2 AND attempt.quest_id = quest.id
           WHERE link.learning_path_id = $1 AND (quest.is_active OR attempt.id IS NOT NULL)
           ORDER BY link.sequence_order"#,
        path.0,
        learner.0
    )
    .fetch_all(connection)
    .await
}

/// What is missing for the quests that are locked.
type Explained = HashMap<Uuid, Eligibility>;

/// The chapters of the path, and what their locked quests wait for.
struct Chapters<'a> {
    rows: Vec<ChapterRow>,
    explained: &'a Explained,
}

/// A quest of the path, with how the learner stands with it.
type Seen<'a> = (QuestRow, &'a (Gated, Verdict));

/// Counts of mandatory quests.
#[derive(Default)]
struct Counts {
    total: i64,
    done: i64,
    begun: bool,
}

impl Counts {
    /// A unit is a mandatory quest that is active, or that the learner has completed.
    fn of<'a>(quests: impl Iterator<Item = (&'a QuestRow, &'a Gated)>) -> Self {
        let mut counts = Self::default();
        for (quest, gated) in quests {
            let done = gated.attempt.as_ref().is_some_and(|attempt| attempt.status == AttemptStatus::Completed);
            counts.begun |= gated.attempt.is_some();
            if quest.is_mandatory && (gated.is_active || done) {
                counts.total += 1;
                counts.done += i64::from(done);
            }
        }
        counts
    }

    fn percentage(&self) -> Decimal {
        match self.total {
            0 => Decimal::ZERO,
            total if self.done == total => Decimal::ONE_HUNDRED,
            total => Decimal::new(self.done.saturating_mul(10_000) / total, 2),
        }
    }

    fn status(&self) -> PathStatus {
        match (self.total > 0 && self.done == self.total, self.begun) {
            (true, _) => PathStatus::Completed,
            (false, true) => PathStatus::InProgress,
            (false, false) => PathStatus::NotStarted,
        }
    }
}

fn draw(
    now: DateTime<Utc>,
    path: LearningPathId,
    row: PathRow,
    enrollment: Option<Enrollment>,
    chapters: Chapters,
    quests: Vec<QuestRow>,
    judged: &[(Gated, Verdict)],
) -> Picture {
    let of: HashMap<Uuid, &(Gated, Verdict)> = judged.iter().map(|judged| (judged.0.quest_id, judged)).collect();
    let quests: Vec<Seen> = quests
        .into_iter()
        .filter_map(|quest| of.get(&quest.quest_id.0).copied().map(|judged| (quest, judged)))
        .collect();
    let counts = Counts::of(quests.iter().map(|(quest, (gated, _))| (quest, gated)));
    let is_completed = enrollment.as_ref().is_some_and(|enrollment| enrollment.status == PathStatus::Completed);
    let mut picture = Picture {
        learning_path_id: path,
        name: row.name,
        description: row.description,
        is_published: row.is_published,
        total_experience_points: row.total_experience_points,
        completion_percentage: if is_completed { Decimal::ONE_HUNDRED } else { counts.percentage() },
        completed_quests_count: counts.done,
        total_quests_count: counts.total,
        experience_earned: quests.iter().map(|(quest, _)| quest.experience_earned).sum(),
        next_action: next_action(&counts, &quests),
        enrollment,
        chapters: Vec::new(),
    };
    let mut of_chapter: HashMap<Option<ChapterId>, Vec<Seen>> = HashMap::new();
    for quest in quests {
        of_chapter.entry(quest.0.chapter_id).or_default().push(quest);
    }
    let explained = chapters.explained;
    for chapter in chapters.rows {
        let quests = of_chapter.remove(&Some(chapter.id)).unwrap_or_default();
        picture.chapters.push(draw_chapter(now, Some(chapter), quests, explained));
    }
    if let Some(quests) = of_chapter.remove(&None) {
        picture.chapters.push(draw_chapter(now, None, quests, explained));
    }
    picture
}

fn draw_chapter(
    now: DateTime<Utc>,
    chapter: Option<ChapterRow>,
    quests: Vec<Seen>,
    explained: &Explained,
) -> ChapterPicture {
    let counts = Counts::of(quests.iter().map(|(quest, (gated, _))| (quest, gated)));
    let is_paused = chapter.as_ref().is_some_and(|chapter| chapter.status == PathStatus::Paused);
    let end_date = chapter.as_ref().and_then(|chapter| chapter.end_date);
    ChapterPicture {
        chapter_id: chapter.as_ref().map(|chapter| chapter.id),
        status: match counts.status() {
            PathStatus::Completed => PathStatus::Completed,
            _ if is_paused => PathStatus::Paused,
            status => status,
        },
        start_date: chapter.as_ref().and_then(|chapter| chapter.start_date),
        end_date,
        is_overdue: end_date.is_some_and(|end| end < now.date_naive()) && counts.done < counts.total,
        title: chapter.map(|chapter| chapter.title),
        completed_quests_count: counts.done,
        total_quests_count: counts.total,
        quests: quests
            .into_iter()
            .filter_map(|(quest, (gated, verdict))| draw_quest(quest, gated, verdict, explained))
            .collect(),
    }
}

/// None when it shows nothing of itself while it is locked.
fn draw_quest(quest: QuestRow, gated: &Gated, verdict: &Verdict, explained: &Explained) -> Option<QuestPicture> {
    if verdict.is_hidden(gated) {
        return None;
    }
    let is_locked = gated.attempt.is_none() && verdict.eligibility.availability == Availability::Locked;
    let shows_why = is_locked && verdict.locked_view == LockedView::Full;
    Some(QuestPicture {
        quest_id: quest.quest_id,
        title: quest.title,
        sequence_order: quest.sequence_order,
        is_mandatory: quest.is_mandatory,
        difficulty_level: quest.difficulty_level,
        quest_type: quest.quest_type,
        estimated_duration_minutes: quest.estimated_duration_minutes,
        experience_points: quest.experience_points,
        experience_earned: quest.experience_earned,
        my: view(gated, verdict),
        locked: explained.get(&gated.quest_id).filter(|_| shows_why).cloned(),
    })
}

/// The quest in progress, else the first that can be started, mandatory ones first, else one to take up
/// again, else the moment that time opens one.
fn next_action(counts: &Counts, quests: &[Seen]) -> NextAction {
    if counts.status() == PathStatus::Completed {
        return NextAction::Completed;
    }
    let with = |status: AttemptStatus| {
        quests
            .iter()
            .find(move |(_, (gated, _))| gated.attempt.as_ref().is_some_and(|attempt| attempt.status == status))
    };
    if let Some((quest, _)) = with(AttemptStatus::InProgress) {
        return NextAction::ContinueQuest { quest_id: quest.quest_id, title: quest.title.clone() };
    }
    let mut open = quests.iter().filter(|(_, (gated, verdict))| gated.attempt.is_none() && verdict.is_available());
    if let Some((quest, _)) = open.clone().find(|(quest, _)| quest.is_mandatory).or_else(|| open.next()) {
        return NextAction::StartQuest { quest_id: quest.quest_id, title: quest.title.clone() };
    }
    if let Some((quest, _)) = with(AttemptStatus::Paused).or_else(|| with(AttemptStatus::Abandoned)) {
        return NextAction::ResumeQuest { quest_id: quest.quest_id, title: quest.title.clone() };
    }
    let due =
        quests.iter().filter(|(_, (gated, _))| gated.attempt.is_none()).filter_map(|(_, (_, verdict))| verdict.due_at);
    due.min().map_or(NextAction::Locked, |until| NextAction::Wait { until })
}
