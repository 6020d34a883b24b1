//! Random edits of authors and deeds of learners, against a simple model of the rules in memory.
//!
//! The model is written from the product's rules and shares no code with the service. After each operation
//! the answer, the rows, the events and what the learner sees are compared with it. A run is made of
//! worlds, each from a seed of its own; `QUESTS_MODEL_SEED=n` repeats one world.

#![allow(clippy::disallowed_methods, reason = "tests read the environment and ask their own questions")]

mod authors;
mod chance;
mod deeds;
mod learners;
mod observe;
mod paths;
mod rules;
mod views;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use quests::attempts::service::run_recomputes;
use quests::db::Db;
use quests::enrollments::service::run_schedule;
use rand::RngExt;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use self::chance::Chance;
use self::deeds::{Answer, Effects};
use self::observe::Cause;
use self::world::{Learner, No, SKILLS, World};
use crate::harness::users::Users;
use crate::harness::{Client, Reply, Service, Setup, database, rounds, rows, verify, wider};

/// Operations of one world; learners and quests are new in each.
const OPERATIONS: usize = 625;
/// Learners who act at a time.
const LEARNERS: usize = 4;

/// What was done, for who has to find out why it went wrong.
struct Trail {
    seed: u64,
    notes: Vec<String>,
    /// What the ids in the notes stand for.
    names: Vec<(Uuid, String)>,
}

impl Trail {
    fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Names what stands at the end of a list.
    fn name(&mut self, id: Uuid, kind: &str, number: usize) {
        self.names.push((id, format!("{kind}-{number}")));
    }

    /// With names in place of ids.
    fn read(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (id, name)| text.replace(&id.to_string(), name))
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = if std::env::var("QUESTS_MODEL_TRAIL").is_ok() { usize::MAX } else { 25 };
            let from = self.notes.len().saturating_sub(shown);
            eprintln!("the last operations of {}, the last one last:", self.notes.len());
            for note in &self.notes[from..] {
                eprintln!("  {}", self.read(note));
            }
            eprintln!("QUESTS_MODEL_SEED={} repeats it", self.seed);
        }
    }
}

struct Run {
    service: Service,
    pool: PgPool,
    db: Db,
    users: Users,
    author: Client,
    admin: Client,
    world: World,
    chance: Chance,
    trail: Trail,
    /// Who acts.
    present: Vec<No>,
    /// Rows of progress whose current quest time alone may have changed.
    lags: BTreeSet<(No, No)>,
    /// Announced by the last operation that was looked at.
    opened: BTreeSet<No>,
    /// What was seen of each learner last.
    last: BTreeMap<No, Value>,
}

#[derive(Clone, Copy)]
enum Act {
    Work,
    Start,
    Fumble,
    MoveAttempt,
    ReadAttempt,
    MoveEnrolment,
    ReadEligibility,
    ReadPicture,
    Exception,
    EditQuest,
    EditPath,
    Wait,
    Users,
    Recompute,
    Schedule,
    Settle,
    Newcomer,
}

const ACTS: [(usize, Act); 17] = [
    (28, Act::Work),
    (11, Act::Start),
    (9, Act::Fumble),
    (7, Act::MoveAttempt),
    (2, Act::ReadAttempt),
    (7, Act::MoveEnrolment),
    (3, Act::ReadEligibility),
    (3, Act::ReadPicture),
    (3, Act::Exception),
    (11, Act::EditQuest),
    (8, Act::EditPath),
    (6, Act::Wait),
    (2, Act::Users),
    (1, Act::Recompute),
    (1, Act::Schedule),
    (7, Act::Settle),
    (1, Act::Newcomer),
];

impl Run {
    async fn start(pool: &PgPool, seed: u64) -> Self {
        let users = Users::start().await;
        // The background works when the model says so.
        let args = vec![format!("--user-service-url={}", users.base), "--background-jobs=false".to_owned()];
        let pool = &wider(pool, 3).await;
        let service = Service::start_with(pool, Setup { args, connections: 3, ..Setup::default() }).await;
        let author = service.author();
        let admin = service.client_as(Uuid::new_v4(), &["Game Master"]);
        let world = World::new(&service);
        let (pool, db) = (pool.clone(), Db::new(pool.clone()));
        let mut run = Self {
            service,
            pool,
            db,
            users,
            author,
            admin,
            world,
            chance: Chance::new(seed),
            trail: Trail { seed, notes: Vec::new(), names: Vec::new() },
            present: Vec::new(),
            lags: BTreeSet::new(),
            opened: BTreeSet::new(),
            last: BTreeMap::new(),
        };
        run.populate().await;
        run
    }

