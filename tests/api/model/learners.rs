//! Operations of learners, and the exceptions that admins make for them.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::Run;
use super::deeds::{Answer, DONE, Effects, INVALID, MADE, MISSING, Move};
use super::observe::{Before, Cause};
use super::world::{Claim, Enrolment, Exception, Learner, No, Status, World};
use crate::harness::text;

/// A learner's call that was answered as the model says.
struct Called {
    answer: Answer,
    body: Value,
    before: Before,
    effects: Effects,
}

impl Run {
    /// One who is still there.
    fn someone(&mut self) -> No {
        *self.chance.pick(&self.present.clone()).unwrap()
    }

    /// An active one in most cases.
    fn some_quest(&mut self) -> No {
        let mut quests = self.world.live_quests();
        if !self.chance.one_in(5) {
            let active: Vec<No> = quests.iter().copied().filter(|quest| self.world.quests[*quest].is_active).collect();
            quests = if active.is_empty() { quests } else { active };
        }
        *self.chance.pick(&quests).unwrap()
    }

    fn some_path(&mut self) -> Option<No> {
        let paths = self.world.live_paths();
        self.chance.pick(&paths).copied()
    }

    async fn call(
        &mut self,
        learner: No,
        (method, path, body): (Method, String, Value),
        deed: impl FnOnce(&World, &mut Learner, &mut Effects) -> Answer,
    ) -> Called {
        let before = self.world.before(&self.world.learners[learner]);
        if Self::asks_for_skills(&method, &path) {
            self.world.refresh_skills(learner);
        }
        let mut who = self.world.learners[learner].clone();
        let mut effects = Effects::default();
        let answer = deed(&self.world, &mut who, &mut effects);
        self.trail.note(format!("learner {learner}: {method} {path} {body} → {answer:?}"));
        let body = Some(&body).filter(|body| !body.is_null());
        let reply = who.client.send(method, &path, &[], body).await;
        let body = self.check(&reply, answer);
        if answer.0 < 400 || answer.1 == "criteria_not_met" {
            self.world.learners[learner] = who;
        } else {
            effects = Effects::default();
        }
        Called { answer, body, before, effects }
    }

    fn asks_for_skills(method: &Method, path: &str) -> bool {
        let is_read =
            *method == Method::GET && (path.ends_with("/eligibility") || path.starts_with("/v1/me/learning-paths/"));
        is_read || path.ends_with("/attempt")
    }

    pub async fn start_quest(&mut self) {
        let learner = self.someone();
        let mut quest = self.some_quest();
        if self.chance.one_in(2) {
            let who = &self.world.learners[learner];
            let open = |quest: &No| !who.attempts.contains_key(quest) && self.world.verdict(who, *quest).is_available();
            let open: Vec<No> = self.world.live_quests().into_iter().filter(open).collect();
            quest = self.chance.pick(&open).copied().unwrap_or(quest);
        }
        let request = (Method::POST, format!("/v1/quests/{}/attempt", self.world.quests[quest].id), json!({}));
        let mut called = self.call(learner, request, |world, who, effects| world.start(who, quest, effects)).await;
        if called.answer == MADE {
            let attempt = self.world.learners[learner].attempts.get_mut(&quest).unwrap();
            attempt.id = text(&called.body["id"]).parse().unwrap();
            self.trail.name(attempt.id, "at-quest", quest);
        }
        if called.answer.0 < 400 {
            self.compare_attempt(&self.world.learners[learner], quest, &called.body);
        }
        if called.answer.1 == "quest_locked" {
            called.body["availability"] = json!("locked");
            let exception = self.world.verdict(&self.world.learners[learner], quest).exception;
            called.body["exception"] = json!(exception);
            self.compare_eligibility(&self.world.learners[learner], quest, &called.body);
        }
        self.look(learner, &called.before, &called.effects, Cause::Own).await;
    }

    /// An attempt of somebody, rather one in progress.
    fn some_attempt(&mut self) -> Option<(No, No)> {
        let learner = self.someone();
        let who = &self.world.learners[learner];
        let mut quests: Vec<No> = who.attempts.keys().copied().collect();
        if !self.chance.one_in(4) {
            quests.retain(|quest| who.status(*quest) == Some(Status::InProgress));
        }
        self.chance.pick(&quests).map(|quest| (learner, *quest))
    }

