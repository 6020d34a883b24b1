//! What the service shows, held against the model: quests, attempts, paths, explanations, content.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Run;
use super::observe::hundredths;
use super::rules::{Judged, Verdict};
use super::world::{Learner, No, Status, View};
use crate::harness::{Client, text};

impl Run {
    /// `GET /v1/quests` as the learner sees it.
    pub async fn look_at_quests(&self, learner: No) {
        let who = &self.world.learners[learner];
        let seen = who.client.get("/v1/quests?limit=100").await.expect(200);
        let seen: BTreeMap<No, &Value> = seen["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|quest| (self.world.quest_of(text(&quest["id"])).expect("a quest of this world"), quest))
            .collect();
        let shown = |quest: &No| self.world.quests[*quest].is_active && self.world.is_visible(who, *quest);
        let expected: BTreeSet<No> = self.world.live_quests().into_iter().filter(shown).collect();
        assert_eq!(seen.keys().copied().collect::<BTreeSet<_>>(), expected, "quests that are shown");
        for (quest, seen) in seen {
            let verdict = self.world.verdict(who, quest);
            let my = self.compare_my(who, quest, &verdict, &seen["my"]);
            let is_withheld = my && verdict.view != View::Full;
            assert_eq!(text(&seen["description"]).is_empty(), is_withheld, "{seen}");
        }
    }

    /// Says whether it is locked, and not begun.
    fn compare_my(&self, who: &Learner, quest: No, verdict: &Verdict, my: &Value) -> bool {
        let title = &self.world.quests[quest].title;
        assert_eq!(my["availability"], verdict.availability, "{title}: {my}");
        let attempt = who.attempts.get(&quest);
        assert_eq!(my["attemptId"], json!(attempt.map(|attempt| attempt.id)), "{title}: {my}");
        assert_eq!(my["status"], json!(attempt.map(|attempt| attempt.status.name())), "{title}: {my}");
        let percentage = my["completionPercentage"].as_f64().map(|_| hundredths(&my["completionPercentage"]));
        assert_eq!(percentage, attempt.map(|attempt| attempt.percentage), "{title}: {my}");
        attempt.is_none() && verdict.is_locked()
    }

    /// An attempt with its steps, as an answer shows it.
    pub fn compare_attempt(&self, who: &Learner, quest: No, seen: &Value) {
        let attempt = &who.attempts[&quest];
        assert_eq!(seen["status"], attempt.status.name(), "{seen}");
        assert_eq!(hundredths(&seen["completionPercentage"]), attempt.percentage, "{seen}");
        assert_eq!(seen["totalExperienceEarned"], attempt.experience, "{seen}");
        assert_eq!(seen["currentStepId"], json!(attempt.current.map(|step| self.world.steps[step].id)), "{seen}");
        let Some(shown) = seen["steps"].as_array() else { return };
        let retired = attempt.steps.keys().copied().filter(|step| self.world.steps[*step].is_retired).count();
        let order: Vec<No> = shown.iter().map(|step| self.world.step_of(text(&step["stepId"])).unwrap()).collect();
        assert_eq!(order[retired..], self.world.quests[quest].steps, "{seen}");
        for (step, seen) in order.into_iter().zip(shown) {
            let work = attempt.steps.get(&step);
            let (status, earned, tries) =
                work.map_or((Status::NotStarted, 0, 0), |work| (work.status, work.earned, work.tries));
            assert_eq!(seen["status"], status.name(), "{seen}");
            assert_eq!((&seen["experienceEarned"], &seen["attemptsCount"]), (&json!(earned), &json!(tries)), "{seen}");
            assert_eq!(seen["isRetired"], self.world.steps[step].is_retired, "{seen}");
        }
    }

    /// Lists of one's own attempts and paths.
    pub async fn look_at_lists(&self, learner: No) {
        let who = &self.world.learners[learner];
        let attempts = who.client.get("/v1/me/attempts?limit=100").await.expect(200);
        let attempts = attempts["items"].as_array().unwrap();
        assert_eq!(attempts.len(), who.attempts.len());
        for attempt in attempts {
            let quest = self.world.quest_of(text(&attempt["questId"])).unwrap();
            self.compare_attempt(who, quest, attempt);
        }
        let paths = who.client.get("/v1/me/learning-paths").await.expect(200);
        let paths = paths["items"].as_array().unwrap();
        assert_eq!(paths.len(), who.enrolments.values().filter(|row| !row.has_left).count());
        for row in paths {
            let path = self.world.path_of(text(&row["learningPathId"])).unwrap();
            self.compare_row(who, path, row);
        }
    }

    pub fn compare_row(&self, who: &Learner, path: No, seen: &Value) {
        let row = &who.enrolments[&path];
        assert_eq!(seen["status"], row.status.name(), "{seen}");
        let numbers = [&seen["completedQuestsCount"], &seen["totalQuestsCount"], &seen["totalExperienceEarned"]];
        assert_eq!(numbers, [&json!(row.done), &json!(row.total), &json!(row.experience)], "{seen}");
        assert_eq!(hundredths(&seen["completionPercentage"]), row.percentage, "{seen}");
        assert_eq!(seen["currentQuestId"], json!(row.current.map(|quest| self.world.quests[quest].id)), "{seen}");
        assert_eq!(seen["leftAt"].is_null(), !row.has_left, "{seen}");
        let is_new = |quest: No| self.world.quests[quest].is_active && !who.has_completed(quest);
        let places = &self.world.paths[path].places;
        let has_new = places.iter().any(|place| place.is_mandatory && is_new(place.quest));
        assert_eq!(seen["newContentSinceCompletion"], row.is_completed && has_new, "{seen}");
    }

    /// `GET …/eligibility`: every node.
    pub fn compare_eligibility(&self, who: &Learner, quest: No, seen: &Value) {
        let verdict = self.world.verdict(who, quest);
        assert_eq!(seen["availability"], verdict.availability, "{seen}");
        assert_eq!(seen["exception"], json!(verdict.exception), "{seen}");
        let state = |is_done: bool| if is_done { "met" } else { "unmet" };
        let is_withheld = verdict.is_locked() && !who.attempts.contains_key(&quest) && verdict.view != View::Full;
        let expected: BTreeSet<(String, &str)> = verdict
            .prerequisites
            .iter()
            .filter(|_| !is_withheld)
            .map(|(quest, is_done)| (self.world.quests[*quest].id.to_string(), state(*is_done)))
            .collect();
        let conditions = seen["conditions"].as_array().unwrap();
        let shown: BTreeSet<(String, &str)> = conditions
            .iter()
            .map(|condition| (text(&condition["questId"]).to_owned(), text(&condition["state"])))
            .collect();
        assert_eq!(shown, expected, "{seen}");
        let gates = seen["learningPaths"].as_array().unwrap();
        assert_eq!(gates.len(), verdict.gates.len(), "{seen}");
        for gate in &verdict.gates {
            let id = json!(self.world.paths[gate.path].id);
            let seen = gates.iter().find(|seen| seen["learningPathId"] == id).expect("the path is shown");
            assert_eq!((&seen["state"], &seen["isOpen"]), (&json!(gate.state.name()), &json!(gate.is_open)), "{seen}");
            match &gate.judged {
                None => assert!(seen["criteria"].is_null(), "{seen}"),
                Some(_) if is_withheld => assert!(seen["criteria"].is_null(), "{seen}"),
                Some(judged) => compare_judged(judged, &seen["criteria"]),
            }
        }
    }

    /// `GET /v1/me/learning-paths/{id}`.
    pub fn compare_picture(&self, who: &Learner, path: No, seen: &Value) {
        let row = who.enrolments.get(&path);
        match row {
            None => assert!(seen["enrollment"].is_null(), "{seen}"),
            Some(_) => self.compare_row(who, path, &seen["enrollment"]),
        }
        let members = self.world.path_members(who, path);
        let is_completed = row.is_some_and(|row| row.is_completed);
        let percentage = if is_completed { 10_000 } else { members.percentage() };
        assert_eq!(hundredths(&seen["completionPercentage"]), percentage, "{seen}");
        let numbers = [&seen["completedQuestsCount"], &seen["totalQuestsCount"], &seen["experienceEarned"]];
        assert_eq!(numbers, [&json!(members.done), &json!(members.total), &json!(members.experience)], "{seen}");
        assert_eq!(seen["totalExperiencePoints"], self.points_of(path), "{seen}");
        self.compare_next(who, path, &seen["nextAction"]);
        let mut chapters: Vec<Option<No>> = self.world.paths[path].chapters.iter().copied().map(Some).collect();
        let places = &self.world.paths[path].places;
        let is_row = |quest: No| self.world.quests[quest].is_active || who.attempts.contains_key(&quest);
        if places.iter().any(|place| place.chapter.is_none() && is_row(place.quest)) {
            chapters.push(None);
        }
        let shown = seen["chapters"].as_array().unwrap();
        assert_eq!(shown.len(), chapters.len(), "{seen}");
        for (chapter, seen) in chapters.into_iter().zip(shown) {
            self.compare_chapter(who, path, chapter, seen);
        }
    }

    fn compare_chapter(&self, who: &Learner, path: No, chapter: Option<No>, seen: &Value) {
        let world = &self.world;
        let own = || world.paths[path].places.iter().filter(move |place| place.chapter == chapter);
        let members = world.members(who, own());
        let facts = chapter.map(|chapter| &world.chapters[chapter]);
        assert_eq!(seen["chapterId"], json!(facts.map(|chapter| chapter.id)), "{seen}");
        let status = match () {
            () if members.are_done() => "Completed",
            () if facts.is_some_and(|chapter| chapter.is_paused) => "Paused",
            () if members.is_begun => "InProgress",
            () => "NotStarted",
        };
        assert_eq!(seen["status"], status, "{seen}");
        let is_over = facts.and_then(|chapter| chapter.end).is_some_and(|end| end < world.now.date_naive());
        assert_eq!(seen["isOverdue"], is_over && members.done < members.total, "{seen}");
        let numbers = [&seen["completedQuestsCount"], &seen["totalQuestsCount"]];
        assert_eq!(numbers, [&json!(members.done), &json!(members.total)], "{seen}");
        let visible: Vec<No> = own().map(|place| place.quest).filter(|quest| world.is_visible(who, *quest)).collect();
        let shown = seen["quests"].as_array().unwrap();
        let order: Vec<No> = shown.iter().map(|quest| world.quest_of(text(&quest["questId"])).unwrap()).collect();
        assert_eq!(order, visible, "{seen}");
        for (quest, seen) in order.into_iter().zip(shown) {
            let verdict = world.verdict(who, quest);
            let is_locked = self.compare_my(who, quest, &verdict, &seen["my"]);
            assert_eq!(seen["locked"].is_null(), !(is_locked && verdict.view == View::Full), "{seen}");
        }
    }

    fn compare_next(&self, who: &Learner, path: No, seen: &Value) {
        let world = &self.world;
        let places = || world.paths[path].places.iter();
        let with = |status: Status| places().find(|place| who.status(place.quest) == Some(status));
        let open = || {
            places().filter(|place| {
                !who.attempts.contains_key(&place.quest) && world.verdict(who, place.quest).is_available()
            })
        };
        let startable = open().find(|place| place.is_mandatory).or_else(|| open().next());
        let (kind, place) = if world.path_members(who, path).are_done() {
            ("completed", None)
        } else if let Some(place) = with(Status::InProgress) {
            ("continueQuest", Some(place))
        } else if let Some(place) = startable {
            ("startQuest", Some(place))
        } else if let Some(place) = with(Status::Paused).or_else(|| with(Status::Abandoned)) {
            ("resumeQuest", Some(place))
        } else {
            assert!(["wait", "locked"].contains(&text(&seen["kind"])), "{seen}");
            return;
        };
        assert_eq!(seen["kind"], kind, "{seen}");
        assert_eq!(seen["questId"], json!(place.map(|place| world.quests[place.quest].id)), "{seen}");
    }

    /// What the path's quests and their steps pay.
    pub fn points_of(&self, path: No) -> i64 {
        let of_steps = |quest: No| {
            self.world.quests[quest].steps.iter().map(|step| self.world.steps[*step].experience).sum::<i64>()
        };
        let places = &self.world.paths[path].places;
        places.iter().map(|place| self.world.quests[place.quest].experience + of_steps(place.quest)).sum()
    }

    /// What authors see of a quest's steps and a path's lists.
    pub async fn look_at_content(&self, author: &Client) {
        for quest in self.world.live_quests() {
            let facts = &self.world.quests[quest];
            let seen = author.get(&format!("/v1/quests/{}/steps?limit=100", facts.id)).await.expect(200);
            let shown = seen["items"].as_array().unwrap();
            let order: Vec<No> = shown.iter().map(|step| self.world.step_of(text(&step["id"])).unwrap()).collect();
            assert_eq!(order, facts.steps, "{seen}");
            for ((step, seen), number) in order.into_iter().zip(shown).zip(1..) {
                let step = &self.world.steps[step];
                assert_eq!((&seen["stepNumber"], &seen["isOptional"]), (&json!(number), &json!(step.is_optional)));
                assert_eq!(seen["experiencePoints"], step.experience);
            }
        }
        for path in self.world.live_paths() {
            let facts = &self.world.paths[path];
            let seen = author.get(&format!("/v1/learning-paths/{}", facts.id)).await.expect(200);
            assert_eq!(seen["totalExperiencePoints"], self.points_of(path), "{seen}");
            assert_eq!(seen["isPublished"], facts.is_published, "{seen}");
            let seen = author.get(&format!("/v1/learning-paths/{}/quests?limit=100", facts.id)).await.expect(200);
            self.compare_places(path, &seen);
            let seen = author.get(&format!("/v1/learning-paths/{}/chapters?limit=100", facts.id)).await.expect(200);
            self.compare_chapters(path, &seen);
        }
    }

    pub fn compare_places(&self, path: No, seen: &Value) {
        let shown = seen["items"].as_array().unwrap();
        let expected = self.world.places_json(&self.world.paths[path].places);
        assert_eq!(shown.len(), expected.len(), "{seen}");
        for ((seen, expected), number) in shown.iter().zip(&expected).zip(1..) {
            for name in ["questId", "chapterId", "isMandatory", "unlockCriteria"] {
                assert_eq!(seen[name], expected[name], "{name} of {seen}");
            }
            assert_eq!(seen["sequenceOrder"], number, "{seen}");
        }
    }

    pub fn compare_chapters(&self, path: No, seen: &Value) {
        let shown = seen["items"].as_array().unwrap();
        let chapters = &self.world.paths[path].chapters;
        assert_eq!(shown.len(), chapters.len(), "{seen}");
        for ((seen, chapter), number) in shown.iter().zip(chapters).zip(1..) {
            let chapter = &self.world.chapters[*chapter];
            assert_eq!((&seen["id"], &seen["sequence"]), (&json!(chapter.id), &json!(number)), "{seen}");
            assert_eq!((&seen["startDate"], &seen["endDate"]), (&json!(chapter.start), &json!(chapter.end)), "{seen}");
            assert_eq!(seen["status"] == "Paused", chapter.is_paused, "{seen}");
        }
    }
}

fn compare_judged(judged: &Judged, seen: &Value) {
    assert_eq!(seen["state"], judged.state.name(), "{seen}");
    let of = seen["of"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(of.len(), judged.of.len(), "{seen}");
    for (judged, seen) in judged.of.iter().zip(of) {
        compare_judged(judged, seen);
    }
}