    /// Another world in the same database. What is left of the last one is taken out of sight.
    async fn renew(&mut self, seed: u64) {
        for quest in self.world.live_quests() {
            let at = format!("/v1/quests/{}", self.world.quests[quest].id);
            self.author.patch(&at, json!({"isActive": false})).await.expect(200);
        }
        for path in self.world.live_paths() {
            let at = format!("/v1/learning-paths/{}", self.world.paths[path].id);
            self.author.put(&format!("{at}/quests"), json!({"quests": []})).await.expect(200);
        }
        self.service.work_in_background().await;
        self.users.is_down(false);
        self.world = World::new(&self.service);
        self.chance = Chance::new(seed);
        self.trail = Trail { seed, notes: Vec::new(), names: Vec::new() };
        self.present.clear();
        self.lags.clear();
        self.last.clear();
        self.populate().await;
    }

    async fn populate(&mut self) {
        for skill in SKILLS {
            self.users.has(skill, 0);
        }
        // Who has failed is asked again after a while.
        self.wait(TimeDelta::seconds(10));
        self.world.users = world::UserService::default();
        for _ in 0..8 {
            self.create_quest().await;
        }
        for _ in 0..2 {
            self.create_path().await;
        }
        for _ in 0..LEARNERS {
            self.welcome();
        }
    }

    fn welcome(&mut self) {
        self.present.push(self.world.learners.len());
        self.world.learners.push(Learner {
            client: self.service.learner(),
            attempts: BTreeMap::new(),
            unlocks: BTreeMap::new(),
            enrolments: BTreeMap::new(),
            exceptions: Vec::new(),
            skills: None,
            seq: 0,
        });
    }

    fn wait(&mut self, by: TimeDelta) {
        self.service.clock.advance(by);
        self.world.now += by;
        for (learner, who) in self.world.learners.iter().enumerate() {
            self.lags.extend(who.enrolments.keys().map(|path| (learner, *path)));
        }
    }

    async fn act(&mut self, number: usize) {
        match self.chance.weighted(&ACTS) {
            Act::Work => self.work().await,
            Act::Start => self.start_quest().await,
            Act::Fumble => self.fumble().await,
            Act::MoveAttempt => self.move_attempt().await,
            Act::ReadAttempt => self.read_attempt().await,
            Act::MoveEnrolment => self.move_enrolment().await,
            Act::ReadEligibility => self.read_eligibility().await,
            Act::ReadPicture => self.read_picture().await,
            Act::Exception => self.make_exception().await,
            Act::EditQuest => {
                self.edit_quest().await;
                self.glance().await;
            }
            Act::EditPath => {
                self.edit_path().await;
                self.glance().await;
            }
            Act::Wait => {
                let by = match self.chance.below(5) {
                    0 => TimeDelta::seconds(self.chance.between(1, 90)),
                    1 => TimeDelta::minutes(self.chance.between(1, 90)),
                    2 | 3 => TimeDelta::hours(self.chance.between(1, 20)),
                    _ => TimeDelta::hours(self.chance.between(20, 80)),
                };
                self.trail.note(format!("wait {by}"));
                self.wait(by);
                self.glance().await;
            }
            Act::Users => self.change_users(),
            Act::Recompute => self.work_on(Cause::Recompute).await,
            Act::Schedule => self.work_on(Cause::Schedule).await,
            Act::Settle => self.work_on(Cause::Settled).await,
            Act::Newcomer => {
                self.trail.note("one leaves for good, and another one comes".to_owned());
                let place = self.chance.below(self.present.len());
                self.present.remove(place);
                self.welcome();
            }
        }
        if number.is_multiple_of(125) {
            self.look_at_everything().await;
        }
    }

    /// After what touches no learner's rows: somebody sees it.
    async fn glance(&mut self) {
        let learner = *self.chance.pick(&self.present).unwrap();
        let before = self.world.before(&self.world.learners[learner]);
        self.look(learner, &before, &Effects::default(), Cause::Nothing).await;
    }

    fn change_users(&mut self) {
        if self.chance.one_in(3) {
            self.world.users.is_down = !self.world.users.is_down;
            self.users.is_down(self.world.users.is_down);
        }
        let skill = SKILLS[self.chance.below(SKILLS.len())];
        let level = self.chance.between(0, 4);
        self.world.users.levels.insert(skill, level);
        self.users.has(skill, i32::try_from(level).unwrap());
        self.trail.note(format!("{skill} is {level}, the User Service is down: {}", self.world.users.is_down));
    }