    fn step_path(&self, learner: No, quest: No, step: No, verb: &str) -> String {
        let attempt = self.world.learners[learner].attempts[&quest].id;
        format!("/v1/attempts/{attempt}/steps/{}/{verb}", self.world.steps[step].id)
    }

    /// Does what is next in an attempt; starts one where there is none.
    pub async fn work(&mut self) {
        let Some((learner, quest)) = self.some_attempt() else { return self.start_quest().await };
        let attempt = &self.world.learners[learner].attempts[&quest];
        // Of an attempt that an edit has passed by, the model would have to compute what is next first.
        let next = attempt.current.filter(|step| !self.world.steps[*step].is_deleted);
        let steps = &self.world.quests[quest].steps;
        let Some(step) = next.or_else(|| steps.first().copied()) else { return };
        let claim = if self.chance.one_in(8) { Claim::Short } else { Claim::Good };
        self.complete(learner, quest, step, claim).await;
    }

    /// Any step of any state: refusals are the point.
    pub async fn fumble(&mut self) {
        let Some((learner, quest)) = self.some_attempt() else { return self.start_quest().await };
        let mut steps: Vec<No> =
            (0..self.world.steps.len()).filter(|step| self.world.steps[*step].quest == quest).collect();
        if self.chance.one_in(20) {
            steps = (0..self.world.steps.len()).collect();
        }
        let Some(step) = self.chance.pick(&steps).copied() else { return };
        match self.chance.below(3) {
            0 => {
                let claim = *self.chance.pick(&[Claim::Good, Claim::Good, Claim::Short, Claim::Malformed]).unwrap();
                self.complete(learner, quest, step, claim).await;
            }
            1 => {
                let request = (Method::POST, self.step_path(learner, quest, step, "start"), json!({}));
                let deed = |world: &World, who: &mut Learner, effects: &mut Effects| {
                    world.start_step(who, quest, step, effects)
                };
                self.attempt_call(learner, quest, request, deed).await;
            }
            _ => {
                let request = (Method::POST, self.step_path(learner, quest, step, "skip"), json!({}));
                let deed = |world: &World, who: &mut Learner, effects: &mut Effects| {
                    world.skip_step(who, quest, step, effects)
                };
                self.attempt_call(learner, quest, request, deed).await;
            }
        }
    }

    async fn attempt_call(
        &mut self,
        learner: No,
        quest: No,
        request: (Method, String, Value),
        deed: impl FnOnce(&World, &mut Learner, &mut Effects) -> Answer,
    ) {
        let called = self.call(learner, request, deed).await;
        if called.answer.0 < 400 {
            self.compare_attempt(&self.world.learners[learner], quest, &called.body);
        }
        self.look(learner, &called.before, &called.effects, Cause::Own).await;
    }

    async fn complete(&mut self, learner: No, quest: No, step: No, claim: Claim) {
        let body = json!({"submissionData": claim.json(self.world.steps[step].kind)});
        let request = (Method::POST, self.step_path(learner, quest, step, "complete"), body);
        let known = self.world.learners[learner].attempts[&quest].steps.get(&step).cloned();
        let again = known.filter(|work| work.status == Status::Completed);
        let deed = |world: &World, who: &mut Learner, effects: &mut Effects| {
            world.complete_step(who, quest, step, claim, effects)
        };
        let called = self.call(learner, request, deed).await;
        if called.answer == DONE {
            self.compare_attempt(&self.world.learners[learner], quest, &called.body["attempt"]);
            let earned = called.body["earned"].as_array().unwrap();
            let earned: Vec<(String, i64, Option<String>)> = earned
                .iter()
                .map(|earned| {
                    let tag = earned["skillTag"].as_str().map(str::to_owned);
                    (text(&earned["kind"]).to_owned(), earned["points"].as_i64().unwrap(), tag)
                })
                .collect();
            assert_eq!(earned, called.effects.earned, "{}", called.body);
        }
        if called.answer.1 == "criteria_not_met" {
            let tries = self.world.learners[learner].attempts[&quest].steps[&step].tries;
            assert_eq!(called.body["attemptsCount"], tries, "{}", called.body);
        }
        self.look(learner, &called.before, &called.effects, Cause::Own).await;
        if called.answer == DONE {
            let unlocked = called.body["unlocked"].as_array().unwrap().iter();
            let unlocked: BTreeSet<No> =
                unlocked.map(|quest| self.world.quest_of(text(&quest["questId"])).unwrap()).collect();
            match again {
                Some(work) => assert_eq!(unlocked, work.opened, "as it was: {}", called.body),
                None if called.effects.is_refreshed => assert!(unlocked.is_subset(&self.opened), "{}", called.body),
                None => assert_eq!(unlocked, self.opened, "{}", called.body),
            }
            let attempt = self.world.learners[learner].attempts.get_mut(&quest).unwrap();
            attempt.steps.get_mut(&step).unwrap().opened = unlocked;
        }
    }

