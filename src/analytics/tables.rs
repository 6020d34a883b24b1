//! Analytics as tables, one for each part of an answer.

use serde::Deserialize;
use utoipa::ToSchema;

use super::attention::Attention;
use super::csv::{Cell, Table};
use super::insight::model::{AssessmentFigures, PathInsight, QuestInsight};
use super::items::Item;

/// Part of a quest's analytics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum QuestTable {
    #[default]
    Steps,
    Series,
    Assessments,
    Items,
    Options,
    Waits,
    Feedback,
}

impl QuestTable {
    /// Its name in the name of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Series => "series",
            Self::Assessments => "assessments",
            Self::Items => "items",
            Self::Options => "options",
            Self::Waits => "waits",
            Self::Feedback => "feedback",
        }
    }
}

/// Part of a learning path's analytics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PathTable {
    #[default]
    Quests,
    Series,
    Locked,
    Waits,
}

impl PathTable {
    /// Its name in the name of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quests => "quests",
            Self::Series => "series",
            Self::Locked => "locked",
            Self::Waits => "waits",
        }
    }
}

macro_rules! row {
    ($($cell:expr),+ $(,)?) => { vec![$(Cell::from($cell)),+] };
}

/// A table of a quest's analytics.
#[must_use]
pub fn of_quest(insight: &QuestInsight, table: QuestTable) -> Table {
    match table {
        QuestTable::Steps => steps(insight),
        QuestTable::Series => series(insight),
        QuestTable::Assessments => assessments(insight),
        QuestTable::Items => items(insight),
        QuestTable::Options => options(insight),
        QuestTable::Waits => waits(insight),
        QuestTable::Feedback => feedback(insight),
    }
}

fn steps(insight: &QuestInsight) -> Table {
    let rows = insight.steps.iter().map(|step| {
        row![
            step.step_number,
            step.step_id,
            &step.title,
            &step.step_type,
            step.is_optional,
            step.started,
            step.completed,
            step.skipped,
            step.left_here,
            step.median_minutes,
            step.p90_minutes,
            step.mean_tries,
            step.is_suppressed,
        ]
    });
    Table {
        columns: &[
            "stepNumber",
            "stepId",
            "title",
            "stepType",
            "isOptional",
            "started",
            "completed",
            "skipped",
            "leftHere",
            "medianMinutes",
            "p90Minutes",
            "meanTries",
            "isSuppressed",
        ],
        rows: rows.collect(),
    }
}

fn series(insight: &QuestInsight) -> Table {
    let rows = insight.series.iter().map(|point| {
        row![
            point.from,
            point.total_attempts,
            point.successful_completions,
            point.average_completion_time_minutes,
            point.average_attempts_to_complete,
            point.abandonment_rate,
            point.difficulty_rating,
            point.engagement_score,
            point.is_suppressed,
        ]
    });
    Table {
        columns: &[
            "from",
            "totalAttempts",
            "successfulCompletions",
            "averageCompletionTimeMinutes",
            "averageAttemptsToComplete",
            "abandonmentRate",
            "difficultyRating",
            "engagementScore",
            "isSuppressed",
        ],
        rows: rows.collect(),
    }
}

fn assessments(insight: &QuestInsight) -> Table {
    let rows = insight.assessments.iter().map(|assessment| {
        row![
            assessment.assessment_id,
            &assessment.key,
            &assessment.assessment_type,
            assessment.tried,
            assessment.passed,
            assessment.mean_tries,
            assessment.mean_percent,
            assessment.is_suppressed,
        ]
    });
    Table {
        columns: &[
            "assessmentId",
            "key",
            "assessmentType",
            "tried",
            "passed",
            "meanTries",
            "meanPercent",
            "isSuppressed",
        ],
        rows: rows.collect(),
    }
}

fn each_item(insight: &QuestInsight) -> impl Iterator<Item = (&AssessmentFigures, &Item)> {
    insight.assessments.iter().flat_map(|assessment| assessment.items.iter().map(move |item| (assessment, item)))
}

fn items(insight: &QuestInsight) -> Table {
    let rows = each_item(insight).map(|(assessment, item)| {
        row![
            assessment.assessment_id,
            &assessment.key,
            &item.item_id,
            item.kind,
            &item.prompt,
            item.tries,
            item.facility,
            item.discrimination,
            item.is_likely_miskeyed,
            item.suspected_option_id.as_ref(),
            item.is_suppressed,
        ]
    });
    Table {
        columns: &[
            "assessmentId",
            "key",
            "itemId",
            "kind",
            "prompt",
            "tries",
            "facility",
            "discrimination",
            "isLikelyMiskeyed",
            "suspectedOptionId",
            "isSuppressed",
        ],
        rows: rows.collect(),
    }
}

