//! Looks at what the service has stored, and compares it with the model. Openings and rows of
//! progress have some freedom of when they are written; what is seen is held against the bounds that the
//! product sets, and then taken over.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Run;
use super::deeds::Effects;
use super::rules::Verdict;
use super::world::{Enrolment, Learner, No, Status, Unlock, World};
use crate::harness::text;

/// All that is stored of a learner ($1), with the events after a number ($2).
const SEEN: &str = r"SELECT (jsonb_build_object(
    'attempts', coalesce((
        SELECT jsonb_object_agg(quest_id, jsonb_build_object('id', id, 'status', status, 'percentage', completion_percentage,
            'experience', total_experience_earned, 'current', current_step_id,
            'granted', (SELECT coalesce(sum(points), 0) FROM reward_grants WHERE attempt_id = attempt.id AND kind = 'XP'),
            'steps', (SELECT coalesce(jsonb_object_agg(step_id, jsonb_build_array(status, experience_earned, attempts_count)), '{}')
                      FROM user_quest_step_progress WHERE attempt_id = attempt.id)))
        FROM user_quest_attempts AS attempt WHERE auth_user_id = $1), '{}'),
    'unlocks', coalesce((
        SELECT jsonb_object_agg(quest_id, jsonb_build_object('unlocked', unlocked_at IS NOT NULL,
            'announced', announced_at IS NOT NULL, 'through', learning_path_id))
        FROM quest_unlocks WHERE auth_user_id = $1), '{}'),
    'enrolments', coalesce((
        SELECT jsonb_object_agg(learning_path_id, to_jsonb(own))
        FROM user_learning_path_progress AS own WHERE auth_user_id = $1), '{}'),
    'seq', coalesce((SELECT event_seq FROM learners WHERE auth_user_id = $1), 0),
    'events', (SELECT count(*) FROM outbox_events WHERE auth_user_id = $1),
    'news', coalesce((
        SELECT jsonb_agg(jsonb_build_object('type', event_type, 'seq', learner_seq, 'data', data) ORDER BY learner_seq)
        FROM outbox_events WHERE auth_user_id = $1 AND learner_seq > $2), '[]')))::text";

/// Whose doing it is that something may have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The learner's own call, or an exception made for the learner.
    Own,
    /// The job that computes attempts anew after edits.
    Recompute,
    /// The job that opens what time has opened.
    Schedule,
    /// All of the background's work, to the end.
    Settled,
    /// Nothing that would touch a learner's rows.
    Nothing,
}

/// Where a learner stood with each quest before an operation: whether its conditions were met, and
/// whether it was available.
pub type Before = BTreeMap<No, (bool, bool)>;

impl World {
    pub fn before(&self, who: &Learner) -> Before {
        let of = |quest: No| {
            let verdict = self.verdict(who, quest);
            (verdict.is_met, verdict.is_available())
        };
        self.live_quests().into_iter().map(|quest| (quest, of(quest))).collect()
    }

    /// Who is told of an opening in the background: who is enrolled in a path with the quest, and who has
    /// completed something that it asks for.
    fn concerns(&self, who: &Learner, quest: No, verdict: &Verdict) -> bool {
        let is_enrolled = |path: &No| self.paths[*path].places.iter().any(|place| place.quest == quest);
        who.enrolments.iter().any(|(path, row)| !row.has_left && is_enrolled(path))
            || verdict.prerequisites.iter().any(|(_, is_done)| *is_done)
            || self.entries(quest).iter().any(|(_, place)| {
                let when = place.criteria.as_ref().and_then(|criteria| criteria.when.as_ref());
                when.is_some_and(|when| when.quests().iter().any(|named| who.has_completed(*named)))
            })
    }
}

pub fn hundredths(value: &Value) -> i64 {
    let number = value.as_f64().unwrap_or_else(|| panic!("no number: {value}"));
    #[expect(clippy::cast_possible_truncation, reason = "0 to 10,000")]
    let hundredths = (number * 100.0).round() as i64;
    hundredths
}

fn name_of(status: &Value) -> &str {
    status.as_str().unwrap_or("none")
}

impl Run {
    /// Everything that is compared after an operation: rows, events, and what a learner sees of the quests.
    pub async fn look(&mut self, learner: No, before: &Before, effects: &Effects, cause: Cause) {
        self.look_at_rows(learner, before, effects, cause).await;
        if !matches!(cause, Cause::Recompute | Cause::Settled | Cause::Schedule) {
            self.look_at_quests(learner).await;
        }
    }