    pub async fn move_attempt(&mut self) {
        let Some((learner, quest)) = self.some_attempt() else { return self.start_quest().await };
        let (verb, how) = self.chance.weighted(&[
            (3, ("pause", Move::Pause)),
            (5, ("resume", Move::Resume)),
            (2, ("abandon", Move::Abandon)),
        ]);
        let id = self.world.learners[learner].attempts[&quest].id;
        let request = (Method::POST, format!("/v1/attempts/{id}/{verb}"), json!({}));
        let deed =
            |world: &World, who: &mut Learner, effects: &mut Effects| world.move_attempt(who, quest, how, effects);
        self.attempt_call(learner, quest, request, deed).await;
    }

    pub async fn read_attempt(&mut self) {
        let Some((learner, quest)) = self.some_attempt() else { return self.start_quest().await };
        let id = self.world.learners[learner].attempts[&quest].id;
        let request = (Method::GET, format!("/v1/attempts/{id}"), Value::Null);
        let deed = |world: &World, who: &mut Learner, effects: &mut Effects| {
            world.refresh(who, quest, effects);
            DONE
        };
        self.attempt_call(learner, quest, request, deed).await;
    }

    pub async fn read_eligibility(&mut self) {
        let (learner, quest) = (self.someone(), self.some_quest());
        let request = (Method::GET, format!("/v1/quests/{}/eligibility", self.world.quests[quest].id), Value::Null);
        let deed = |world: &World, who: &mut Learner, _: &mut Effects| {
            if world.is_visible(who, quest) { DONE } else { MISSING }
        };
        let called = self.call(learner, request, deed).await;
        // The answer was made after the levels were asked for, and before what they open was taken over.
        self.look(learner, &called.before, &called.effects, Cause::Own).await;
        if called.answer == DONE {
            self.compare_eligibility(&self.world.learners[learner], quest, &called.body);
        }
    }

    pub async fn read_picture(&mut self) {
        let learner = self.someone();
        let Some(path) = self.some_path() else { return };
        let request = (Method::GET, format!("/v1/me/learning-paths/{}", self.world.paths[path].id), Value::Null);
        let deed = |world: &World, who: &mut Learner, _: &mut Effects| {
            let is_there = world.paths[path].is_published || who.enrolments.contains_key(&path);
            if is_there { DONE } else { MISSING }
        };
        let called = self.call(learner, request, deed).await;
        self.look(learner, &called.before, &called.effects, Cause::Own).await;
        if called.answer == DONE {
            self.compare_picture(&self.world.learners[learner], path, &called.body);
        }
    }

    pub async fn move_enrolment(&mut self) {
        let learner = self.someone();
        let Some(path) = self.some_path() else { return };
        let row = self.world.learners[learner].enrolments.get(&path);
        let is_enrolled = row.is_some_and(|row| !row.has_left);
        // What fits in most cases.
        let verb = match (is_enrolled, self.chance.one_in(6)) {
            (true, false) => self.chance.weighted(&[(1, "leave"), (2, "pause"), (2, "resume")]),
            (false, false) => "enrol",
            _ => self.chance.weighted(&[(1, "enrol"), (1, "leave"), (1, "pause"), (1, "resume")]),
        };
        let at = format!("/v1/learning-paths/{}/enrollment", self.world.paths[path].id);
        let request = match verb {
            "enrol" => (Method::POST, at, json!({})),
            "leave" => (Method::DELETE, at, Value::Null),
            verb => (Method::POST, format!("{at}/{verb}"), json!({})),
        };
        let deed = |world: &World, who: &mut Learner, effects: &mut Effects| match verb {
            "enrol" => enrol(world, who, path, effects),
            "leave" => leave(who, path),
            "pause" => pause(who, path),
            _ => resume(world, who, path),
        };
        let called = self.call(learner, request, deed).await;
        self.look(learner, &called.before, &called.effects, Cause::Own).await;
        if [DONE, MADE].contains(&called.answer) {
            self.compare_row(&self.world.learners[learner], path, &called.body);
        }
    }