    /// Lets the background work, and looks at everybody.
    async fn work_on(&mut self, cause: Cause) {
        self.trail.note(format!("the background: {cause:?}"));
        let mut done = Vec::new();
        for learner in 0..self.world.learners.len() {
            let mut who = self.world.learners[learner].clone();
            let before = self.world.before(&who);
            let mut effects = Effects::default();
            if cause != Cause::Schedule {
                for quest in who.attempts.keys().copied().collect::<Vec<_>>() {
                    let mut own = Effects::default();
                    self.world.refresh(&mut who, quest, &mut own);
                    effects.events.extend(own.events);
                    effects.moved.extend(own.moved);
                }
            }
            self.world.learners[learner] = who;
            done.push((before, effects));
        }
        match cause {
            Cause::Recompute => drop(run_recomputes(&self.db, &self.service.clock).await.unwrap()),
            Cause::Schedule => run_schedule(&self.db, &self.service.clock).await.unwrap(),
            _ => {
                self.service.work_in_background().await;
                self.world.is_edited = false;
            }
        }
        for (learner, (before, effects)) in done.into_iter().enumerate() {
            self.look(learner, &before, &effects, cause).await;
        }
    }

    async fn look_at_everything(&mut self) {
        for learner in self.present.clone() {
            self.look_at_quests(learner).await;
            self.look_at_lists(learner).await;
        }
        self.look_at_content(&self.author.clone()).await;
        verify(&self.pool).await;
    }

    #[track_caller]
    fn check(&self, reply: &Reply, (status, code): Answer) -> Value {
        assert_eq!(
            reply.status.as_u16(),
            status,
            "the model expects {status} {code}: {}",
            self.trail.read(&reply.text)
        );
        if status >= 400 {
            let body = reply.json();
            assert_eq!(body["code"], code, "{body}");
            return body;
        }
        if reply.text.is_empty() { Value::Null } else { reply.json() }
    }
}

impl World {
    fn new(service: &Service) -> Self {
        Self {
            now: service.clock.now(),
            quests: Vec::new(),
            steps: Vec::new(),
            paths: Vec::new(),
            chapters: Vec::new(),
            learners: Vec::new(),
            users: world::UserService::default(),
            is_edited: false,
        }
    }
}

/// The seeds of one of the four tests: few that never change, many new ones in `make soak`, or those of
/// `QUESTS_MODEL_SEED`, which is one or a range such as `100..140`.
fn seeds(test: u64) -> Vec<u64> {
    let Ok(asked) = std::env::var("QUESTS_MODEL_SEED") else {
        let count = rounds(2, 80) as u64;
        let is_soak = count > 2;
        let first = if is_soak { rand::rng().random_range(1_000..u64::from(u32::MAX)) } else { 1 + test * count };
        return (first..first + count).collect();
    };
    let number = |text: &str| text.parse::<u64>().expect("QUESTS_MODEL_SEED is a number, or two with .. between");
    let (first, end) = asked
        .split_once("..")
        .map_or_else(|| (number(&asked), number(&asked) + 1), |(first, end)| (number(first), number(end)));
    (first..end).filter(|seed| (seed - first) % 4 == test).collect()
}

/// Worlds one after the other.
async fn worlds(pool: PgPool, test: u64) {
    let seeds = seeds(test);
    if seeds.is_empty() {
        return;
    }
    let mut run = Run::start(&pool, seeds[0]).await;
    for (index, seed) in seeds.into_iter().enumerate() {
        if index > 0 {
            run.renew(seed).await;
        }
        for number in 1..=OPERATIONS {
            run.act(number).await;
        }
        run.work_on(Cause::Settled).await;
        run.look_at_everything().await;
        let left =
            rows(&pool, "SELECT target_id FROM reevaluations UNION ALL SELECT quest_id FROM unit_recomputes").await;
        assert_eq!(left, Vec::<Value>::new(), "the background is done");
    }
    run.service.stop().await;
}

#[tokio::test]
async fn the_first_worlds_go_as_the_model_says() {
    let pool = database().await;
    Box::pin(worlds(pool, 0)).await;
}

#[tokio::test]
async fn the_second_worlds_go_as_the_model_says() {
    let pool = database().await;
    Box::pin(worlds(pool, 1)).await;
}

#[tokio::test]
async fn the_third_worlds_go_as_the_model_says() {
    let pool = database().await;
    Box::pin(worlds(pool, 2)).await;
}

#[tokio::test]
async fn the_fourth_worlds_go_as_the_model_says() {
    let pool = database().await;
    Box::pin(worlds(pool, 3)).await;
}