    async fn look_at_rows(&mut self, learner: No, before: &Before, effects: &Effects, cause: Cause) {
        let seen = self.seen(learner).await;
        if let Some(last) = self.last.get(&learner) {
            keep(last, &seen);
        }
        let known = self.world.learners[learner].clone();
        self.compare_attempts(&known, &seen["attempts"]);
        let opened = self.compare_unlocks(learner, &seen["unlocks"], before, effects, cause);
        let moved = self.compare_enrolments(learner, &seen["enrolments"], effects, cause);
        self.compare_events(learner, &seen, effects, &opened, moved, cause);
        self.opened = opened;
        self.last.insert(learner, seen);
    }

    async fn seen(&self, learner: No) -> Value {
        let who = &self.world.learners[learner];
        let seen: String =
            sqlx::query_scalar(SEEN).bind(who.client.id).bind(who.seq).fetch_one(&self.pool).await.unwrap();
        seen.parse().unwrap()
    }

    fn compare_attempts(&self, known: &Learner, seen: &Value) {
        let seen = seen.as_object().unwrap();
        assert_eq!(seen.len(), known.attempts.len(), "attempts");
        for (quest, attempt) in &known.attempts {
            let title = &self.world.quests[*quest].title;
            let row = &seen[&self.world.quests[*quest].id.to_string()];
            assert_eq!(name_of(&row["status"]), attempt.status.name(), "status of {title}: {attempt:?}");
            assert_eq!(hundredths(&row["percentage"]), attempt.percentage, "percentage of {title}: {attempt:?}");
            assert_eq!(row["experience"], attempt.experience, "experience of {title}: {attempt:?}");
            assert_eq!(row["granted"], attempt.experience, "grants of {title}");
            let current = row["current"].as_str().map(|id| self.world.step_of(id).unwrap());
            assert_eq!(current, attempt.current, "current step of {title}: {attempt:?}");
            let steps = row["steps"].as_object().unwrap();
            assert_eq!(steps.len(), attempt.steps.len(), "steps worked on of {title}: {attempt:?}");
            for (step, work) in &attempt.steps {
                let seen = &steps[&self.world.steps[*step].id.to_string()];
                assert_eq!(seen, &json!([work.status.name(), work.earned, work.tries]), "step {step} of {title}");
            }
            // Invariants of product §3, by what is stored alone.
            let units = self.world.units(*quest);
            let is_done =
                |step: &No| steps.get(&self.world.steps[*step].id.to_string()).is_some_and(|row| row[0] == "Completed");
            let all_done = !units.is_empty() && units.iter().all(is_done);
            if attempt.status != Status::Completed && !attempt.is_stale && attempt.status != Status::Abandoned {
                assert_eq!(
                    row["percentage"].as_f64() == Some(100.0),
                    all_done,
                    "100 % only when all are done: {title}"
                );
            }
        }
    }

