//! Operations of authors on quests and their steps.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Run;
use super::deeds::{Answer, DONE, IN_USE, INVALID, MADE};
use super::world::{Kind, No, Quest, SKILLS, Step, World};
use crate::harness::{rows, text};

#[derive(Clone, Copy)]
enum Edit {
    Add,
    Change,
    Retire,
    Delete,
    Order,
    Toggle,
    Reward,
    Needs,
    Create,
    Clone,
    DeleteQuest,
}

pub const GONE: Answer = (204, "");
const MOST_QUESTS: usize = 13;
const MOST_STEPS: usize = 5;

impl World {
    /// Open attempts have to be computed anew.
    fn edit_units(&mut self, quest: No) {
        for learner in &mut self.learners {
            if let Some(attempt) = learner.attempts.get_mut(&quest).filter(|attempt| attempt.is_open()) {
                attempt.is_stale = true;
            }
        }
    }

    /// Somebody has worked on it, or is to.
    fn step_has_history(&self, step: No) -> bool {
        let mut attempts = self.learners.iter().filter_map(|learner| learner.attempts.get(&self.steps[step].quest));
        attempts.any(|attempt| attempt.steps.contains_key(&step) || attempt.current == Some(step))
    }

    /// Without these steps, or with them optional, an active quest would have nothing to do.
    fn is_last_unit(&self, quest: No, without: No) -> bool {
        self.quests[quest].is_active && self.units(quest).iter().all(|unit| *unit == without)
    }

    /// Whether a quest is, or waits for, another one.
    fn reaches(&self, from: No, to: No) -> bool {
        from == to || self.quests[from].needs.iter().any(|need| self.reaches(*need, to))
    }
}

impl Run {
    pub async fn author(&mut self, (method, path, body): (Method, String, Value), answer: Answer) -> Value {
        self.trail.note(format!("author: {method} {path} {body} → {answer:?}"));
        let body = Some(&body).filter(|body| !body.is_null());
        let reply = self.author.send(method, &path, &[], body).await;
        if answer.0 < 400 {
            self.world.is_edited = true;
        }
        self.check(&reply, answer)
    }

    fn quest_path(&self, quest: No) -> String {
        format!("/v1/quests/{}", self.world.quests[quest].id)
    }

    /// A quest, active in most cases.
    pub async fn create_quest(&mut self) {
        if self.world.live_quests().len() >= MOST_QUESTS {
            return;
        }
        let quest = self.world.quests.len();
        let title = format!("Quest {quest}");
        let experience = self.chance.between(0, 3) * 25;
        let tags = SKILLS[..self.chance.below(SKILLS.len() + 1)].to_vec();
        let body = json!({
            "title": title, "description": "About it", "questType": "Practice", "difficultyLevel": "Beginner",
            "experiencePointsReward": experience, "skillTags": tags,
        });
        let made = self.author((Method::POST, "/v1/quests".to_owned(), body), MADE).await;
        self.trail.name(id_of(&made), "quest", quest);
        self.world.quests.push(Quest {
            id: id_of(&made),
            title,
            is_active: false,
            is_deleted: false,
            experience,
            tags: tags.into_iter().map(str::to_owned).collect(),
            steps: Vec::new(),
            needs: BTreeSet::new(),
        });
        for _ in 0..=self.chance.below(3) {
            self.add_step(quest).await;
        }
        if !self.chance.one_in(6) {
            self.activate(quest, true).await;
        }
    }

    async fn add_step(&mut self, quest: No) {
        let steps = self.world.quests[quest].steps.len();
        if steps >= MOST_STEPS {
            return;
        }
        let kind = self.chance.weighted(&[(6, Kind::Nothing), (1, Kind::Words), (1, Kind::Seconds)]);
        let place = if self.chance.one_in(3) { Some(self.chance.below(steps + 2)) } else { None };
        let step = Step {
            id: Uuid::nil(),
            quest,
            kind,
            experience: self.chance.between(0, 3) * 5,
            is_optional: self.chance.one_in(4),
            is_retired: false,
            is_deleted: false,
        };
        let mut body = kind.json();
        body["title"] = json!("A step");
        body["description"] = json!("Do it");
        body["experiencePoints"] = json!(step.experience);
        body["isOptional"] = json!(step.is_optional);
        // One beyond the end is refused, as is zero.
        if let Some(place) = place {
            body["stepNumber"] = json!(place + 2 * usize::from(place == steps + 1));
        }
        let fits = place.is_none_or(|place| (1..=steps).contains(&place));
        let answer = if fits { MADE } else { INVALID };
        let made = self.author((Method::POST, format!("{}/steps", self.quest_path(quest)), body), answer).await;
        if fits {
            let no = self.world.steps.len();
            self.trail.name(id_of(&made), "step", no);
            self.world.steps.push(Step { id: id_of(&made), ..step });
            self.world.quests[quest].steps.insert(place.map_or(steps, |place| place - 1), no);
            self.world.edit_units(quest);
        }
    }