fn options(insight: &QuestInsight) -> Table {
    let rows = each_item(insight).flat_map(|(assessment, item)| {
        item.options.iter().map(|option| {
            row![
                assessment.assessment_id,
                &assessment.key,
                &item.item_id,
                option.option_id.as_ref(),
                &option.text,
                option.is_key,
                option.chosen,
            ]
        })
    });
    Table { columns: &["assessmentId", "key", "itemId", "optionId", "text", "isKey", "chosen"], rows: rows.collect() }
}

fn waits(insight: &QuestInsight) -> Table {
    let rows = insight
        .waits
        .iter()
        .map(|wait| row![wait.kind.as_str(), wait.step_id, wait.assessment_id, &wait.title, wait.learners]);
    Table { columns: &["kind", "stepId", "assessmentId", "title", "learners"], rows: rows.collect() }
}

fn feedback(insight: &QuestInsight) -> Table {
    let feedback = &insight.feedback;
    Table {
        columns: &[
            "total",
            "open",
            "meanRating",
            "contentError",
            "technicalIssue",
            "tooDifficult",
            "tooEasy",
            "other",
            "isSuppressed",
        ],
        rows: vec![row![
            feedback.total,
            feedback.open,
            feedback.mean_rating,
            feedback.content_error,
            feedback.technical_issue,
            feedback.too_difficult,
            feedback.too_easy,
            feedback.other,
            feedback.is_suppressed,
        ]],
    }
}

/// A table of a learning path's analytics.
#[must_use]
pub fn of_path(insight: &PathInsight, table: PathTable) -> Table {
    match table {
        PathTable::Quests => Table {
            columns: &[
                "sequence",
                "questId",
                "title",
                "isMandatory",
                "started",
                "completed",
                "abandoned",
                "medianDays",
                "locked",
                "isSuppressed",
            ],
            rows: insight
                .quests
                .iter()
                .map(|quest| {
                    row![
                        quest.sequence,
                        quest.quest_id,
                        &quest.title,
                        quest.is_mandatory,
                        quest.started,
                        quest.completed,
                        quest.abandoned,
                        quest.median_days,
                        quest.locked,
                        quest.is_suppressed,
                    ]
                })
                .collect(),
        },
        PathTable::Series => Table {
            columns: &["from", "enrolled", "started", "completed", "isSuppressed"],
            rows: insight
                .series
                .iter()
                .map(|point| row![point.from, point.enrolled, point.started, point.completed, point.is_suppressed])
                .collect(),
        },
        PathTable::Locked => Table {
            columns: &["questId", "title", "byQuestId", "byTitle", "learners"],
            rows: (insight.quests.iter())
                .flat_map(|quest| quest.locked_by.iter().map(move |by| (quest, by)))
                .map(|(quest, by)| row![quest.quest_id, &quest.title, by.quest_id, &by.title, by.learners])
                .collect(),
        },
        PathTable::Waits => Table {
            columns: &["questId", "title", "cause", "byQuestId", "byTitle", "learners"],
            rows: insight
                .waits
                .iter()
                .map(|wait| {
                    row![
                        wait.quest_id,
                        &wait.title,
                        wait.cause.as_str(),
                        wait.by_quest_id,
                        wait.by_title.as_ref(),
                        wait.learners,
                    ]
                })
                .collect(),
        },
    }
}

/// What needs attention as a table.
#[must_use]
pub fn of_attention(attention: &Attention) -> Table {
    let rows = attention.items.iter().map(|finding| {
        row![
            finding.rank,
            finding.kind.as_str(),
            finding.score,
            finding.quest_id,
            &finding.quest_title,
            finding.learning_path_id,
            finding.step_id,
            finding.assessment_id,
            finding.item_id.as_ref(),
            &finding.place,
            finding.learners,
            finding.of,
            finding.share,
            finding.severity,
            &finding.reason,
        ]
    });
    Table {
        columns: &[
            "rank",
            "kind",
            "score",
            "questId",
            "questTitle",
            "learningPathId",
            "stepId",
            "assessmentId",
            "itemId",
            "place",
            "learners",
            "of",
            "share",
            "severity",
            "reason",
        ],
        rows: rows.collect(),
    }
}
