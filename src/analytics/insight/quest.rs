//! Analytics of a quest: three statements, and what of their numbers may be told.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::model::{
    AssessmentFigures, Cohort, FeedbackFigures, Point, QuestInsight, Scope, StepFunnel, Wait, WaitKind,
};
use super::quest_figures::{self, Assessment, Days, Figures, Of, Step, Whole};
use super::tries::{self, Quiz};
use crate::analytics::items::Item;
use crate::analytics::period::{Bounds, Bucket, Period};
use crate::analytics::privacy::{Ladder, Shield, real, rounded};

/// Analytics of a quest; none where there is no such quest.
///
/// # Errors
/// The database's.
pub async fn quest(
    connection: &mut PgConnection,
    id: Uuid,
    period: Period,
    bucket: Bucket,
    bounds: &Bounds,
) -> Result<Option<QuestInsight>, sqlx::Error> {
    let of = Of::Quest(id);
    let Some(figures) = quest_figures::figures(connection, of, period, bounds).await?.pop() else { return Ok(None) };
    let days = quest_figures::days(connection, id, period, bucket).await?;
    let quizzes = tries::quizzes(connection, of, period, bounds).await?;
    let shield = bounds.shield;
    let told = Told::of(shield, &figures);
    Ok(Some(QuestInsight {
        quest_id: id,
        scope: Scope {
            from: period.from,
            to: period.to,
            time_zone: bounds.time_zone.clone(),
            bucket,
            min_cohort: shield.least,
            is_capped: figures.begun >= bounds.max_attempts,
        },
        series: series(shield, &days, &figures.whole),
        assessments: with_items(told.assessments, quizzes),
        title: figures.title,
        cohort: told.cohort,
        steps: told.steps,
        waits: told.waits,
        feedback: told.feedback,
    }))
}

/// What may be told of a quest's attempts and feedback: the same here and in the list of what needs attention.
#[derive(Debug)]
pub struct Told {
    pub cohort: Cohort,
    pub steps: Vec<StepFunnel>,
    pub assessments: Vec<AssessmentFigures>,
    pub waits: Vec<Wait>,
    pub feedback: FeedbackFigures,
}

impl Told {
    #[must_use]
    pub fn of(shield: Shield, figures: &Figures) -> Self {
        let is_known = figures.whole.started == 0 || shield.tells(figures.whole.started);
        let (cohort, steps) = funnel(shield, figures, is_known);
        Self {
            cohort,
            steps,
            assessments: assessments(shield, figures, is_known),
            waits: waits(shield, figures, is_known),
            feedback: feedback(shield, figures),
        }
    }
}

/// How the attempts stand and how far they got. The mandatory steps are a ladder: whoever has started one has
/// completed those before it, and whoever has completed the quest all of them.
fn funnel(shield: Shield, attempts: &Figures, is_known: bool) -> (Cohort, Vec<StepFunnel>) {
    let whole = &attempts.whole;
    let left = whole.abandoned + whole.idle;
    let open = whole.started - whole.completed - left;
    let mut ladder = shield.ladder(whole.started);
    let stands = shield.parts(&[whole.completed, left, open], whole.started);
    let completed = stands[0].and_then(|completed| ladder.tell(completed)).filter(|_| is_known);
    let left_told = stands[1].filter(|_| is_known);
    let split = |parts: &[i64]| match left_told {
        Some(left) => shield.parts(parts, left),
        None => vec![None; parts.len()],
    };
    let ways = split(&[whole.abandoned, whole.idle]);
    let mut places: Vec<i64> = attempts.steps.iter().map(|step| step.left_here).collect();
    places.extend([whole.left_before, whole.left_after]);
    let places = split(&places);
    let mut steps: Vec<StepFunnel> = attempts
        .steps
        .iter()
        .zip(&places)
        .map(|(step, left)| told_step(shield, step, *left, whole.started, &mut ladder, is_known))
        .collect();
    hide_who_stays(shield, &attempts.steps, &mut steps);
    for step in &mut steps {
        let told = [step.started, step.completed, step.skipped, step.left_here];
        step.is_suppressed = told.iter().any(Option::is_none);
    }
    let (before, after) = (places[attempts.steps.len()], places[attempts.steps.len() + 1]);
    let has_times = completed.is_some_and(|completed| shield.tells(completed));
    let told = [completed, left_told, ways[0], ways[1], before, after];
    let cohort = Cohort {
        started: shield.count(whole.started),
        completed,
        abandoned: ways[0],
        idle: ways[1],
        open: stands[2].filter(|_| is_known),
        left: left_told,
        left_share: left_told.filter(|_| whole.started > 0).and_then(|left| share(left, whole.started)),
        left_before_steps: before,
        left_after_steps: after,
        median_minutes: rounded(whole.median, 2).filter(|_| has_times),
        p90_minutes: rounded(whole.p90, 2).filter(|_| has_times && shield.tells_tail(whole.completed)),
        is_suppressed: !is_known || told.iter().any(Option::is_none),
    };
    (cohort, steps)
}