    async fn activate(&mut self, quest: No, active: bool) {
        let is_ready = !self.world.units(quest).is_empty();
        let fits = !active || self.world.quests[quest].is_active || is_ready;
        let answer = if fits { DONE } else { (409, "not_activatable") };
        self.author((Method::PATCH, self.quest_path(quest), json!({"isActive": active})), answer).await;
        if fits {
            self.world.quests[quest].is_active = active;
        }
    }

    pub async fn edit_quest(&mut self) {
        let Some(quest) = self.chance.pick(&self.world.live_quests()).copied() else { return };
        let edits = [
            (5, Edit::Add),
            (5, Edit::Change),
            (5, Edit::Retire),
            (3, Edit::Delete),
            (3, Edit::Order),
            (5, Edit::Toggle),
            (2, Edit::Reward),
            (7, Edit::Needs),
            (3, Edit::Create),
            (1, Edit::Clone),
            (2, Edit::DeleteQuest),
        ];
        match self.chance.weighted(&edits) {
            Edit::Add => self.add_step(quest).await,
            Edit::Change => self.change_step(quest).await,
            Edit::Retire => self.retire_step(quest).await,
            Edit::Delete => self.delete_step(quest).await,
            Edit::Order => self.order_steps(quest).await,
            // Most of them shall be active.
            Edit::Toggle => {
                let inactive = self.world.live_quests().into_iter().find(|quest| !self.world.quests[*quest].is_active);
                match inactive.filter(|_| !self.chance.one_in(3)) {
                    Some(inactive) => self.activate(inactive, true).await,
                    None => self.activate(quest, !self.world.quests[quest].is_active).await,
                }
            }
            Edit::Reward => {
                let experience = self.chance.between(0, 3) * 25;
                let body = json!({"experiencePointsReward": experience});
                self.author((Method::PATCH, self.quest_path(quest), body), DONE).await;
                self.world.quests[quest].experience = experience;
            }
            Edit::Needs => self.set_needs(quest).await,
            Edit::Create => self.create_quest().await,
            Edit::Clone => self.clone_quest(quest).await,
            Edit::DeleteQuest => self.delete_quest(quest).await,
        }
    }

    fn some_step(&mut self, quest: No) -> Option<No> {
        let steps = self.world.quests[quest].steps.clone();
        self.chance.pick(&steps).copied()
    }

    async fn change_step(&mut self, quest: No) {
        let Some(step) = self.some_step(quest) else { return };
        let at = format!("{}/steps/{}", self.quest_path(quest), self.world.steps[step].id);
        match self.chance.below(3) {
            0 => {
                let is_optional = !self.world.steps[step].is_optional;
                let fits = !(is_optional && self.world.is_last_unit(quest, step));
                let answer = if fits { DONE } else { (409, "last_unit") };
                self.author((Method::PATCH, at, json!({"isOptional": is_optional})), answer).await;
                if fits {
                    self.world.steps[step].is_optional = is_optional;
                    self.world.edit_units(quest);
                }
            }
            1 => {
                let experience = self.chance.between(0, 4) * 5;
                self.author((Method::PATCH, at, json!({"experiencePoints": experience})), DONE).await;
                self.world.steps[step].experience = experience;
            }
            _ => {
                let end = self.world.quests[quest].steps.len();
                let number = self.chance.below(end + 2);
                let fits = (1..=end).contains(&number);
                let answer = if fits { DONE } else { INVALID };
                self.author((Method::PATCH, at, json!({"stepNumber": number})), answer).await;
                if fits {
                    let steps = &mut self.world.quests[quest].steps;
                    steps.retain(|other| *other != step);
                    steps.insert(number - 1, step);
                    self.world.edit_units(quest);
                }
            }
        }
    }

    async fn retire_step(&mut self, quest: No) {
        let Some(step) = self.some_step(quest) else { return };
        let fits = !self.world.is_last_unit(quest, step);
        let answer = if fits { DONE } else { (409, "last_unit") };
        let at = format!("{}/steps/{}/retire", self.quest_path(quest), self.world.steps[step].id);
        self.author((Method::POST, at, json!({})), answer).await;
        if fits {
            self.world.steps[step].is_retired = true;
            self.world.quests[quest].steps.retain(|other| *other != step);
            self.world.edit_units(quest);
        }
    }

