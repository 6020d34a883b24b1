//! What can ever be reached, and how early: the least fixpoint, by time.
//!
//! Everything is taken at its best: learners complete what has opened at once and with full marks, and
//! things outside of the path come about. Conditions are monotone and take no time back, so going from
//! moment to moment (as Dijkstra's algorithm does) meets each condition once, at its earliest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::{Ask, Plan};

/// What is taken for granted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    /// Somebody scores below a bound at first.
    pub(super) low_scores: bool,
    /// The first try is good enough.
    pub(super) first_tries: bool,
    /// Admins open what only they can open.
    pub(super) overrides: bool,
}

impl Mode {
    /// Whatever may happen, happens.
    pub(super) const LUCKY: Self = Self { low_scores: true, first_tries: true, overrides: true };

    pub(super) fn grants(self, ask: &Ask) -> bool {
        match ask {
            Ask::Grade { first_try, low, .. } => (self.low_scores || !low) && (self.first_tries || !first_try || *low),
            Ask::Manual => self.overrides,
            Ask::Never(_) => false,
            _ => true,
        }
    }
}

/// How early what can be reached is reached; none is never.
#[derive(Debug)]
pub(super) struct Reach {
    /// For each condition, when it is met.
    pub(super) met: Vec<Option<DateTime<Utc>>>,
    /// For each quest, when its prerequisites and criteria are met.
    pub(super) ready: Vec<Option<DateTime<Utc>>>,
    /// For each quest, when learners may start it.
    pub(super) open: Vec<Option<DateTime<Utc>>>,
    /// For each quest, whether it can be completed.
    pub(super) done: Vec<bool>,
    /// Mandatory quests that can be completed.
    pub(super) mandatory: usize,
    /// What the quests pay that can be completed.
    pub(super) experience: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Met(usize),
    Open(usize),
}

/// Conditions that wait for the same thing.
#[derive(Debug, Default)]
struct Waiting {
    /// By quest: conditions with their hours, and quests with this prerequisite.
    done: Vec<Vec<(usize, u32)>>,
    follows: Vec<Vec<usize>>,
    opened: Vec<Vec<usize>>,
    chapters: Vec<Vec<usize>>,
    /// The nearest at the end.
    progress: Vec<(usize, usize)>,
    experience: Vec<(i64, usize)>,
    started: Vec<(usize, u32)>,
}

struct Run<'p> {
    plan: &'p Plan<'p>,
    waiting: Waiting,
    /// The moment that is looked at, what happens in it, and what happens later.
    now: DateTime<Utc>,
    at_once: Vec<Event>,
    later: BinaryHeap<Reverse<(DateTime<Utc>, Event)>>,
    /// How much each condition, quest and chapter still waits for.
    left: Vec<usize>,
    left_of_quest: Vec<usize>,
    left_of_chapter: Vec<usize>,
    has_started: bool,
    reach: Reach,
}

