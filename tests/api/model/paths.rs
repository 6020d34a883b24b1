//! Operations of authors on learning paths: chapters, lists of quests and their criteria, publishing, copies.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Run;
use super::authors::{GONE, id_of};
use super::deeds::{DONE, IN_USE, INVALID, MADE};
use super::world::{Chapter, Criteria, No, Path, Place, SKILLS, View, When, World};

const MOST_PATHS: usize = 4;
const MOST_CHAPTERS: usize = 3;

impl World {
    fn is_followed(&self, path: No) -> bool {
        self.learners.iter().any(|learner| learner.enrolments.contains_key(&path))
    }
}

impl Run {
    fn path_path(&self, path: No) -> String {
        format!("/v1/learning-paths/{}", self.world.paths[path].id)
    }

    /// A published path in most cases.
    pub async fn create_path(&mut self) {
        if self.world.live_paths().len() >= MOST_PATHS {
            return;
        }
        let path = self.world.paths.len();
        let name = format!("Path {path}");
        let body = json!({"name": name, "description": "A path", "pathType": "Course"});
        let made = self.author((Method::POST, "/v1/learning-paths".to_owned(), body), MADE).await;
        self.trail.name(id_of(&made), "path", path);
        let (is_published, is_deleted) = (false, false);
        let (places, chapters) = (Vec::new(), Vec::new());
        self.world.paths.push(Path { id: id_of(&made), name, is_published, is_deleted, places, chapters });
        for _ in 0..self.chance.below(3) {
            self.add_chapter(path).await;
        }
        let mut quests = self.world.live_quests();
        self.chance.shuffle(&mut quests);
        quests.truncate(3 + self.chance.below(4));
        let mut places = Vec::new();
        for quest in quests {
            let criteria = if self.chance.one_in(3) { self.criteria(path) } else { None };
            let (chapter, is_mandatory) = (self.some_chapter(path), !self.chance.one_in(4));
            places.push(Place { quest, chapter, is_mandatory, criteria });
        }
        self.put_places(path, places).await;
        self.publish(path, true).await;
    }

    fn some_chapter(&mut self, path: No) -> Option<No> {
        let chapters = self.world.paths[path].chapters.clone();
        if self.chance.one_in(4) { None } else { self.chance.pick(&chapters).copied() }
    }

    async fn put_places(&mut self, path: No, places: Vec<Place>) {
        let body = json!({"quests": self.world.places_json(&places)});
        let seen = self.author((Method::PUT, format!("{}/quests", self.path_path(path)), body), DONE).await;
        self.world.paths[path].places = places;
        self.compare_places(path, &seen);
    }

    pub async fn edit_path(&mut self) {
        let Some(path) = self.chance.pick(&self.world.live_paths()).copied() else {
            return self.create_path().await;
        };
        match self.chance.weighted(&[(9, 0), (6, 1), (4, 2), (1, 3), (1, 4), (1, 5)]) {
            0 => self.edit_places(path).await,
            1 => self.edit_chapter(path).await,
            2 => {
                let publishes = !self.world.paths[path].is_published || self.chance.one_in(4);
                self.publish(path, publishes).await;
                if publishes && !self.world.paths[path].is_published && self.chance.one_in(2) {
                    // As an author would mend it.
                    let places = self.world.paths[path].places.clone().into_iter();
                    let places = places.map(|place| Place { criteria: None, ..place }).collect();
                    self.put_places(path, places).await;
                    self.publish(path, true).await;
                }
            }
            3 => self.clone_path(path).await,
            4 => self.delete_path(path).await,
            _ => self.create_path().await,
        }
    }

    async fn edit_places(&mut self, path: No) {
        let mut places = self.world.paths[path].places.clone();
        let at = if places.is_empty() { 0 } else { self.chance.below(places.len()) };
        match self.chance.weighted(&[(4, 0), (3, 1), (2, 2), (8, 3), (2, 4), (2, 5), (1, 6), (1, 7)]) {
            0 => {
                let mut quests = self.world.live_quests();
                quests.retain(|quest| !places.iter().any(|place| place.quest == *quest));
                let Some(quest) = self.chance.pick(&quests).copied() else { return };
                let (chapter, is_mandatory) = (self.some_chapter(path), !self.chance.one_in(4));
                let criteria = self.criteria(path);
                places.insert(at, Place { quest, chapter, is_mandatory, criteria });
            }
            1 if !places.is_empty() => {
                places.remove(at);
            }
            2 => self.chance.shuffle(&mut places),
            3 if !places.is_empty() => places[at].criteria = self.criteria(path),
            4 if !places.is_empty() => places[at].is_mandatory = !places[at].is_mandatory,
            5 if !places.is_empty() => places[at].chapter = self.some_chapter(path),
            6 => places.clear(),
            7 if !places.is_empty() => return self.put_wrong_places(path, places).await,
            _ => {}
        }
        self.put_places(path, places).await;
    }