    pub async fn make_exception(&mut self) {
        let (learner, quest) = (self.someone(), self.some_quest());
        let opens = self.chance.one_in(2);
        let expires = match self.chance.below(4) {
            0 => None,
            1 => Some(chrono::TimeDelta::minutes(self.chance.between(1, 30))),
            2 => Some(chrono::TimeDelta::hours(self.chance.between(1, 40))),
            _ => Some(chrono::TimeDelta::hours(self.chance.between(-1, 4))),
        };
        let expires = expires.map(|by| self.world.now + by);
        let kind = if opens { "open" } else { "waive" };
        let body = json!({
            "authUserId": self.world.learners[learner].client.id, "questId": self.world.quests[quest].id,
            "kind": kind, "reason": "The model says so", "expiresAt": expires,
        });
        let answer = if expires.is_some_and(|at| at <= self.world.now) { INVALID } else { MADE };
        self.trail.note(format!("admin: {kind} quest {quest} for learner {learner} until {expires:?} → {answer:?}"));
        let before = self.world.before(&self.world.learners[learner]);
        let reply = self.admin.post("/v1/admin/unlock-overrides", body).await;
        self.check(&reply, answer);
        let mut effects = Effects::default();
        if answer == MADE {
            self.world.learners[learner].exceptions.push(Exception { quest, opens, expires });
            effects.judged.push(quest);
        }
        self.look(learner, &before, &effects, Cause::Own).await;
    }
}

fn enrol(world: &World, who: &mut Learner, path: No, effects: &mut Effects) -> Answer {
    let known = who.enrolments.get(&path).cloned();
    if known.as_ref().is_some_and(|row| !row.has_left) {
        return DONE;
    }
    if known.is_none() && !world.paths[path].is_published {
        return MISSING;
    }
    let row = known.clone().unwrap_or(Enrolment {
        status: Status::NotStarted,
        is_started: false,
        is_completed: false,
        has_left: false,
        done: 0,
        total: 0,
        percentage: 0,
        experience: 0,
        current: None,
    });
    // Who had paused it before leaving goes on.
    let status = if row.status == Status::Paused { Status::InProgress } else { row.status };
    who.enrolments.insert(path, Enrolment { has_left: false, status, ..row });
    effects.paths.push(path);
    effects.judged.extend(world.paths[path].places.iter().map(|place| place.quest));
    if known.is_none() { MADE } else { DONE }
}

fn enrolled(who: &mut Learner, path: No) -> Result<&mut Enrolment, Answer> {
    who.enrolments.get_mut(&path).filter(|row| !row.has_left).ok_or(MISSING)
}

fn leave(who: &mut Learner, path: No) -> Answer {
    match enrolled(who, path) {
        Ok(row) => {
            row.has_left = true;
            (204, "")
        }
        Err(refused) => refused,
    }
}

fn pause(who: &mut Learner, path: No) -> Answer {
    match enrolled(who, path) {
        Ok(row) if row.is_completed => (409, "invalid_transition"),
        Ok(row) => {
            row.status = Status::Paused;
            DONE
        }
        Err(refused) => refused,
    }
}

fn resume(world: &World, who: &mut Learner, path: No) -> Answer {
    let is_begun = world.path_members(who, path).is_begun;
    match enrolled(who, path) {
        Ok(row) if row.is_completed => (409, "invalid_transition"),
        Ok(row) => {
            if row.status == Status::Paused {
                row.status = if is_begun { Status::InProgress } else { Status::NotStarted };
            }
            DONE
        }
        Err(refused) => refused,
    }
}