    /// Gives the quests that were announced.
    fn compare_unlocks(
        &mut self,
        learner: No,
        seen: &Value,
        before: &Before,
        effects: &Effects,
        cause: Cause,
    ) -> BTreeSet<No> {
        let seen = seen.as_object().unwrap();
        let mut news = BTreeMap::new();
        let mut announced = BTreeSet::new();
        let who = &self.world.learners[learner];
        for (id, row) in seen {
            assert!(self.world.quest_of(id).is_some(), "an opening of a quest that is not there: {row}");
        }
        for quest in self.world.live_quests() {
            let title = &self.world.quests[quest].title;
            let row = seen.get(&self.world.quests[quest].id.to_string());
            let known = who.unlocks.get(&quest);
            let (was_unlocked, was_announced) =
                known.map_or((false, false), |known| (known.is_unlocked, known.is_announced));
            let is = |name: &str| row.is_some_and(|row| row[name] == true);
            let (unlocked, tells) = (is("unlocked"), is("announced"));
            assert!(unlocked || !was_unlocked, "{title}: what was recorded is taken back");
            assert!(tells || !was_announced, "{title}: what was announced is taken back");
            let through = row.and_then(|row| row["through"].as_str()).map(|id| self.world.path_of(id).unwrap());
            let verdict = self.world.verdict(who, quest);
            let (was_met, was_available) = before.get(&quest).copied().unwrap_or_default();
            let had_attempt = who.attempts.contains_key(&quest) && effects.begun != Some(quest);
            let fits = self.world.quests[quest].is_active && !had_attempt;
            let is_judged = |was: bool| match cause {
                Cause::Own | Cause::Recompute => !was || effects.judged.contains(&quest),
                Cause::Settled => !was || self.world.concerns(who, quest, &verdict),
                Cause::Schedule | Cause::Nothing => false,
            };
            if unlocked && !was_unlocked {
                assert_ne!(cause, Cause::Nothing, "{title} is recorded out of nothing");
                assert!(
                    fits && verdict.is_gated && verdict.is_met,
                    "{title} is recorded, although it is not open: {row:?}"
                );
                let by =
                    verdict.gates.iter().filter(|gate| gate.state == super::rules::State::Met).map(|gate| gate.path);
                let ways: Vec<Option<No>> = if verdict.gates.is_empty() { vec![None] } else { by.map(Some).collect() };
                assert!(ways.contains(&through), "{title} is recorded through {through:?}, not one of {ways:?}");
            } else {
                let must = fits && verdict.is_gated && verdict.is_met && is_judged(was_met);
                assert!(
                    was_unlocked || !must,
                    "learner {learner}: {title} has opened, and is not recorded (after {cause:?})"
                );
                if was_unlocked {
                    assert_eq!(through, known.unwrap().through, "{title} is recorded through another path");
                }
            }
            let is_told = verdict.is_gated || verdict.exception.is_some();
            if tells && !was_announced {
                assert_ne!(cause, Cause::Nothing, "{title} is announced out of nothing");
                assert!(
                    fits && is_told && verdict.is_available(),
                    "{title} is announced, although it is not open: {row:?}"
                );
                announced.insert(quest);
            } else {
                let must = fits && is_told && verdict.is_available() && is_judged(was_available);
                assert!(
                    was_announced || !must,
                    "learner {learner}: {title} can be started, and is not announced (after {cause:?})"
                );
            }
            if row.is_some() {
                news.insert(quest, Unlock { is_unlocked: unlocked, is_announced: tells, through });
            }
        }
        self.world.learners[learner].unlocks = news;
        announced
    }

    /// Gives how many paths have been started and completed.
    fn compare_enrolments(&mut self, learner: No, seen: &Value, effects: &Effects, cause: Cause) -> (usize, usize) {
        let seen = seen.as_object().unwrap();
        let who = self.world.learners[learner].clone();
        assert_eq!(seen.len(), who.enrolments.len(), "enrolments");
        let mut moved = (0, 0);
        for (path, known) in &who.enrolments {
            let name = &self.world.paths[*path].name;
            let row = &seen[&self.world.paths[*path].id.to_string()];
            let is = self.enrolment_of(row);
            let fresh = self.world.enrolment(&who, *path, known);
            let places = &self.world.paths[*path].places;
            let concerns = |quest: &No| places.iter().any(|place| place.quest == *quest);
            if known.has_left || cause == Cause::Nothing {
                assert_eq!(&is, known, "{name}: a row of progress has changed by itself");
            } else if is != fresh {
                let must =
                    cause == Cause::Settled || effects.moved.iter().any(concerns) || effects.paths.contains(path);
                let gained = effects.gained.filter(|(quest, _)| concerns(quest)).map_or(0, |(_, points)| points);
                let stays = Enrolment { experience: known.experience + gained, ..known.clone() };
                // Time alone changes what can be started; the row follows with the next that happens in the path.
                let lags = self.lags.contains(&(learner, *path))
                    && is == Enrolment { current: known.current, ..fresh.clone() };
                assert!(
                    lags && (!must || cause == Cause::Settled) || !must && self.world.is_edited && is == stays,
                    "learner {learner}, {name}: the row of progress is {is:?}, and should be {fresh:?}; it was {known:?} ({cause:?})"
                );
            } else if cause != Cause::Schedule {
                self.lags.remove(&(learner, *path));
            }
            moved.0 += usize::from(is.is_started && !known.is_started);
            moved.1 += usize::from(is.is_completed && !known.is_completed);
            self.world.learners[learner].enrolments.insert(*path, is);
        }
        moved
    }