    async fn put_wrong_places(&mut self, path: No, places: Vec<Place>) {
        let mut body = self.world.places_json(&places);
        match self.chance.below(4) {
            0 => body.push(body[0].clone()),
            1 => body[0]["questId"] = json!(Uuid::new_v4()),
            2 => body[0]["chapterId"] = json!(Uuid::new_v4()),
            _ => body[0]["unlockCriteria"] = json!({"v": 1, "when": {"op": "not", "of": []}}),
        }
        let request = (Method::PUT, format!("{}/quests", self.path_path(path)), json!({"quests": body}));
        self.author(request, INVALID).await;
    }

    async fn add_chapter(&mut self, path: No) {
        if self.world.paths[path].chapters.len() >= MOST_CHAPTERS {
            return;
        }
        let chapter = self.world.chapters.len();
        let title = format!("Chapter {chapter}");
        let body = json!({"title": title});
        let made = self.author((Method::POST, format!("{}/chapters", self.path_path(path)), body), MADE).await;
        self.trail.name(id_of(&made), "chapter", chapter);
        let (is_paused, is_deleted, start, end) = (false, false, None, None);
        self.world.chapters.push(Chapter { id: id_of(&made), path, is_paused, start, end, is_deleted });
        self.world.paths[path].chapters.push(chapter);
    }

    async fn edit_chapter(&mut self, path: No) {
        let Some(chapter) = self.chance.pick(&self.world.paths[path].chapters).copied() else {
            return self.add_chapter(path).await;
        };
        let at = format!("{}/chapters/{}", self.path_path(path), self.world.chapters[chapter].id);
        let today = self.world.now.date_naive();
        let day = self.chance.between(-4, 5);
        let day = if self.chance.one_in(3) { None } else { Some(today + chrono::TimeDelta::days(day)) };
        match self.chance.weighted(&[(5, 0), (4, 1), (2, 2), (2, 3), (1, 4), (1, 5), (1, 6)]) {
            0 => {
                let is_paused = !self.world.chapters[chapter].is_paused;
                let status = if is_paused { "Paused" } else { "InProgress" };
                self.author((Method::PATCH, at, json!({"status": status})), DONE).await;
                self.world.chapters[chapter].is_paused = is_paused;
            }
            1 => {
                let fits = day.zip(self.world.chapters[chapter].end).is_none_or(|(start, end)| start <= end);
                self.author((Method::PATCH, at, json!({"startDate": day})), if fits { DONE } else { INVALID }).await;
                if fits {
                    self.world.chapters[chapter].start = day;
                }
            }
            2 => {
                let fits = day.zip(self.world.chapters[chapter].start).is_none_or(|(end, start)| start <= end);
                self.author((Method::PATCH, at, json!({"endDate": day})), if fits { DONE } else { INVALID }).await;
                if fits {
                    self.world.chapters[chapter].end = day;
                }
            }
            3 => {
                let mut order = self.world.paths[path].chapters.clone();
                self.chance.shuffle(&mut order);
                let ids: Vec<Uuid> = order.iter().map(|chapter| self.world.chapters[*chapter].id).collect();
                let request =
                    (Method::PUT, format!("{}/chapters/order", self.path_path(path)), json!({"chapterIds": ids}));
                let seen = self.author(request, DONE).await;
                self.world.paths[path].chapters = order;
                self.compare_chapters(path, &seen);
            }
            4 => {
                let end = self.world.paths[path].chapters.len();
                let number = self.chance.below(end + 2);
                let fits = (1..=end).contains(&number);
                let answer = if fits { DONE } else { INVALID };
                self.author((Method::PATCH, at, json!({"sequence": number})), answer).await;
                if fits {
                    let chapters = &mut self.world.paths[path].chapters;
                    chapters.retain(|other| *other != chapter);
                    chapters.insert(number - 1, chapter);
                }
            }
            5 => {
                self.author((Method::DELETE, at, Value::Null), GONE).await;
                self.world.chapters[chapter].is_deleted = true;
                self.world.paths[path].chapters.retain(|other| *other != chapter);
                for place in &mut self.world.paths[path].places {
                    place.chapter = place.chapter.filter(|other| *other != chapter);
                }
            }
            _ => self.add_chapter(path).await,
        }
    }

