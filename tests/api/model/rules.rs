//! The rules, written from the product's words and not from the service's code.

use super::world::{
    Attempt, Enrolment, Exception, Learner, No, Path, Place, SKILLS_BELIEVED, SKILLS_FRESH, Status, View, When, World,
};

/// Unknown counts as unmet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Met,
    Unmet,
    Unknown,
}

impl State {
    fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Unmet }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unmet => "unmet",
            Self::Unknown => "unknown",
        }
    }
}

/// A condition judged, with those in it.
pub struct Judged {
    pub state: State,
    pub of: Vec<Judged>,
}

/// A way to a quest through one published path.
pub struct Gate {
    pub path: No,
    /// What was met once stays met.
    pub state: State,
    pub judged: Option<Judged>,
    pub is_open: bool,
    view: View,
    gates: bool,
}

/// Where a learner stands with a quest.
pub struct Verdict {
    pub availability: &'static str,
    /// Active ones, and whether they are completed.
    pub prerequisites: Vec<(No, bool)>,
    pub gates: Vec<Gate>,
    pub exception: Option<&'static str>,
    /// Prerequisites and the criteria of one path are met, by the learner's own doing.
    pub is_met: bool,
    pub is_gated: bool,
    pub view: View,
}

impl Verdict {
    pub fn is_available(&self) -> bool {
        self.availability == "available"
    }

    pub fn is_locked(&self) -> bool {
        self.availability == "locked"
    }
}

/// What counts of a path, or of one of its chapters.
#[derive(Default)]
pub struct Members {
    pub total: i64,
    pub done: i64,
    pub experience: i64,
    pub is_begun: bool,
}

impl Members {
    pub fn are_done(&self) -> bool {
        self.total > 0 && self.done == self.total
    }

    /// Hundredths of a percent, cut.
    pub fn percentage(&self) -> i64 {
        if self.total == 0 { 0 } else { self.done * 10_000 / self.total }
    }
}

impl Learner {
    pub fn has_completed(&self, quest: No) -> bool {
        self.status(quest) == Some(Status::Completed)
    }

    pub fn status(&self, quest: No) -> Option<Status> {
        self.attempts.get(&quest).map(|attempt| attempt.status)
    }
}