    fn enrolment_of(&self, row: &Value) -> Enrolment {
        let status = [Status::NotStarted, Status::InProgress, Status::Paused, Status::Completed];
        Enrolment {
            status: status.into_iter().find(|status| status.name() == name_of(&row["status"])).unwrap(),
            is_started: !row["started_at"].is_null(),
            is_completed: !row["completed_at"].is_null(),
            has_left: !row["left_at"].is_null(),
            done: row["completed_quests_count"].as_i64().unwrap(),
            total: row["total_quests_count"].as_i64().unwrap(),
            percentage: hundredths(&row["completion_percentage"]),
            experience: row["total_experience_earned"].as_i64().unwrap(),
            current: row["current_quest_id"].as_str().map(|id| self.world.quest_of(id).unwrap()),
        }
    }

    fn compare_events(
        &mut self,
        learner: No,
        seen: &Value,
        effects: &Effects,
        opened: &BTreeSet<No>,
        moved: (usize, usize),
        cause: Cause,
    ) {
        let news = seen["news"].as_array().unwrap();
        let who = &mut self.world.learners[learner];
        for (event, number) in news.iter().zip(who.seq + 1..) {
            assert_eq!(event["seq"], number, "events are numbered without gaps: {news:?}");
        }
        who.seq += i64::try_from(news.len()).unwrap();
        assert_eq!((&seen["seq"], &seen["events"]), (&json!(who.seq), &json!(who.seq)), "events are counted");
        let types: Vec<&str> = news.iter().map(|event| text(&event["type"])).collect();
        let count = |kind: &str| types.iter().filter(|other| **other == kind).count();
        assert_eq!((count("LearningPathStarted"), count("LearningPathCompleted")), moved, "{types:?}");
        let titles: BTreeSet<No> = news
            .iter()
            .filter(|event| event["type"] == "ChallengeUnlocked")
            .map(|event| self.world.quest_of(text(&event["data"]["questId"])).unwrap())
            .collect();
        assert_eq!((&titles, titles.len()), (opened, count("ChallengeUnlocked")), "{types:?}");
        let is_follow_up = |kind: &&str| *kind == "ChallengeUnlocked" || kind.starts_with("LearningPath");
        let mut own: Vec<&str> = types.iter().copied().filter(|kind| !is_follow_up(kind)).collect();
        let mut expected = effects.events.clone();
        if matches!(cause, Cause::Recompute | Cause::Settled) {
            own.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(own, expected, "{types:?}");
        if own.iter().filter(|kind| **kind == "QuestCompleted").count() == 1 && own[0] == "StepCompleted" {
            let order = ["QuestCompleted", "SkillPointsGranted", "ChallengeUnlocked", "LearningPathCompleted"];
            let places: Vec<usize> =
                types.iter().filter_map(|kind| order.iter().position(|other| other == kind)).collect();
            assert!(places.is_sorted(), "the cascade keeps its order: {types:?}");
        }
    }
}

/// Invariants of product §3 by what is stored alone, without the model: what is done stays done.
fn keep(last: &Value, seen: &Value) {
    let of = |seen: &Value, name: &str| seen[name].as_object().unwrap().clone();
    for (quest, before) in of(last, "attempts") {
        let now = &seen["attempts"][&quest];
        for (step, before) in of(&before, "steps") {
            let now = &now["steps"][&step];
            assert!(before[0] != "Completed" || now[0] == "Completed", "a done unit stays done: {before}, {now}");
            assert!(before[1].as_i64() <= now[1].as_i64() && before[2].as_i64() <= now[2].as_i64(), "{before}, {now}");
        }
        if before["status"] == "Completed" {
            assert_eq!(
                (&now["status"], hundredths(&now["percentage"])),
                (&json!("Completed"), 10_000),
                "Completed is final"
            );
        }
        assert!(before["experience"].as_i64() <= now["experience"].as_i64(), "what was paid is paid: {before}, {now}");
        assert_eq!(now["experience"], now["granted"], "earned is what was granted");
    }
    for (quest, before) in of(last, "unlocks") {
        let now = &seen["unlocks"][&quest];
        for name in ["unlocked", "announced"] {
            assert!(before[name] == false || now[name] == true, "{name} is never taken back: {before}, {now}");
        }
    }
    for (path, before) in of(last, "enrolments") {
        let now = &seen["enrolments"][&path];
        assert!(
            before["completed_at"].is_null() || now["status"] == "Completed",
            "a completed path stays completed: {now}"
        );
    }
    assert!(last["seq"].as_i64() <= seen["seq"].as_i64());
}