    /// What the linter refuses besides the clear cases is its own affair; that it says why is not.
    async fn publish(&mut self, path: No, publishes: bool) {
        if !publishes {
            self.author((Method::POST, format!("{}/unpublish", self.path_path(path)), json!({})), DONE).await;
            self.world.paths[path].is_published = false;
            return;
        }
        let world = &self.world;
        let places = &world.paths[path].places;
        let counts = |place: &Place| place.is_mandatory && world.quests[place.quest].is_active;
        let is_empty = !places.iter().any(counts);
        let is_plain =
            places.iter().all(|place| place.criteria.is_none() && world.quests[place.quest].needs.is_empty());
        let must = world.paths[path].is_published || is_plain && !is_empty;
        let at = format!("{}/publish", self.path_path(path));
        let reply = self.author.post(&at, json!({})).await;
        self.trail.note(format!("author: POST {at} → {}", reply.status));
        if must || reply.status == 200 {
            assert!(must || !is_empty, "a path without a mandatory quest is published");
            self.check(&reply, DONE);
            self.world.is_edited = true;
            self.world.paths[path].is_published = true;
            return;
        }
        let refused = self.check(&reply, (422, "lint_failed"));
        let findings = refused["findings"].as_array().unwrap();
        assert!(findings.iter().any(|finding| finding["severity"] == "error"), "{refused}");
        let says = |code: &str| findings.iter().any(|finding| finding["code"] == code);
        assert_eq!(says("no_mandatory_quest"), is_empty, "{refused}");
    }

    async fn clone_path(&mut self, path: No) {
        if self.world.live_paths().len() >= MOST_PATHS {
            return;
        }
        let copy = self.world.paths.len();
        let name = format!("Path {copy}");
        let request = (Method::POST, format!("{}/clone", self.path_path(path)), json!({"name": name}));
        let made = self.author(request, MADE).await;
        self.trail.name(id_of(&made), "path", copy);
        let source = self.world.paths[path].clone();
        let (places, chapters) = (Vec::new(), Vec::new());
        self.world.paths.push(Path {
            id: id_of(&made),
            name,
            is_published: false,
            is_deleted: false,
            places,
            chapters,
        });
        let seen = self.author.get(&format!("{}/chapters?limit=100", self.path_path(copy))).await.expect(200);
        let shown = seen["items"].as_array().unwrap();
        assert_eq!(shown.len(), source.chapters.len());
        let first = self.world.chapters.len();
        for (chapter, seen) in source.chapters.iter().zip(shown) {
            let chapter = Chapter { id: id_of(seen), path: copy, ..self.world.chapters[*chapter].clone() };
            self.trail.name(chapter.id, "chapter", self.world.chapters.len());
            self.world.paths[copy].chapters.push(self.world.chapters.len());
            self.world.chapters.push(chapter);
        }
        let twin =
            |chapter: No| source.chapters.iter().position(|other| *other == chapter).map_or(chapter, |at| first + at);
        let places = source.places.into_iter().map(|place| Place {
            chapter: place.chapter.map(twin),
            criteria: place.criteria.map(|criteria| Criteria {
                when: criteria.when.map(|when| when.renamed(&twin, path, copy)),
                ..criteria
            }),
            ..place
        });
        self.world.paths[copy].places = places.collect();
        let seen = self.author.get(&format!("{}/quests?limit=100", self.path_path(copy))).await.expect(200);
        self.compare_places(copy, &seen);
        self.compare_chapters(
            copy,
            &self.author.get(&format!("{}/chapters?limit=100", self.path_path(copy))).await.expect(200),
        );
    }

    async fn delete_path(&mut self, path: No) {
        let is_used = self.world.is_followed(path);
        let answer = if is_used { IN_USE } else { GONE };
        self.author((Method::DELETE, self.path_path(path), Value::Null), answer).await;
        if is_used {
            return;
        }
        self.world.paths[path].is_deleted = true;
        self.world.paths[path].is_published = false;
        for chapter in self.world.paths[path].chapters.clone() {
            self.world.chapters[chapter].is_deleted = true;
        }
        for learner in &mut self.world.learners {
            for unlock in learner.unlocks.values_mut() {
                unlock.through = unlock.through.filter(|other| *other != path);
            }
        }
    }