fn share(part: i64, whole: i64) -> Option<f64> {
    rounded(Some(real(part) / real(whole)), 4)
}

fn told_step(
    shield: Shield,
    step: &Step,
    left_here: Option<i64>,
    whole: i64,
    ladder: &mut Ladder,
    is_known: bool,
) -> StepFunnel {
    let (started, completed, skipped) = if step.is_optional {
        let told = shield.parts(&[step.started, step.skipped], whole);
        let completed = told[0].and_then(|started| shield.part(step.completed, started));
        (told[0], completed, told[1])
    } else {
        let skipped = shield.part(step.skipped, whole);
        (ladder.tell(step.started), ladder.tell(step.completed), skipped)
    };
    let completed = completed.filter(|_| is_known);
    let has_times = completed.is_some_and(|completed| shield.tells(completed));
    StepFunnel {
        step_id: step.id,
        step_number: step.step_number,
        title: step.title.clone(),
        step_type: step.step_type.clone(),
        is_optional: step.is_optional,
        started: started.filter(|_| is_known),
        completed,
        skipped: skipped.filter(|_| is_known),
        left_here,
        median_minutes: rounded(step.median, 2).filter(|_| has_times),
        p90_minutes: rounded(step.p90, 2).filter(|_| has_times && shield.tells_tail(step.completed)),
        mean_tries: rounded(step.tries, 2).filter(|_| has_times),
        is_suppressed: false,
    }
}

/// Who started a step and neither completed it nor left is still at it; so is who started it, did not start the next
/// mandatory one and did not leave. Where these are a small group, those who left are held back.
fn hide_who_stays(shield: Shield, counted: &[Step], told: &mut [StepFunnel]) {
    for at in 0..counted.len() {
        let step = &counted[at];
        let stays = step.started - step.completed - step.left_here;
        let mut gives_away = stays > 0 && !shield.is_safe(stays);
        let next = (at + 1..counted.len()).find(|next| !counted[*next].is_optional);
        if let Some(next) = next.filter(|_| !step.is_optional) {
            let left: i64 = counted[at..next].iter().map(|step| step.left_here).sum();
            gives_away |= !shield.is_safe(step.started - counted[next].started - left);
        }
        if gives_away && step.left_here > 0 {
            told[at].left_here = None;
        }
    }
}

/// Days of the rollup. Together they are the attempts of the period, which are told as well.
fn series(shield: Shield, days: &[Days], whole: &Whole) -> Vec<Point> {
    let over = |count: &dyn Fn(&Days) -> i64, whole: i64| {
        let parts: Vec<i64> = days.iter().map(count).collect();
        shield.parts(&parts, whole.max(parts.iter().sum()))
    };
    let attempts = over(&|day| day.attempts, whole.started);
    let completions = over(&|day| day.completions, whole.completed);
    let abandoned = over(&|day| day.abandoned, whole.abandoned);
    days.iter()
        .enumerate()
        .map(|(at, day)| {
            let total = attempts[at];
            let is_told = total.is_some_and(|total| shield.tells(total));
            let completed = completions[at].filter(|_| total.is_some());
            let completed = completed.and_then(|completed| shield.part(completed, day.attempts));
            let has_times = completed.is_some_and(|completed| shield.tells(completed));
            let has_rate = is_told && abandoned[at].is_some_and(|gone| shield.part(gone, day.attempts).is_some());
            Point {
                from: day.begins,
                total_attempts: total,
                successful_completions: completed,
                average_completion_time_minutes: rounded(day.minutes, 2).filter(|_| has_times),
                average_attempts_to_complete: rounded(day.tries, 2).filter(|_| has_times),
                abandonment_rate: rounded(day.rate, 4).filter(|_| has_rate),
                difficulty_rating: rounded(day.difficulty, 2).filter(|_| is_told),
                engagement_score: rounded(day.engagement, 2).filter(|_| is_told),
                is_suppressed: total.is_none() || completed.is_none() || (day.attempts > 0 && !has_rate),
            }
        })
        .collect()
}