/// The least fixpoint, for who begins now.
pub(super) fn reach(plan: &Plan, mode: Mode, now: DateTime<Utc>) -> Reach {
    let mut run = Run::new(plan, mode, now);
    loop {
        while let Some(event) = run.at_once.pop() {
            match event {
                Event::Met(node) => run.meet(node),
                Event::Open(quest) => run.open(quest),
            }
        }
        let Some(Reverse((at, event))) = run.later.pop() else { return run.reach };
        run.now = at;
        run.at_once.push(event);
    }
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan<'p>, mode: Mode, now: DateTime<Utc>) -> Self {
        let quests = plan.blueprint.quests.len();
        let mut run = Self {
            plan,
            waiting: Waiting {
                done: vec![Vec::new(); quests],
                follows: vec![Vec::new(); quests],
                opened: vec![Vec::new(); quests],
                chapters: vec![Vec::new(); plan.members.len()],
                ..Waiting::default()
            },
            now,
            at_once: Vec::new(),
            later: BinaryHeap::new(),
            left: vec![0; plan.nodes.len()],
            left_of_quest: vec![0; quests],
            left_of_chapter: plan.members.iter().map(Vec::len).collect(),
            has_started: false,
            reach: Reach {
                met: vec![None; plan.nodes.len()],
                ready: vec![None; quests],
                open: vec![None; quests],
                done: vec![false; quests],
                mandatory: 0,
                experience: 0,
            },
        };
        for (node, ask) in plan.nodes.iter().map(|node| &node.ask).enumerate() {
            if mode.grants(ask) {
                run.wait(node, ask);
            }
        }
        run.waiting.progress.sort_unstable_by(|a, b| b.cmp(a));
        run.waiting.experience.sort_unstable_by(|a, b| b.cmp(a));
        run.wait_for_quests();
        run.pay();
        run
    }

    fn wait(&mut self, node: usize, ask: &Ask) {
        match ask {
            Ask::Of(needed) => {
                self.left[node] = *needed;
                if *needed == 0 {
                    self.push(self.now, Event::Met(node));
                }
            }
            Ask::Quest(quest, hours) => self.waiting.done[*quest].push((node, *hours)),
            Ask::Grade { quest: Some(quest), .. } => self.waiting.opened[*quest].push(node),
            Ask::Chapter(chapter) => self.waiting.chapters[*chapter].push(node),
            Ask::Progress(needed) => self.waiting.progress.push((*needed, node)),
            Ask::Experience(needed) => self.waiting.experience.push((*needed, node)),
            Ask::Started(hours) => self.waiting.started.push((node, *hours)),
            Ask::At(at) => self.push(*at, Event::Met(node)),
            Ask::Manual | Ask::Free(_) | Ask::Grade { quest: None, .. } => self.push(self.now, Event::Met(node)),
            Ask::Never(_) => {}
        }
    }

    fn wait_for_quests(&mut self) {
        let plan = self.plan;
        for (place, quest) in plan.blueprint.quests.iter().enumerate() {
            if !quest.is_active || quest.unlock_criteria.is_unreadable() || !plan.index.is_first(plan.blueprint, place)
            {
                // One more than it can ever get.
                self.left_of_quest[place] = usize::MAX;
                continue;
            }
            for needed in &plan.needs[place] {
                self.waiting.follows[*needed].push(place);
            }
            self.left_of_quest[place] = plan.needs[place].len() + usize::from(!plan.span(place).is_empty());
            if self.left_of_quest[place] == 0 {
                self.ready(place);
            }
        }
    }

    fn push(&mut self, at: DateTime<Utc>, event: Event) {
        // Most happens at once: what waits for time alone goes through the heap.
        if at <= self.now {
            self.at_once.push(event);
        } else {
            self.later.push(Reverse((at, event)));
        }
    }

    fn meet(&mut self, node: usize) {
        if self.reach.met[node].is_some() {
            return;
        }
        self.reach.met[node] = Some(self.now);
        let Some((parent, _)) = self.plan.nodes[node].parent else {
            return self.nearer(self.plan.nodes[node].quest);
        };
        self.left[parent] = self.left[parent].saturating_sub(1);
        if self.left[parent] == 0 {
            self.push(self.now, Event::Met(parent));
        }
    }

    /// A prerequisite of the quest is done, or its criteria are met.
    fn nearer(&mut self, quest: usize) {
        self.left_of_quest[quest] -= 1;
        if self.left_of_quest[quest] == 0 {
            self.ready(quest);
        }
    }

    fn ready(&mut self, place: usize) {
        self.reach.ready[place] = Some(self.now);
        let quest = &self.plan.blueprint.quests[place];
        let chapter = self.plan.index.chapter_of(quest).map(|chapter| &self.plan.blueprint.chapters[chapter]);
        let opens = quest.scheduled_from(chapter).map_or(self.now, |from| from.max(self.now));
        if quest.closes_at().is_none_or(|closes| opens < closes) {
            self.push(opens, Event::Open(place));
        }
    }

    fn open(&mut self, place: usize) {
        let at = self.now;
        self.reach.open[place] = Some(at);
        if !std::mem::replace(&mut self.has_started, true) {
            for (node, hours) in std::mem::take(&mut self.waiting.started) {
                self.push(later(at, hours), Event::Met(node));
            }
        }
        for node in std::mem::take(&mut self.waiting.opened[place]) {
            self.push(at, Event::Met(node));
        }
        let quest = &self.plan.blueprint.quests[place];
        if quest.unit_count <= 0 {
            // Nothing to do, so it is never done.
            return;
        }
        self.reach.done[place] = true;
        for (node, hours) in std::mem::take(&mut self.waiting.done[place]) {
            self.push(later(at, hours), Event::Met(node));
        }
        for follower in std::mem::take(&mut self.waiting.follows[place]) {
            self.nearer(follower);
        }
        self.reach.experience = self.reach.experience.saturating_add(quest.experience());
        if quest.is_mandatory {
            self.reach.mandatory += 1;
            if let Some(chapter) = self.plan.index.chapter_of(quest) {
                self.left_of_chapter[chapter] -= 1;
                if self.left_of_chapter[chapter] == 0 {
                    for node in std::mem::take(&mut self.waiting.chapters[chapter]) {
                        self.push(at, Event::Met(node));
                    }
                }
            }
        }
        self.pay();
    }

    /// Meets what asks for no more than has been done and paid so far.
    fn pay(&mut self) {
        while let Some((_, node)) = self.waiting.progress.pop_if(|(needed, _)| *needed <= self.reach.mandatory) {
            self.at_once.push(Event::Met(node));
        }
        while let Some((_, node)) = self.waiting.experience.pop_if(|(needed, _)| *needed <= self.reach.experience) {
            self.at_once.push(Event::Met(node));
        }
    }
}

impl Reach {
    /// Whether a condition is met by what can be reached, under other assumptions about its own leaves.
    pub(super) fn holds(&self, plan: &Plan, quest: usize, mode: Mode) -> bool {
        let span = plan.span(quest);
        let Some(first) = span.clone().next() else { return true };
        // Those in a condition come after it, so from the end each is counted before it is asked for.
        let mut counts = vec![0_usize; span.len()];
        let mut holds = true;
        for node in span.rev() {
            holds = match &plan.nodes[node].ask {
                Ask::Of(needed) => counts[node - first] >= *needed,
                ask => self.met[node].is_some() && mode.grants(ask),
            };
            if let Some((parent, _)) = plan.nodes[node].parent {
                counts[parent - first] += usize::from(holds);
            }
        }
        holds
    }
}

fn later(at: DateTime<Utc>, hours: u32) -> DateTime<Utc> {
    at.checked_add_signed(TimeDelta::hours(hours.into())).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