    /// Criteria of a quest in a path, none in some cases.
    fn criteria(&mut self, path: No) -> Option<Criteria> {
        if self.chance.one_in(3) {
            return None;
        }
        let when = if self.chance.one_in(8) { None } else { Some(self.condition(path, 1)) };
        let (opens, closes) = match self.chance.below(12) {
            0 => (Some(self.moment()), None),
            1 => (None, Some(self.moment())),
            2 => {
                let opens = self.moment();
                (Some(opens), Some(opens + chrono::TimeDelta::hours(self.chance.between(1, 60))))
            }
            _ => (None, None),
        };
        let view = self.chance.weighted(&[(8, View::Full), (1, View::Title), (1, View::Hidden)]);
        Some(Criteria { when, opens, closes, view })
    }

    fn moment(&mut self) -> chrono::DateTime<chrono::Utc> {
        self.world.now + chrono::TimeDelta::hours(self.chance.between(-24, 60))
    }

    fn condition(&mut self, path: No, depth: usize) -> When {
        if depth < 4 && self.chance.one_in(depth + 1) {
            let of: Vec<When> = (0..=self.chance.below(3)).map(|_| self.condition(path, depth + 1)).collect();
            return match self.chance.below(4) {
                0 => When::All(of),
                1 => When::AtLeast(1 + self.chance.below(of.len()), of),
                _ => When::Any(of),
            };
        }
        let leaf = self.chance.weighted(&[
            (6, 0),
            (3, 1),
            (3, 2),
            (3, 3),
            (2, 4),
            (2, 5),
            (3, 6),
            (2, 7),
            (3, 8),
            (1, 9),
            (1, 10),
        ]);
        match leaf {
            0 | 8 | 9 => {
                // Rather a quest of the same path.
                let mut quests: Vec<No> = self.world.paths[path].places.iter().map(|place| place.quest).collect();
                if quests.is_empty() || self.chance.one_in(4) {
                    quests = self.world.live_quests();
                }
                let quest = *self.chance.pick(&quests).unwrap();
                match leaf {
                    0 => When::Quest(quest),
                    8 => When::SinceQuest(quest, self.chance.between(1, 30)),
                    _ => When::Score(quest),
                }
            }
            1 => {
                let all: Vec<No> = self
                    .world
                    .live_paths()
                    .into_iter()
                    .flat_map(|path| self.world.paths[path].chapters.clone())
                    .collect();
                let own = self.world.paths[path].chapters.clone();
                let of = if own.is_empty() || self.chance.one_in(4) { all } else { own };
                self.chance.pick(&of).map_or(When::Progress(None, 500_000), |chapter| When::Chapter(*chapter))
            }
            2 => {
                let other =
                    if self.chance.one_in(3) { self.chance.pick(&self.world.live_paths()).copied() } else { None };
                // A bit below and above what few quests can give: nothing may be rounded.
                let shares = [0, 250_000, 333_333, 333_334, 333_400, 500_000, 666_666, 666_667, 1_000_000];
                let share = *self.chance.pick(&shares).unwrap();
                When::Progress(other, share)
            }
            3 => When::PathExperience(self.chance.between(1, 12) * 10),
            4 => When::Experience(self.chance.between(1, 20) * 10),
            5 => When::Skill(SKILLS[self.chance.below(SKILLS.len())], self.chance.between(1, 4)),
            6 => When::NotBefore(self.moment()),
            7 => When::SincePath(self.chance.between(1, 30)),
            _ => When::Manual,
        }
    }
}

impl When {
    /// As a copied path has it: its own chapters and itself.
    fn renamed(self, twin: &impl Fn(No) -> No, from: No, to: No) -> Self {
        let all = |of: Vec<Self>| of.into_iter().map(|when| when.renamed(twin, from, to)).collect();
        match self {
            Self::All(of) => Self::All(all(of)),
            Self::Any(of) => Self::Any(all(of)),
            Self::AtLeast(n, of) => Self::AtLeast(n, all(of)),
            Self::Chapter(chapter) => Self::Chapter(twin(chapter)),
            Self::Progress(Some(path), percent) if path == from => Self::Progress(Some(to), percent),
            other => other,
        }
    }
}
