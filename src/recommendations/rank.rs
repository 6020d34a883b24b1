//! From candidates to an order: features, their weighted sum, variety. Pure, and documented as formulas in
//! docs/recommendations.md.

use std::collections::HashMap;

use chrono::NaiveDate;
use uuid::Uuid;

use super::model::{Attempt, Candidate, Learner, Peers, Place, Ratings, Reason, ReasonKind, Recipe};
use crate::ids::{LearningPathId, QuestId};
use crate::quests::model::{AttemptStatus, DifficultyLevel};

/// What is finished last tells of a learner's level and interests.
const LATEST: usize = 5;
/// Ratings that a quest is believed to have before it has any, and what they say.
const PRIOR: f64 = 5.0;
const MIDDLE_RATING: f64 = 3.5;
/// What fewer people did or said is not told, and does not count.
pub const COHORT: i64 = 5;
/// Finished quests that others are compared with, the last ones.
const COMPARED: usize = 20;
/// Contributions below this are no reasons.
const LEAST: f64 = 0.005;

/// Vectors of length 1 of quests, as far as the index knows them.
pub type Vectors = HashMap<Uuid, Vec<f32>>;

/// A candidate that can be started, and a skill level that it asked for.
#[derive(Debug, Clone)]
pub struct Open {
    pub candidate: Candidate,
    pub reached: Option<(String, i64)>,
}

/// A ranked quest.
#[derive(Debug, Clone)]
pub struct Scored {
    pub id: Uuid,
    pub score: f64,
    pub reasons: Vec<Reason>,
    tags: Vec<String>,
}

