//! What learners do, as the model answers it: how an attempt moves, what it pays, what is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::world::View;
use super::world::{Attempt, Claim, ENOUGH, Kind, Learner, No, Status, Work, World};

/// What an answer should be: a status, and the code of a refusal.
pub type Answer = (u16, &'static str);

pub const DONE: Answer = (200, "");
pub const MADE: Answer = (201, "");
pub const MISSING: Answer = (404, "not_found");
pub const INVALID: Answer = (422, "validation_failed");
pub const IN_USE: Answer = (409, "in_use");

/// What an operation has done besides.
#[derive(Default, Clone)]
pub struct Effects {
    /// Events in order, without openings of quests and moves of paths.
    pub events: Vec<&'static str>,
    /// What the call itself has paid: kind, points, skill.
    pub earned: Vec<(String, i64, Option<String>)>,
    /// Quests whose paths are computed in this transaction.
    pub moved: Vec<No>,
    /// Experience that a quest has paid.
    pub gained: Option<(No, i64)>,
    /// The quest that was begun.
    pub begun: Option<No>,
    /// An edit had passed the attempt by, and it was computed anew first.
    pub is_refreshed: bool,
    /// Quests that are judged in any case: what is met now must be on record afterwards.
    pub judged: Vec<No>,
    /// Paths that are computed in any case.
    pub paths: Vec<No>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    Pause,
    Resume,
    Abandon,
}

impl World {
    /// Computes an attempt anew; `completed` is the step that has just been completed.
    pub fn settle(&self, who: &mut Learner, quest: No, completed: Option<No>, effects: &mut Effects) {
        let attempt = who.attempts.get_mut(&quest).unwrap();
        let mut earned = Vec::new();
        if let Some(step) = completed {
            effects.events.push("StepCompleted");
            let points = self.steps[step].experience;
            attempt.steps.get_mut(&step).unwrap().earned = points;
            earned.extend((points > 0).then(|| ("XP".to_owned(), points, None)));
        }
        let units = self.units(quest);
        let undone = |step: &No| attempt.steps.get(step).is_none_or(|work| work.status != Status::Completed);
        let left: Vec<No> = units.iter().copied().filter(undone).collect();
        let is_complete = !units.is_empty() && left.is_empty();
        if attempt.status != Status::Completed {
            let (all, left) = (i64::try_from(units.len()).unwrap(), i64::try_from(left.len()).unwrap());
            attempt.percentage = if all == 0 { 0 } else { (all - left) * 10_000 / all };
        }
        if attempt.status != Status::Completed {
            attempt.current = left.first().copied();
        }
        effects.events.extend(earned.iter().map(|_| "XPGranted"));
        if attempt.is_open() && is_complete {
            attempt.status = Status::Completed;
            attempt.completed = Some(self.now);
            effects.events.push("QuestCompleted");
            let points = self.quests[quest].experience;
            earned.extend((points > 0).then(|| ("XP".to_owned(), points, None)));
            effects.events.extend((points > 0).then_some("XPGranted"));
            let skills = self.skill_points(quest);
            effects.events.extend(skills.iter().map(|_| "SkillPointsGranted"));
            earned.extend(skills.into_iter().map(|(tag, points)| ("SkillPoints".to_owned(), points, Some(tag))));
            effects.moved.push(quest);
        }
        let gained = earned.iter().filter(|(kind, ..)| kind == "XP").map(|(_, points, _)| points).sum::<i64>();
        attempt.experience += gained;
        attempt.is_stale = false;
        let before = effects.gained.filter(|(other, _)| *other == quest).map_or(0, |(_, points)| points);
        effects.gained = Some((quest, before + gained));
        if let Some(step) = completed {
            attempt.steps.get_mut(&step).unwrap().paid.clone_from(&earned);
        }
        effects.earned = earned;
    }

    /// An open attempt that edits have passed by is computed at once for who calls.
    pub fn refresh(&self, who: &mut Learner, quest: No, effects: &mut Effects) {
        if who.attempts.get(&quest).is_some_and(|attempt| attempt.is_stale && attempt.is_open()) {
            self.settle(who, quest, None, effects);
            effects.is_refreshed = true;
        }
        effects.earned.clear();
    }

    pub fn start(&self, who: &mut Learner, quest: No, effects: &mut Effects) -> Answer {
        if who.attempts.contains_key(&quest) {
            self.refresh(who, quest, effects);
            if who.status(quest) == Some(Status::Abandoned) {
                return self.move_attempt(who, quest, Move::Resume, effects);
            }
            return DONE;
        }
        let verdict = self.verdict(who, quest);
        if !self.quests[quest].is_active || self.quests[quest].is_deleted {
            return MISSING;
        }
        if !verdict.is_available() {
            return if verdict.view == View::Hidden { MISSING } else { (409, "quest_locked") };
        }
        let attempt = Attempt {
            id: uuid::Uuid::nil(),
            status: Status::InProgress,
            started: self.now,
            completed: None,
            steps: BTreeMap::new(),
            percentage: 0,
            experience: 0,
            current: self.units(quest).first().copied(),
            is_stale: false,
        };
        who.attempts.insert(quest, attempt);
        effects.events.push("QuestStarted");
        effects.moved.push(quest);
        effects.judged.push(quest);
        effects.begun = Some(quest);
        MADE
    }

    pub fn move_attempt(&self, who: &mut Learner, quest: No, how: Move, effects: &mut Effects) -> Answer {
        self.refresh(who, quest, effects);
        let attempt = who.attempts.get_mut(&quest).unwrap();
        let to = match (attempt.status, how) {
            (Status::InProgress, Move::Resume) | (Status::Paused, Move::Pause) | (Status::Abandoned, Move::Abandon) => {
                return DONE;
            }
            (Status::InProgress, Move::Pause) => Status::Paused,
            (Status::InProgress | Status::Paused, Move::Abandon) => Status::Abandoned,
            (Status::Paused | Status::Abandoned, Move::Resume) => Status::InProgress,
            _ => return (409, "invalid_transition"),
        };
        attempt.status = to;
        effects.events.push(match how {
            Move::Pause => "QuestPaused",
            Move::Resume => "QuestResumed",
            Move::Abandon => "QuestAbandoned",
        });
        effects.moved.push(quest);
        self.settle(who, quest, None, effects);
        DONE
    }

    /// Whether there is something to work on: a step of the quest, or what was completed before it was retired.
    fn is_step(&self, who: &Learner, quest: No, step: No) -> bool {
        let work = who.attempts[&quest].steps.get(&step);
        let is_kept = !self.steps[step].is_retired || work.is_some_and(|work| work.status == Status::Completed);
        self.steps[step].quest == quest && !self.steps[step].is_deleted && is_kept
    }

    fn may_work(&self, who: &Learner, quest: No, step: No) -> Result<(), Answer> {
        let attempt = &who.attempts[&quest];
        match attempt.status {
            Status::Completed => return Ok(()),
            Status::InProgress => {}
            _ => return Err((409, "attempt_not_open")),
        }
        let order = &self.quests[quest].steps;
        let place = order.iter().position(|other| *other == step).unwrap();
        let is_done = |step: &No| attempt.steps.get(step).is_some_and(|work| work.status == Status::Completed);
        let earlier = order[..place].iter().filter(|other| !self.steps[**other].is_optional);
        if earlier.copied().all(|other| is_done(&other)) { Ok(()) } else { Err((409, "step_locked")) }
    }

    fn work(who: &mut Learner, quest: No, step: No) -> &mut Work {
        let attempt = who.attempts.get_mut(&quest).unwrap();
        attempt.steps.entry(step).or_insert_with(|| Work {
            status: Status::NotStarted,
            started: None,
            tries: 0,
            earned: 0,
            paid: Vec::new(),
            opened: BTreeSet::new(),
        })
    }

    fn step_status(who: &Learner, quest: No, step: No) -> Status {
        who.attempts[&quest].steps.get(&step).map_or(Status::NotStarted, |work| work.status)
    }

    fn begin(&self, who: &mut Learner, quest: No, step: No) {
        let work = Self::work(who, quest, step);
        work.status = Status::InProgress;
        work.started = work.started.or(Some(self.now));
    }

    pub fn start_step(&self, who: &mut Learner, quest: No, step: No, effects: &mut Effects) -> Answer {
        self.refresh(who, quest, effects);
        if !self.is_step(who, quest, step) {
            return MISSING;
        }
        if matches!(Self::step_status(who, quest, step), Status::NotStarted | Status::Skipped) {
            if let Err(refused) = self.may_work(who, quest, step) {
                return refused;
            }
            self.begin(who, quest, step);
            self.settle(who, quest, None, effects);
        }
        DONE
    }

    pub fn skip_step(&self, who: &mut Learner, quest: No, step: No, effects: &mut Effects) -> Answer {
        self.refresh(who, quest, effects);
        if !self.is_step(who, quest, step) {
            return MISSING;
        }
        if !self.steps[step].is_optional {
            return (409, "step_not_optional");
        }
        match Self::step_status(who, quest, step) {
            Status::Completed => return (409, "step_completed"),
            Status::Skipped => return DONE,
            _ => {}
        }
        if let Err(refused) = self.may_work(who, quest, step) {
            return refused;
        }
        Self::work(who, quest, step).status = Status::Skipped;
        self.settle(who, quest, None, effects);
        DONE
    }

    /// A try that does not meet the criteria is kept and counted, although it is refused.
    pub fn complete_step(&self, who: &mut Learner, quest: No, step: No, claim: Claim, effects: &mut Effects) -> Answer {
        self.refresh(who, quest, effects);
        if !self.is_step(who, quest, step) {
            return MISSING;
        }
        if Self::step_status(who, quest, step) == Status::Completed {
            effects.earned.clone_from(&who.attempts[&quest].steps[&step].paid);
            return DONE;
        }
        if let Err(refused) = self.may_work(who, quest, step) {
            return refused;
        }
        if claim == Claim::Malformed {
            return INVALID;
        }
        self.begin(who, quest, step);
        let work = Self::work(who, quest, step);
        work.tries += 1;
        let is_enough = match self.steps[step].kind {
            Kind::Nothing => true,
            Kind::Words => claim == Claim::Good,
            Kind::Seconds => claim == Claim::Good && (self.now - work.started.unwrap()).num_seconds() >= ENOUGH,
        };
        if !is_enough {
            self.settle(who, quest, None, effects);
            return (422, "criteria_not_met");
        }
        work.status = Status::Completed;
        self.settle(who, quest, Some(step), effects);
        DONE
    }
}