impl World {
    /// Mandatory quests count, of these the active ones, and those that the learner has completed.
    pub fn members<'a>(&self, who: &Learner, places: impl Iterator<Item = &'a Place>) -> Members {
        let mut members = Members::default();
        for place in places {
            let attempt = who.attempts.get(&place.quest);
            members.is_begun |= attempt.is_some();
            members.experience += attempt.map_or(0, |attempt| attempt.experience);
            let is_done = who.has_completed(place.quest);
            if place.is_mandatory && (is_done || self.quests[place.quest].is_active) {
                members.total += 1;
                members.done += i64::from(is_done);
            }
        }
        members
    }

    pub fn path_members(&self, who: &Learner, path: No) -> Members {
        self.members(who, self.paths[path].places.iter())
    }

    fn judge(&self, who: &Learner, when: &When, own: No) -> Judged {
        let group = |of: &[When], needed: usize| {
            let of: Vec<Judged> = of.iter().map(|when| self.judge(who, when, own)).collect();
            let count = |state| of.iter().filter(|judged| judged.state == state).count();
            let state = match (count(State::Met), count(State::Unknown)) {
                (met, _) if met >= needed => State::Met,
                (met, unknown) if met + unknown >= needed => State::Unknown,
                _ => State::Unmet,
            };
            Judged { state, of }
        };
        let state = match when {
            When::All(of) => return group(of, of.len()),
            When::Any(of) => return group(of, 1),
            When::AtLeast(needed, of) => return group(of, *needed),
            When::Quest(quest) | When::SinceQuest(quest, _) | When::Score(quest) if self.quests[*quest].is_deleted => {
                State::Unknown
            }
            When::Chapter(chapter) if self.chapters[*chapter].is_deleted => State::Unknown,
            When::Progress(Some(path), _) if self.paths[*path].is_deleted => State::Unknown,
            When::Quest(quest) => State::of(who.has_completed(*quest)),
            When::SinceQuest(quest, hours) => {
                let completed = who.attempts.get(quest).and_then(|attempt| attempt.completed);
                State::of(completed.is_some_and(|at| self.now >= at + chrono::TimeDelta::hours(*hours)))
            }
            When::Score(_) | When::Manual => State::Unmet,
            When::Chapter(chapter) => {
                let path = &self.paths[self.chapters[*chapter].path];
                let members = self.members(who, path.places.iter().filter(|place| place.chapter == Some(*chapter)));
                State::of(members.are_done())
            }
            When::Progress(path, share) => {
                let members = self.path_members(who, path.unwrap_or(own));
                State::of(if members.total == 0 {
                    *share == 0
                } else {
                    members.done * 1_000_000 >= share * members.total
                })
            }
            When::PathExperience(min) => State::of(self.path_members(who, own).experience >= *min),
            When::Experience(min) => {
                State::of(who.attempts.values().map(|attempt| attempt.experience).sum::<i64>() >= *min)
            }
            When::Skill(tag, level) => match &who.skills {
                Some((at, levels)) if *at + SKILLS_BELIEVED > self.now => {
                    State::of(levels.get(tag).copied().unwrap_or(0) >= *level)
                }
                _ => State::Unknown,
            },
            When::NotBefore(at) => State::of(self.now >= *at),
            When::SincePath(hours) => {
                let started = self.paths[own].places.iter().filter_map(|place| who.attempts.get(&place.quest));
                let first = started.map(|attempt| attempt.started).min();
                State::of(first.is_some_and(|at| self.now >= at + chrono::TimeDelta::hours(*hours)))
            }
        };
        Judged { state, of: Vec::new() }
    }

    fn gate(&self, who: &Learner, (path, entry): (No, &Place), is_on_record: bool) -> Gate {
        let criteria = entry.criteria.as_ref();
        let judged = criteria.and_then(|criteria| criteria.when.as_ref()).map(|when| self.judge(who, when, path));
        let state = if is_on_record { State::Met } else { judged.as_ref().map_or(State::Met, |judged| judged.state) };
        let opens = criteria.and_then(|criteria| criteria.opens);
        let closes = criteria.and_then(|criteria| criteria.closes);
        let chapter = entry.chapter.map(|chapter| &self.chapters[chapter]);
        let starts = chapter.and_then(|chapter| chapter.start);
        let is_paused = chapter.is_some_and(|chapter| chapter.is_paused);
        let has_begun = opens.is_none_or(|at| self.now >= at)
            && closes.is_none_or(|at| self.now < at)
            && starts.is_none_or(|day| self.now.date_naive() >= day)
            && !is_paused;
        Gate {
            path,
            state,
            is_open: state == State::Met && has_begun,
            view: criteria.map_or(View::Full, |criteria| criteria.view),
            gates: judged.is_some() || opens.is_some() || closes.is_some() || starts.is_some() || is_paused,
            judged,
        }
    }

    /// The published paths that a quest is in, each with its place.
    pub fn entries(&self, quest: No) -> Vec<(No, &Place)> {
        let published = |path: &Path| path.is_published && !path.is_deleted;
        let of = self.paths.iter().enumerate().filter(|(_, path)| published(path));
        of.filter_map(|(no, path)| Some((no, path.places.iter().find(|place| place.quest == quest)?))).collect()
    }

    pub fn verdict(&self, who: &Learner, quest: No) -> Verdict {
        let is_active = self.quests[quest].is_active;
        let needs = self.quests[quest].needs.iter().copied().filter(|need| self.quests[*need].is_active);
        let prerequisites: Vec<(No, bool)> = needs.map(|need| (need, who.has_completed(need))).collect();
        let entries = self.entries(quest);
        let unlock = who.unlocks.get(&quest).filter(|unlock| unlock.is_unlocked);
        let is_on_record = |path: No| {
            // What opened before the quest was in any of its paths, or through one that it has left, holds for all.
            unlock.is_some_and(|unlock| {
                unlock.through == Some(path) || !entries.iter().any(|(other, _)| unlock.through == Some(*other))
            })
        };
        let gates: Vec<Gate> = entries.iter().map(|entry| self.gate(who, *entry, is_on_record(entry.0))).collect();
        let holds = |exception: &&Exception| {
            exception.quest == quest && exception.expires.is_none_or(|expires| expires > self.now)
        };
        let exceptions: Vec<&Exception> = who.exceptions.iter().filter(holds).collect();
        let exception = match exceptions.iter().map(|exception| exception.opens).max() {
            None => None,
            Some(true) => Some("open"),
            Some(false) => Some("waive"),
        };
        let own = unlock.is_some() || prerequisites.iter().all(|(_, is_done)| *is_done);
        let is_ready = own || exception == Some("waive");
        let is_open =
            exception == Some("open") || is_ready && (gates.is_empty() || gates.iter().any(|gate| gate.is_open));
        Verdict {
            availability: match (is_active, is_open) {
                (false, _) => "inactive",
                (true, true) => "available",
                (true, false) => "locked",
            },
            is_met: own && (gates.is_empty() || gates.iter().any(|gate| gate.state == State::Met)),
            is_gated: !prerequisites.is_empty() || gates.iter().any(|gate| gate.gates),
            view: gates.iter().map(|gate| gate.view).max().unwrap_or(View::Full),
            prerequisites,
            gates,
            exception,
        }
    }

    /// Whether a learner may know of a quest.
    pub fn is_visible(&self, who: &Learner, quest: No) -> bool {
        let verdict = self.verdict(who, quest);
        who.attempts.contains_key(&quest)
            || verdict.is_available()
            || (verdict.is_locked() && verdict.view != View::Hidden)
    }

    /// What a row of progress should say.
    pub fn enrolment(&self, who: &Learner, path: No, before: &Enrolment) -> Enrolment {
        let members = self.path_members(who, path);
        let is_complete = before.is_completed || members.are_done();
        let status = match before.status {
            _ if is_complete => Status::Completed,
            Status::Paused => Status::Paused,
            _ if members.is_begun => Status::InProgress,
            _ => Status::NotStarted,
        };
        Enrolment {
            status,
            is_started: before.is_started || members.is_begun || is_complete,
            is_completed: is_complete,
            has_left: before.has_left,
            done: members.done,
            total: members.total,
            percentage: if is_complete { 10_000 } else { members.percentage() },
            experience: members.experience,
            current: if is_complete { None } else { self.current(who, path) },
        }
    }

    /// The quest in progress, else the first available one, mandatory ones first.
    pub fn current(&self, who: &Learner, path: No) -> Option<No> {
        let places = || self.paths[path].places.iter();
        let open = || {
            places().filter(|place| !who.has_completed(place.quest) && self.verdict(who, place.quest).is_available())
        };
        let under_way = places().find(|place| who.status(place.quest) == Some(Status::InProgress));
        let found = under_way.or_else(|| open().find(|place| place.is_mandatory)).or_else(|| open().next());
        found.map(|place| place.quest)
    }

    /// Mandatory steps of a quest, in order; assessments cannot be written yet.
    pub fn units(&self, quest: No) -> Vec<No> {
        self.quests[quest].steps.iter().copied().filter(|step| !self.steps[*step].is_optional).collect()
    }

    /// The split of a quest's points over its tags: equal shares, the first ones get what is left over.
    pub fn skill_points(&self, quest: No) -> Vec<(String, i64)> {
        let quest = &self.quests[quest];
        let count = i64::try_from(quest.tags.len()).unwrap();
        let share = |index: i64| quest.experience / count + i64::from(index < quest.experience % count);
        (0..)
            .zip(&quest.tags)
            .map(|(index, tag)| (tag.clone(), share(index)))
            .filter(|(_, points)| *points > 0)
            .collect()
    }

    /// Whether some criterion asks for skill levels.
    fn asks_for_skills(&self) -> bool {
        fn asks(when: &When) -> bool {
            match when {
                When::All(of) | When::Any(of) | When::AtLeast(_, of) => of.iter().any(asks),
                when => matches!(when, When::Skill(..)),
            }
        }
        let places = self.paths.iter().filter(|path| !path.is_deleted).flat_map(|path| &path.places);
        places.filter_map(|place| place.criteria.as_ref()?.when.as_ref()).any(asks)
    }

    /// Calls that lead to a start ask the User Service for levels first, when they are old and wanted.
    pub fn refresh_skills(&mut self, learner: No) {
        let is_fresh = self.learners[learner].skills.as_ref().is_some_and(|(at, _)| *at > self.now - SKILLS_FRESH);
        if is_fresh || !self.asks_for_skills() || self.now.timestamp() < self.users.spared_until {
            return;
        }
        if self.users.is_down {
            self.users.spared_until = self.now.timestamp() + 5;
        } else {
            self.learners[learner].skills = Some((self.now, self.users.levels.clone()));
        }
    }
}

impl Attempt {
    pub fn is_open(&self) -> bool {
        matches!(self.status, Status::InProgress | Status::Paused)
    }
}