fn waits(shield: Shield, attempts: &Figures, is_known: bool) -> Vec<Wait> {
    let mut waits = Vec::new();
    let mut add = |kind, step_id, assessment_id, title: &str, learners: i64, of: i64| {
        if learners > 0 {
            let learners = shield.part(learners, of.max(learners)).filter(|_| is_known);
            waits.push(Wait { kind, step_id, assessment_id, title: title.to_owned(), learners });
        }
    };
    for step in &attempts.steps {
        let not_yet = step.started - step.completed;
        for (kind, learners) in [
            (WaitKind::Review, step.awaiting_review),
            (WaitKind::Result, step.awaiting_result),
            (WaitKind::Tries, step.out_of_tries),
        ] {
            add(kind, Some(step.id), None, &step.title, learners, not_yet);
        }
    }
    for assessment in &attempts.assessments {
        let not_yet = assessment.tried - assessment.passed;
        for (kind, learners) in
            [(WaitKind::Grade, assessment.awaiting_grade), (WaitKind::Tries, assessment.out_of_tries)]
        {
            add(kind, None, Some(assessment.id), &assessment.key, learners, not_yet);
        }
    }
    waits
}

fn assessments(shield: Shield, figures: &Figures, is_known: bool) -> Vec<AssessmentFigures> {
    let told = |of: &Assessment| {
        // Items are told over those whose try is graded.
        let is_safe = is_known && shield.is_safe(of.tried - of.graded);
        let tried = shield.part(of.tried, figures.whole.started).filter(|_| is_safe);
        let passed = tried.and_then(|tried| shield.part(of.passed, tried));
        let is_told = tried.is_some_and(|tried| shield.tells(tried));
        AssessmentFigures {
            assessment_id: of.id,
            key: of.key.clone(),
            assessment_type: of.assessment_type.clone(),
            tried,
            passed,
            mean_tries: rounded(of.tries, 2).filter(|_| is_told),
            mean_percent: rounded(of.percent, 2).filter(|_| is_told && shield.tells(of.graded)),
            is_suppressed: tried.is_none() || passed.is_none(),
            items: Vec::new(),
        }
    };
    figures.assessments.iter().map(told).collect()
}

fn with_items(mut assessments: Vec<AssessmentFigures>, quizzes: Vec<Quiz>) -> Vec<AssessmentFigures> {
    let mut items: HashMap<Uuid, Vec<Item>> =
        quizzes.into_iter().map(|quiz| (quiz.assessment_id, quiz.items)).collect();
    for assessment in &mut assessments {
        assessment.items = items.remove(&assessment.assessment_id).unwrap_or_default();
    }
    assessments
}

fn feedback(shield: Shield, head: &Figures) -> FeedbackFigures {
    let total: i64 = head.feedback.iter().map(|said| said.given).sum();
    let open = head.feedback.iter().map(|said| said.open).sum();
    let is_told = shield.tells(head.voices);
    let is_known = is_told || total == 0;
    let counts = ["ContentError", "TechnicalIssue", "TooDifficult", "TooEasy", "Other"]
        .map(|category| head.feedback.iter().filter(|said| said.category == category).map(|said| said.given).sum());
    let told: Vec<Option<i64>> =
        shield.parts(&counts, total).into_iter().map(|count| count.filter(|_| is_known)).collect();
    let open = shield.part(open, total).filter(|_| is_known);
    let ratings: i64 = head.feedback.iter().map(|said| said.rating).sum();
    FeedbackFigures {
        total: Some(total).filter(|_| is_known),
        open,
        mean_rating: rounded(Some(real(ratings) / real(total.max(1))), 2).filter(|_| is_told),
        content_error: told[0],
        technical_issue: told[1],
        too_difficult: told[2],
        too_easy: told[3],
        other: told[4],
        is_suppressed: open.is_none() || told.iter().any(Option::is_none),
    }
}