/// 1 to 4.
fn rank(level: DifficultyLevel) -> f64 {
    match level {
        DifficultyLevel::Beginner => 1.0,
        DifficultyLevel::Intermediate => 2.0,
        DifficultyLevel::Advanced => 3.0,
        DifficultyLevel::Expert => 4.0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and days are far below 2^52")]
fn float(number: i64) -> f64 {
    number as f64
}

/// Halves every `half` days.
fn fading(since: NaiveDate, today: NaiveDate, half: f64) -> f64 {
    (-float((today - since).num_days().max(0)) / half).exp2()
}

fn ago(since: NaiveDate, today: NaiveDate) -> String {
    match (today - since).num_days() {
        ..=0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

impl Learner {
    /// What was finished, the last first.
    fn finished(&self) -> Vec<&Attempt> {
        let mut finished: Vec<&Attempt> =
            self.attempts.iter().filter(|attempt| attempt.status == AttemptStatus::Completed).collect();
        finished.sort_by_key(|attempt| (std::cmp::Reverse(attempt.completed_at), attempt.quest_id));
        finished
    }

    /// The level of what was finished last, 1 to 4; what was too easy or too difficult moves it by at most 1.
    fn level(&self) -> f64 {
        let finished = self.finished();
        let latest = &finished[..finished.len().min(LATEST)];
        if latest.is_empty() {
            return 1.0;
        }
        let count = float(i64::try_from(latest.len()).unwrap_or(i64::MAX));
        let mean = latest.iter().map(|attempt| rank(attempt.difficulty_level)).sum::<f64>() / count;
        let moved: f64 = latest.iter().map(|attempt| shift(attempt.too_easy) - shift(attempt.too_difficult)).sum();
        (mean + moved.clamp(-1.0, 1.0)).clamp(1.0, 4.0)
    }

    /// Its level in a skill: the User Service's, or else estimated from the points earned here.
    fn level_in(&self, tag: &str, recipe: &Recipe) -> f64 {
        let tag = tag.to_lowercase();
        match &self.levels {
            Some(levels) => levels.get(&tag).map_or(0.0, |level| f64::from(*level)),
            None => float(self.points.get(&tag).copied().unwrap_or_default()) / recipe.points_per_level,
        }
    }
}

const fn shift(is_so: bool) -> f64 {
    if is_so { 0.5 } else { 0.0 }
}

impl Attempt {
    /// How much it speaks for what is alike; below 0, against it.
    fn liking(&self) -> f64 {
        match self.rating {
            None => 0.8,
            Some(rating) if rating >= 4.0 => 1.0,
            Some(rating) if rating > 2.0 => 0.6,
            Some(_) => -0.5,
        }
    }
}

/// The vector that stands for what a learner finished and liked; None when nothing is known of it.
#[must_use]
pub fn taste(learner: &Learner, vectors: &Vectors) -> Option<Vec<f32>> {
    let mut sum: Vec<f32> = Vec::new();
    for attempt in learner.finished().into_iter().filter(|attempt| attempt.liking() > 0.0) {
        let Some(vector) = vectors.get(&attempt.quest_id) else { continue };
        sum.resize(vector.len(), 0.0);
        #[expect(clippy::cast_possible_truncation, reason = "a weight")]
        let weight = attempt.liking() as f32;
        sum.iter_mut().zip(vector).for_each(|(sum, part)| *sum += weight * part);
    }
    sum.iter().any(|part| *part != 0.0).then_some(sum)
}

/// The vector of length 1 in its direction.
#[must_use]
pub fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|part| part * part).sum::<f32>().sqrt();
    if length > 0.0 {
        for part in &mut vector {
            *part /= length;
        }
    }
    vector
}

/// Cosine of two vectors of length 1, not below 0.
fn alike(one: &[f32], other: &[f32]) -> f64 {
    // Several sums side by side: the processor adds them at once.
    let mut sums = [0.0_f32; 8];
    for (one, other) in one.chunks(8).zip(other.chunks(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += a * b;
        }
    }
    f64::from(sums.iter().sum::<f32>()).clamp(0.0, 1.0)
}

/// Ranks what can be started, the best first.
#[must_use]
pub fn ranked(open: Vec<Open>, learner: &Learner, vectors: &Vectors, recipe: &Recipe) -> Vec<Scored> {
    let turns = turns(&open);
    let mut scored: Vec<Scored> =
        open.into_iter().map(|open| scored(&open, &turns, learner, vectors, recipe)).collect();
    scored.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
    scored
}

/// Of each path of the learner, the quests that can be started, in the order in which they are next.
fn turns(open: &[Open]) -> HashMap<Uuid, Vec<Uuid>> {
    let mut of_path: HashMap<Uuid, Vec<(&Place, Uuid)>> = HashMap::new();
    for open in open {
        for place in &open.candidate.places {
            of_path.entry(place.learning_path_id).or_default().push((place, open.candidate.id));
        }
    }
    of_path
        .into_iter()
        .map(|(path, mut places)| {
            places.sort_by_key(|(place, id)| (!place.is_mandatory, place.sequence_order, *id));
            (path, places.into_iter().map(|(_, id)| id).collect())
        })
        .collect()
}

/// To so many parts of 1.
fn round_to(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

/// Four decimals.
fn rounded(number: f64) -> f64 {
    round_to(number, 10_000.0)
}

/// A feature of a candidate: a reason whose contribution is not weighed yet.
fn feature(kind: ReasonKind, value: f64, text: String) -> Reason {
    Reason { kind, text, value, contribution: 0.0, quest_id: None, learning_path_id: None, skill_tag: None }
}

fn scored(
    open: &Open,
    turns: &HashMap<Uuid, Vec<Uuid>>,
    learner: &Learner,
    vectors: &Vectors,
    recipe: &Recipe,
) -> Scored {
    let candidate = &open.candidate;
    let features = [
        next_in_path(candidate, turns),
        current_subject(candidate, learner),
        similar_to(candidate, learner, vectors),
        skill_gap(candidate, learner, recipe),
        open.reached.as_ref().map(|(tag, level)| {
            let text = format!("You have reached level {level} in {tag}, which it asks for");
            Reason { skill_tag: Some(tag.clone()), ..feature(ReasonKind::SkillPrerequisiteMet, 1.0, text) }
        }),
        Some(level_fit(candidate, learner)),
        peers_did_next(candidate),
        unlocked_recently(candidate, learner),
        Some(new_in_catalogue(candidate, learner)),
        well_rated(candidate),
    ];
    let mut reasons: Vec<Reason> = features.into_iter().flatten().collect();
    for reason in &mut reasons {
        reason.contribution = recipe.weights.of(reason.kind) * reason.value;
    }
    let score = rounded(reasons.iter().map(|reason| reason.contribution).sum());
    for reason in &mut reasons {
        (reason.value, reason.contribution) = (rounded(reason.value), rounded(reason.contribution));
    }
    reasons.sort_by(|one, other| other.contribution.total_cmp(&one.contribution).then(one.kind.cmp(&other.kind)));
    let told = reasons.iter().take_while(|reason| reason.contribution >= LEAST).count();
    reasons.truncate(told.max(1));
    let tags = candidate.skills.iter().map(|skill| skill.tag.to_lowercase()).collect();
    Scored { id: candidate.id, score, reasons, tags }
}

/// 1 for what is next, 1/2, 1/3, … for what comes after it.
fn next_in_path(candidate: &Candidate, turns: &HashMap<Uuid, Vec<Uuid>>) -> Option<Reason> {
    let turn = |place: &Place| {
        let turns = turns.get(&place.learning_path_id)?;
        i64::try_from(turns.iter().position(|id| *id == candidate.id)? + 1).ok()
    };
    let places = candidate.places.iter().filter_map(|place| Some((turn(place)?, place)));
    let (turn, place) = places.min_by_key(|(turn, place)| (*turn, place.learning_path_id))?;
    let text = match turn {
        1 => format!("Next in “{}”", place.name),
        turn => format!("Number {turn} of what you can start in “{}”", place.name),
    };
    let path = Some(LearningPathId(place.learning_path_id));
    Some(Reason { learning_path_id: path, ..feature(ReasonKind::NextInPath, 1.0 / float(turn), text) })
}

/// 1 where a quest of the subject is in progress, 0.6 where one was among those finished last.
fn current_subject(candidate: &Candidate, learner: &Learner) -> Option<Reason> {
    let subject = candidate.subject_id?;
    let of_it = |attempt: &&Attempt| attempt.subject_id == Some(subject);
    let under_way = learner.attempts.iter().filter(|attempt| attempt.status == AttemptStatus::InProgress).find(of_it);
    let (value, attempt, how) = if let Some(attempt) = under_way {
        (1.0, attempt, "which you are on")
    } else {
        (0.6, learner.finished().into_iter().take(LATEST).find(of_it)?, "which you finished lately")
    };
    let text = format!("Of the same subject as “{}”, {how}", attempt.title);
    let quest_id = Some(QuestId(attempt.quest_id));
    Some(Reason { quest_id, ..feature(ReasonKind::CurrentSubject, value, text) })
}

/// The highest likeness to what was liked, weighed by the liking, less that to what was not.
fn similar_to(candidate: &Candidate, learner: &Learner, vectors: &Vectors) -> Option<Reason> {
    let own = vectors.get(&candidate.id)?;
    let (mut liked, mut against): (Option<(f64, &Attempt)>, f64) = (None, 0.0);
    for attempt in learner.finished().into_iter().take(COMPARED) {
        let Some(vector) = vectors.get(&attempt.quest_id) else { continue };
        let value = attempt.liking() * alike(own, vector);
        against = against.min(value);
        if value > liked.map_or(0.0, |(best, _)| best) {
            liked = Some((value, attempt));
        }
    }
    let (best, liked) = liked?;
    let told = liked.rating.filter(|rating| *rating >= 4.0).map(|rating| format!(" and rated {rating:.0}"));
    let text = format!("Like “{}”, which you finished{}", liked.title, told.unwrap_or_default());
    let value = (best + against).max(0.0);
    Some(Reason { quest_id: Some(QuestId(liked.quest_id)), ..feature(ReasonKind::SimilarTo, value, text) })
}

/// How far the learner is below the quest's level (1 to 4) in its skills, each by what it pays in it.
fn skill_gap(candidate: &Candidate, learner: &Learner, recipe: &Recipe) -> Option<Reason> {
    let level = rank(candidate.difficulty_level);
    let gaps = candidate.skills.iter().map(|skill| {
        let gap = ((level - learner.level_in(&skill.tag, recipe)) / level).clamp(0.0, 1.0);
        (float(skill.points.max(1)), gap, skill)
    });
    let gaps: Vec<_> = gaps.collect();
    let all: f64 = gaps.iter().map(|(points, _, _)| points).sum();
    let value = gaps.iter().map(|(points, gap, _)| points * gap).sum::<f64>() / all;
    let widest = gaps.iter().filter(|(_, gap, _)| *gap > 0.0);
    let (_, _, skill) = widest.max_by(|one, other| (one.0 * one.1).total_cmp(&(other.0 * other.1)))?;
    let own = learner.level_in(&skill.tag, recipe);
    let text = format!("Builds {}: you are at level {own:.1}, it goes to {level:.0}", skill.tag);
    Some(Reason { skill_tag: Some(skill.tag.clone()), ..feature(ReasonKind::SkillGap, value, text) })
}

/// 1 a quarter above the learner's level, 0 two levels from there. Always told, if nothing else is.
fn level_fit(candidate: &Candidate, learner: &Learner) -> Reason {
    let Ratings { count, too_easy, too_difficult, .. } = candidate.ratings;
    let own = learner.level();
    // In quarters: one voice is not told.
    let moved =
        if count >= COHORT { round_to(float(too_difficult - too_easy) / (float(count) + PRIOR), 4.0) } else { 0.0 };
    let level = rank(candidate.difficulty_level) + moved;
    let value = (1.0 - (level - own - 0.25).abs() / 2.0).max(0.0);
    let how = match level - own {
        ..-0.5 => "easier than what you work at",
        -0.5..=0.5 => "right for the level you work at",
        _ => "above the level you work at",
    };
    let text = format!("{:?}: {how}, {own:.1} of 4", candidate.difficulty_level);
    feature(ReasonKind::LevelFit, value, text)
}

/// The share of peers, as if five more had done something else; told in round numbers, so that nobody is found out.
fn peers_did_next(candidate: &Candidate) -> Option<Reason> {
    let Peers { after, title, went, of } = candidate.peers.as_ref().filter(|peers| peers.of >= COHORT)?;
    let tenths = (went * 10 + of / 2) / of;
    let text = match tenths {
        _ if *of < 10 => format!("Several of the last learners who finished “{title}” took it up soon after"),
        10.. => format!("Nearly all of the last {of} learners who finished “{title}” took it up soon after"),
        tenths => format!("About {tenths}0 % of the last {of} learners who finished “{title}” took it up soon after"),
    };
    let value = round_to(float(*went) / (float(*of) + PRIOR), 20.0);
    Some(Reason { quest_id: Some(QuestId(*after)), ..feature(ReasonKind::PeersDidNext, value, text) })
}

/// Halves every week.
fn unlocked_recently(candidate: &Candidate, learner: &Learner) -> Option<Reason> {
    let on = candidate.unlocked_on?;
    let text = format!("Unlocked {}", ago(on, learner.today));
    Some(feature(ReasonKind::UnlockedRecently, fading(on, learner.today, 7.0), text))
}

/// Halves every 30 days.
fn new_in_catalogue(candidate: &Candidate, learner: &Learner) -> Reason {
    let text = format!("New: it came {}", ago(candidate.created_on, learner.today));
    feature(ReasonKind::NewInCatalogue, fading(candidate.created_on, learner.today, 30.0), text)
}

/// From -1 to 1, with five middle ratings added; in round numbers, too.
fn well_rated(candidate: &Candidate) -> Option<Reason> {
    let Ratings { count, sum, .. } = candidate.ratings;
    if count < COHORT {
        return None;
    }
    let mean = (sum + MIDDLE_RATING * PRIOR) / (float(count) + PRIOR);
    let text = format!("Rated about {:.1} of 5", round_to(sum / float(count), 2.0));
    Some(feature(ReasonKind::WellRated, round_to((mean - MIDDLE_RATING) / 1.5, 20.0).clamp(-1.0, 1.0), text))
}

/// Picks up to `limit`, each time what has the most of score and the least in common with what is picked (maximal
/// marginal relevance): by vectors, or by tags where the index does not know one.
#[must_use]
pub fn spread(mut scored: Vec<Scored>, vectors: &Vectors, diversity: f64, limit: usize) -> Vec<Scored> {
    let best = scored.first().map_or(1.0, |scored| scored.score).max(f64::EPSILON);
    let mut likeness = vec![0.0_f64; scored.len()];
    let mut picked = Vec::new();
    while picked.len() < limit && !scored.is_empty() {
        let worth = |place: usize| (1.0 - diversity) * scored[place].score / best - diversity * likeness[place];
        // The first of equals: they are in their order.
        let place = (1..scored.len()).fold(0, |first, next| if worth(next) > worth(first) { next } else { first });
        let next = scored.remove(place);
        likeness.remove(place);
        for (likeness, other) in likeness.iter_mut().zip(&scored) {
            *likeness = likeness.max(common(&next, other, vectors));
        }
        picked.push(next);
    }
    picked
}

fn common(one: &Scored, other: &Scored, vectors: &Vectors) -> f64 {
    if let (Some(one), Some(other)) = (vectors.get(&one.id), vectors.get(&other.id)) {
        return alike(one, other);
    }
    let shared = float(i64::try_from(one.tags.iter().filter(|tag| other.tags.contains(tag)).count()).unwrap_or(0));
    let all = float(i64::try_from(one.tags.len() + other.tags.len()).unwrap_or(0)) - shared;
    if all > 0.0 { shared / all } else { 0.0 }
}

#[cfg(test)]
mod tests;
