//! Analytics of a quest: three statements, and what of their numbers may be told.

use sqlx::PgConnection;
use uuid::Uuid;

use super::model::{
    AssessmentFigures, Cohort, FeedbackFigures, Point, QuestInsight, Scope, StepFunnel, Wait, WaitKind,
};
use super::quest_figures::{self, Assessment, Day, Figures, Of, Step, Whole};
use super::series::Buckets;
use super::tries::{self, Quiz};
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
    let mut counted = quest_figures::figures(connection, of, period, bounds).await?;
    let Some(figures) = counted.quests.pop() else { return Ok(None) };
    let days = quest_figures::days(connection, id, period).await?;
    let quizzes = tries::quizzes(connection, of, period, bounds).await?;
    let shield = bounds.shield;
    let told = Told::of(shield, &figures, &quizzes);
    Ok(Some(QuestInsight {
        quest_id: id,
        scope: Scope {
            from: period.from,
            to: period.to,
            time_zone: bounds.time_zone.clone(),
            bucket,
            min_cohort: shield.least,
            is_capped: counted.begun >= bounds.max_attempts,
        },
        series: series(
            shield,
            &days,
            &Buckets::new(days.iter().map(|day| day.day), bucket, period),
            &figures.whole,
            &told.cohort,
        ),
        assessments: told.assessments,
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
    pub fn of(shield: Shield, figures: &Figures, quizzes: &[Quiz]) -> Self {
        let is_known = figures.whole.started == 0 || shield.tells(figures.whole.started);
        let mut ladder = shield.ladder(figures.whole.started);
        let (cohort, steps) = funnel(shield, figures, &mut ladder, is_known);
        Self {
            cohort,
            steps,
            assessments: assessments(shield, figures, quizzes, &mut ladder, is_known),
            waits: waits(shield, figures, is_known),
            feedback: feedback(shield, figures),
        }
    }
}

/// How the attempts stand and how far they got. The mandatory steps are a ladder: whoever has started one has
/// completed those before it, and whoever has completed the quest all of them.
fn funnel(shield: Shield, attempts: &Figures, ladder: &mut Ladder, is_known: bool) -> (Cohort, Vec<StepFunnel>) {
    let whole = &attempts.whole;
    let left = whole.abandoned + whole.idle;
    let stands = shield.parts(&[whole.completed, left, attempts.open()], whole.started);
    let completed = stands[0].and_then(|completed| ladder.tell(completed)).filter(|_| is_known);
    let left_told = stands[1].filter(|_| is_known);
    let ways = left_told.map_or_else(|| vec![None; 2], |left| shield.parts(&[whole.abandoned, whole.idle], left));
    let mut steps = Vec::with_capacity(attempts.steps.len());
    let mut before = whole.started;
    for (at, step) in attempts.steps.iter().enumerate() {
        let mut told = told_step(shield, step, whole.started, ladder, is_known);
        if step.is_optional {
            let after = attempts.steps[at..].iter().find(|step| !step.is_optional).map_or(0, |step| step.started);
            // Nobody is at an optional step who has not come there, nor beyond it who has not dealt with it.
            let dealt = step.started + step.skipped;
            if !shield.is_safe(before - dealt) || !shield.is_safe(step.completed + step.skipped - after) {
                (told.started, told.completed, told.skipped) = (None, None, None);
                (told.median_minutes, told.p90_minutes, told.mean_tries) = (None, None, None);
            }
        } else {
            before = step.completed;
        }
        steps.push(told);
    }
    let places = match left_told {
        Some(left) => where_left(shield, attempts, &steps, completed, left),
        None => vec![None; steps.len() + 2],
    };
    for (step, left) in steps.iter_mut().zip(&places) {
        step.left_here = *left;
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

fn told_step(shield: Shield, step: &Step, whole: i64, ladder: &mut Ladder, is_known: bool) -> StepFunnel {
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
        left_here: None,
        median_minutes: rounded(step.median, 2).filter(|_| has_times),
        p90_minutes: rounded(step.p90, 2).filter(|_| has_times && shield.tells_tail(step.completed)),
        mean_tries: rounded(step.tries, 2).filter(|_| has_times),
        is_suppressed: false,
    }
}

/// A stretch of the way between two numbers that are told: who came to the one, not to the other and has not left is
/// still there.
struct Stretch {
    places: Vec<usize>,
    stay: i64,
}

/// Where attempts left: at each step, before all steps, after them. Neither those who left where it is held back are a
/// small group, nor those who stay in a stretch where it is told, nor those who stay in all other stretches together.
fn where_left(
    shield: Shield,
    attempts: &Figures,
    told: &[StepFunnel],
    completed: Option<i64>,
    left: i64,
) -> Vec<Option<i64>> {
    let (steps, whole) = (&attempts.steps, &attempts.whole);
    let mut places: Vec<i64> = steps.iter().map(|step| step.left_here).collect();
    places.extend([whole.left_before, whole.left_after]);
    let stretches = stretches(attempts, told, completed, &places);
    let mut is_told: Vec<bool> = places.iter().map(|place| shield.is_safe(*place)).collect();
    for (at, step) in steps.iter().enumerate() {
        // Who began it and neither completed it nor left is at it.
        let stay = step.started - step.completed - step.left_here;
        if stay > 0 && !shield.is_safe(stay) && step.left_here > 0 {
            is_told[at] = false;
        }
    }
    loop {
        let hidden = left - (0..places.len()).filter(|at| is_told[*at]).map(|at| places[at]).sum::<i64>();
        let has_hidden = |stretch: &&Stretch| stretch.places.iter().any(|at| !is_told[*at]);
        let stay: i64 = stretches.iter().filter(has_hidden).map(|stretch| stretch.stay).sum();
        let is_alone = is_told.iter().zip(&places).filter(|(is_told, place)| !**is_told && **place != 0).count() == 1;
        let shown = stretches.iter().find(|stretch| !has_hidden(stretch) && !shield.is_safe(stretch.stay));
        let candidates: Vec<usize> = match shown {
            Some(stretch) => stretch.places.clone(),
            // The only one that is held back follows from the others.
            None if is_alone || !shield.is_safe(hidden) || !shield.is_safe(stay) => (0..places.len()).collect(),
            None => break,
        };
        let smallest = candidates.into_iter().filter(|at| is_told[*at] && places[*at] != 0);
        match smallest.min_by_key(|at| (places[*at], *at)) {
            Some(at) => is_told[at] = false,
            None => return vec![None; places.len()],
        }
    }
    places.iter().zip(is_told).map(|(place, is_told)| is_told.then_some(*place)).collect()
}

fn stretches(attempts: &Figures, told: &[StepFunnel], completed: Option<i64>, places: &[i64]) -> Vec<Stretch> {
    let (steps, whole) = (&attempts.steps, &attempts.whole);
    let mut stretches = Vec::new();
    let mut inside = vec![steps.len()];
    let mut came = whole.started;
    let mut end = |inside: &mut Vec<usize>, came: &mut i64, went: i64| {
        let gone: i64 = inside.iter().map(|at| places[*at]).sum();
        stretches.push(Stretch { places: std::mem::take(inside), stay: *came - went - gone });
        *came = went;
    };
    let last = steps.iter().rposition(|step| !step.is_optional);
    for (at, step) in steps.iter().enumerate() {
        if !step.is_optional && told[at].started.is_some() {
            end(&mut inside, &mut came, step.started);
        }
        inside.push(at);
    }
    if let Some(last) = last.filter(|last| told[*last].completed.is_some()) {
        end(&mut inside, &mut came, steps[last].completed);
    }
    inside.push(steps.len() + 1);
    if completed.is_some() {
        end(&mut inside, &mut came, whole.completed);
    }
    stretches
}

/// Days of the rollup. Together they are the attempts of the period, which are told as well; and what became of them is
/// told of the period, or not at all.
fn series(shield: Shield, days: &[Day], by: &Buckets, whole: &Whole, cohort: &Cohort) -> Vec<Point> {
    let all = |count: fn(&Day) -> i64, whole: i64| whole.max(days.iter().map(count).sum());
    let begun = all(|day| day.attempts, whole.started);
    let completed = all(|day| day.completions, whole.completed);
    let gone = all(|day| day.abandoned, whole.abandoned);
    let rows: Vec<[i64; 1]> = days.iter().map(|day| [day.attempts]).collect();
    let attempts = by.tell(shield, &rows, [begun], &by.all().only_if(cohort.started.is_some()));
    let rows: Vec<[i64; 2]> = days.iter().map(|day| [day.completions, day.attempts - day.completions]).collect();
    let within = attempts.only_if(cohort.completed.is_some());
    let completions = by.tell(shield, &rows, [completed, begun - completed], &within);
    let of_day =
        |day: &Day| [day.abandoned, day.attempts - day.abandoned, day.attempts - day.abandoned - day.completions];
    let rows: Vec<[i64; 3]> = days.iter().map(of_day).collect();
    let within = completions.only_if(cohort.abandoned.is_some());
    let rates = by.tell(shield, &rows, [gone, begun - gone, begun - gone - completed], &within);
    let total = by.sums(days.iter().map(|day| day.attempts));
    let done = by.sums(days.iter().map(|day| day.completions));
    let minutes = by.means(days.iter().map(|day| (day.minutes, day.completions)));
    let tries = by.means(days.iter().map(|day| (day.tries, day.completions)));
    let rate = by.means(days.iter().map(|day| (day.rate, day.attempts)));
    let engagement = by.means(days.iter().map(|day| (day.engagement, day.attempts)));
    // A mean that goes on from day to day: two of them would show the voices between them.
    let last = days.iter().rposition(|day| day.difficulty.is_some());
    let last = last.filter(|_| cohort.started.is_some_and(|started| shield.tells(started)));
    (by.begins.iter().enumerate())
        .map(|(at, begins)| {
            let attempts = Some(total[at]).filter(|_| attempts.buckets[at]);
            let is_told = attempts.is_some_and(|attempts| shield.tells(attempts));
            // Of nobody nobody has completed.
            let completed = Some(done[at]).filter(|_| completions.buckets[at] || attempts == Some(0));
            let has_times = completed.is_some_and(|completed| shield.tells(completed));
            let has_rate = is_told && rates.buckets[at];
            let difficulty = last.filter(|last| by.at(*last) == at).and_then(|last| days[last].difficulty);
            Point {
                from: *begins,
                total_attempts: attempts,
                successful_completions: completed,
                average_completion_time_minutes: rounded(minutes[at], 2).filter(|_| has_times),
                average_attempts_to_complete: rounded(tries[at], 2).filter(|_| has_times),
                abandonment_rate: rounded(rate[at], 4).filter(|_| has_rate),
                difficulty_rating: rounded(difficulty, 2),
                // Few values make it up: it would give away how many have completed it.
                engagement_score: rounded(engagement[at], 2).filter(|_| is_told && completions.buckets[at]),
                is_suppressed: attempts.is_none() || completed.is_none() || (total[at] > 0 && !has_rate),
            }
        })
        .collect()
}

/// Who waits is open, or has used up all tries and may be idle. Of a unit, those who wait and those who have not done it
/// and do not wait are parts of one whole. Mostly one waits at one unit only, so that all waits are such parts, too.
fn waits(shield: Shield, attempts: &Figures, is_known: bool) -> Vec<Wait> {
    let (whole, open) = (&attempts.whole, attempts.open());
    let mut waits = Vec::new();
    let mut add = |step_id, assessment_id, title: &str, not_yet: i64, kinds: &[(WaitKind, i64)]| {
        let rows: Vec<[i64; 1]> = kinds.iter().map(|(_, learners)| [*learners]).collect();
        let held = kinds.iter().map(|(kind, learners)| {
            let among = if *kind == WaitKind::Tries { open + whole.idle } else { open };
            ![whole.started, among].iter().all(|among| shield.part(*learners, *among).is_some())
        });
        let not_yet = not_yet.max(rows.iter().flatten().sum());
        let told = shield.rows(&rows, [not_yet], &held.collect::<Vec<bool>>());
        for ((kind, learners), is_told) in kinds.iter().zip(told).filter(|((_, learners), _)| *learners > 0) {
            let learners = Some(*learners).filter(|_| is_told && is_known);
            waits.push(Wait { kind: *kind, step_id, assessment_id, title: title.to_owned(), learners });
        }
    };
    for step in &attempts.steps {
        let kinds = [
            (WaitKind::Review, step.awaiting_review),
            (WaitKind::Result, step.awaiting_result),
            (WaitKind::Tries, step.out_of_tries),
        ];
        add(Some(step.id), None, &step.title, step.started - step.completed, &kinds);
    }
    for assessment in &attempts.assessments {
        let kinds = [(WaitKind::Grade, assessment.awaiting_grade), (WaitKind::Tries, assessment.out_of_tries)];
        add(None, Some(assessment.id), &assessment.key, assessment.tried - assessment.passed, &kinds);
    }
    let of_all = |wait: &Wait| {
        let learners = wait.learners.unwrap_or_default();
        [if wait.kind == WaitKind::Tries { 0 } else { learners }, learners]
    };
    let rows: Vec<[i64; 2]> = waits.iter().map(of_all).collect();
    let is_any_open = rows.iter().any(|[open, _]| *open > 0);
    let all = [if is_any_open { open } else { 0 }, open + whole.idle];
    let told = shield.rows(&rows, all, &vec![false; rows.len()]);
    for (wait, _) in waits.iter_mut().zip(told).filter(|(_, is_told)| !is_told) {
        wait.learners = None;
    }
    waits
}

/// Those who tried, who passed and who have a graded try, which items are told over, are rungs of the ladder, too: an
/// assessment follows the steps, and the quest's end follows it.
fn assessments(
    shield: Shield,
    figures: &Figures,
    quizzes: &[Quiz],
    ladder: &mut Ladder,
    is_known: bool,
) -> Vec<AssessmentFigures> {
    let mut told = |of: &Assessment| {
        let tried = Some(of.tried).filter(|_| is_known).and_then(|tried| ladder.tell(tried));
        let passed = tried.and_then(|_| ladder.tell(of.passed));
        let graded = tried.and_then(|_| ladder.tell(of.graded));
        let is_rest_safe = shield.is_safe(of.tried - of.judged - of.awaiting_grade);
        let judged = passed.filter(|_| is_rest_safe).and_then(|_| ladder.tell(of.judged));
        let quiz = quizzes.iter().find(|quiz| quiz.assessment_id == of.id);
        let items = quiz
            .map_or_else(Vec::new, |quiz| quiz.items(shield, graded.filter(|_| passed.is_some() || !quiz.is_of_one())));
        // The mean of all items would give away the one whose facility is held back.
        let are_items_told = items.iter().all(|item| item.tries == Some(0) || item.facility.is_some());
        let has_percent = are_items_told && graded.is_some_and(|graded| shield.tells(graded));
        let mean_percent = rounded(of.percent, 2).filter(|_| has_percent);
        AssessmentFigures {
            assessment_id: of.id,
            key: of.key.clone(),
            assessment_type: of.assessment_type.clone(),
            tried,
            passed,
            judged,
            mean_tries: rounded(of.tries, 2).filter(|_| tried.is_some_and(|tried| shield.tells(tried))),
            is_suppressed: tried.is_none() || passed.is_none() || (of.graded > 0 && mean_percent.is_none()),
            mean_percent,
            items,
        }
    };
    figures.assessments.iter().map(&mut told).collect()
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