    /// A retired one in some cases.
    async fn delete_step(&mut self, quest: No) {
        let there = |step: &No| self.world.steps[*step].quest == quest && !self.world.steps[*step].is_deleted;
        let steps: Vec<No> = (0..self.world.steps.len()).filter(there).collect();
        let Some(step) = self.chance.pick(&steps).copied() else { return };
        let is_last = self.world.is_last_unit(quest, step) && !self.world.steps[step].is_retired;
        let answer = match () {
            () if self.world.step_has_history(step) => IN_USE,
            () if is_last => (409, "last_unit"),
            () => GONE,
        };
        let at = format!("{}/steps/{}", self.quest_path(quest), self.world.steps[step].id);
        self.author((Method::DELETE, at, Value::Null), answer).await;
        if answer == GONE {
            self.world.steps[step].is_deleted = true;
            self.world.quests[quest].steps.retain(|other| *other != step);
            self.world.edit_units(quest);
        }
    }

    async fn order_steps(&mut self, quest: No) {
        let mut order = self.world.quests[quest].steps.clone();
        self.chance.shuffle(&mut order);
        let is_short = self.chance.one_in(6) && order.pop().is_some();
        let ids: Vec<Uuid> = order.iter().map(|step| self.world.steps[*step].id).collect();
        let answer = if is_short { INVALID } else { DONE };
        let at = format!("{}/steps/order", self.quest_path(quest));
        self.author((Method::PUT, at, json!({"stepIds": ids})), answer).await;
        if !is_short {
            self.world.quests[quest].steps = order;
            self.world.edit_units(quest);
        }
    }

    async fn set_needs(&mut self, quest: No) {
        let mut others = self.world.live_quests();
        others.retain(|other| *other != quest);
        self.chance.shuffle(&mut others);
        let count = self.chance.weighted(&[(3, 0), (5, 1), (3, 2)]);
        let needs: BTreeSet<No> = others.into_iter().take(count).collect();
        let is_cycle = needs.iter().any(|need| self.world.reaches(*need, quest));
        let answer = if is_cycle { (409, "prerequisite_cycle") } else { DONE };
        let ids: Vec<Uuid> = needs.iter().map(|need| self.world.quests[*need].id).collect();
        let at = format!("{}/prerequisites", self.quest_path(quest));
        self.author((Method::PUT, at, json!({"questIds": ids})), answer).await;
        if !is_cycle {
            self.world.quests[quest].needs = needs;
        }
    }

    async fn clone_quest(&mut self, quest: No) {
        if self.world.live_quests().len() >= MOST_QUESTS {
            return;
        }
        let copy = self.world.quests.len();
        let title = format!("Quest {copy}");
        let at = format!("{}/clone", self.quest_path(quest));
        let made = self.author((Method::POST, at, json!({"title": title})), MADE).await;
        self.trail.name(id_of(&made), "quest", copy);
        let source = self.world.quests[quest].clone();
        self.world.quests.push(Quest {
            id: id_of(&made),
            title,
            is_active: false,
            steps: Vec::new(),
            ..source.clone()
        });
        let steps = self.author.get(&format!("{}/steps?limit=100", self.quest_path(copy))).await.expect(200);
        let steps = steps["items"].as_array().unwrap();
        assert_eq!(steps.len(), source.steps.len());
        for (step, seen) in source.steps.into_iter().zip(steps) {
            let step = Step { id: id_of(seen), quest: copy, ..self.world.steps[step].clone() };
            self.trail.name(step.id, "step", self.world.steps.len());
            self.world.quests[copy].steps.push(self.world.steps.len());
            self.world.steps.push(step);
        }
    }

    /// Learners of the worlds before have points and skills still: what those open, opens for them too.
    async fn is_open_to_strangers(&self, quest: No) -> bool {
        let own: Vec<String> = self.world.learners.iter().map(|learner| format!("'{}'", learner.client.id)).collect();
        let sql = format!(
            "SELECT 1 AS one FROM quest_unlocks WHERE quest_id = '{}' AND auth_user_id NOT IN ({})",
            self.world.quests[quest].id,
            own.join(", ")
        );
        !rows(&self.pool, &sql).await.is_empty()
    }

    async fn delete_quest(&mut self, quest: No) {
        if self.world.live_quests().len() <= 6 {
            return;
        }
        let is_used = self.world.learners.iter().any(|learner| {
            learner.attempts.contains_key(&quest)
                || learner.unlocks.contains_key(&quest)
                || learner.enrolments.values().any(|row| row.current == Some(quest))
        });
        let is_used = is_used || self.is_open_to_strangers(quest).await;
        let answer = if is_used { IN_USE } else { GONE };
        self.author((Method::DELETE, self.quest_path(quest), Value::Null), answer).await;
        if is_used {
            return;
        }
        self.world.quests[quest].is_deleted = true;
        self.world.quests[quest].is_active = false;
        for other in &mut self.world.quests {
            other.needs.remove(&quest);
        }
        for path in &mut self.world.paths {
            path.places.retain(|place| place.quest != quest);
        }
        for learner in &mut self.world.learners {
            learner.exceptions.retain(|exception| exception.quest != quest);
        }
    }
}

pub fn id_of(made: &Value) -> Uuid {
    text(&made["id"]).parse().unwrap()
}
