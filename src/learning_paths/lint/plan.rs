//! The conditions of a whole path as one flat network, in which reachability is a matter of counting.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use uuid::Uuid;

use super::blueprint::{Blueprint, Index};
use crate::criteria::{Condition, Try, XpScope};

/// The network: one root per quest, which waits for its prerequisites and its criteria, then the
/// conditions, each after the one that it is in.
#[derive(Debug)]
pub(super) struct Plan<'b> {
    pub(super) blueprint: &'b Blueprint,
    pub(super) index: Index,
    pub(super) nodes: Vec<Node>,
    /// For each quest, where its conditions begin and end in `nodes`.
    pub(super) spans: Vec<(usize, usize)>,
    /// For each quest, its active prerequisites in the path.
    pub(super) needs: Vec<Vec<usize>>,
    /// For each chapter, the quests that learners have to complete.
    pub(super) members: Vec<Vec<usize>>,
    /// Quests that learners have to complete.
    pub(super) mandatory: usize,
    /// What all active quests pay.
    pub(super) experience: i64,
}

/// A condition.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) quest: usize,
    /// The condition that it is in, and its place there; none for the outermost.
    pub(super) parent: Option<(usize, usize)>,
    pub(super) ask: Ask,
}

/// What a condition waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// So many of those in it.
    Of(usize),
    /// Completion of a quest of the path, and so many hours.
    Quest(usize, u32),
    /// A grade in an assessment of a quest: of the path, or none and what it names in another path.
    Grade {
        quest: Option<usize>,
        outside: Option<String>,
        first_try: bool,
        low: bool,
    },
    /// Every mandatory quest of a chapter of the path.
    Chapter(usize),
    /// So many mandatory quests of the path.
    Progress(usize),
    /// So many experience points of the path's quests.
    Experience(i64),
    At(DateTime<Utc>),
    /// So many hours since the path was started.
    Started(u32),
    /// An override.
    Manual,
    /// Something that this path has no say in; with what it names in another path.
    Free(Option<String>),
    /// Nothing can ever meet it.
    Never(Never),
}

/// Why nothing can ever meet a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Never {
    /// It names what does not exist.
    Unknown(&'static str, Uuid),
    /// It names a quest that is not active.
    Draft(String),
    /// It names a retired assessment of this quest.
    Retired(String),
    /// It asks for a score of a quest without assessments.
    Ungraded(String),
    /// It asks for a score below zero, in an assessment of this quest.
    BelowZero(String),
    /// It asks for a first score in this that conditions which must be met with it exclude.
    Excluded(String),
    /// It names a chapter without active mandatory quests.
    NothingMandatory(String),
}

/// A first score: from, and below.
type Band = (Decimal, Option<Decimal>);

/// First scores by assessment.
type Bands = HashMap<Uuid, Band>;

fn band(condition: &Condition) -> Option<(Uuid, Band)> {
    match condition {
        Condition::ScoreBand { assessment, which: Try::First, min_percent, below_percent } => {
            Some((*assessment, (min_percent.unwrap_or_default(), *below_percent)))
        }
        _ => None,
    }
}

/// What is in both; none if nothing is.
fn overlap(one: Band, other: Band) -> Option<Band> {
    let from = one.0.max(other.0);
    let below = one.1.into_iter().chain(other.1).min();
    below.is_none_or(|below| from < below).then_some((from, below))
}

/// Those in a group that must all be met.
fn all_of(condition: &Condition) -> Option<&[Condition]> {
    match condition {
        Condition::All(of) => Some(of),
        Condition::Any(of) if of.len() == 1 => Some(of),
        Condition::AtLeast { n, of } if *n as usize == of.len() => Some(of),
        _ => None,
    }
}

/// The first scores that a condition allows, among `bands`. One that allows none of them is left to be told.
fn narrow(bands: &mut Bands, condition: &Condition) {
    if let Some((assessment, own)) = band(condition)
        && let Some(both) = overlap(bands.get(&assessment).copied().unwrap_or_default(), own)
    {
        bands.insert(assessment, both);
    }
    for inner in all_of(condition).into_iter().flatten() {
        narrow(bands, inner);
    }
}

impl<'b> Plan<'b> {
    pub(super) fn new(blueprint: &'b Blueprint) -> Self {
        let index = Index::new(blueprint);
        let quests = &blueprint.quests;
        let firsts: Vec<usize> = (0..quests.len()).filter(|place| index.is_first(blueprint, *place)).collect();
        let mut members = vec![Vec::new(); blueprint.chapters.len()];
        for place in firsts.iter().copied().filter(|place| quests[*place].counts()) {
            if let Some(chapter) = index.chapter_of(&quests[place]) {
                members[chapter].push(place);
            }
        }
        let mut plan = Self {
            mandatory: firsts.iter().filter(|place| quests[**place].counts()).count(),
            experience: firsts
                .iter()
                .filter(|place| quests[**place].is_active)
                .fold(0, |sum: i64, place| sum.saturating_add(quests[*place].experience())),
            needs: vec![Vec::new(); quests.len()],
            spans: Vec::with_capacity(quests.len()),
            nodes: Vec::new(),
            members,
            index,
            blueprint,
        };
        for (place, quest) in quests.iter().enumerate() {
            let begin = plan.nodes.len();
            if plan.index.is_first(blueprint, place) {
                let needs = quest.prerequisites.iter().filter_map(|needed| plan.index.quests.get(&needed.quest_id));
                let mut needs: Vec<usize> = needs.copied().filter(|needed| quests[*needed].is_active).collect();
                needs.sort_unstable();
                needs.dedup();
                plan.needs[place] = needs;
                if let Some(when) = quest.unlock_criteria.read.as_ref().and_then(|criteria| criteria.when.as_ref()) {
                    plan.add(when, place, None, &Bands::new());
                }
            }
            plan.spans.push((begin, plan.nodes.len()));
        }
        plan
    }

    /// Adds a condition and those in it. The parser has bounded the depth. `around` is what conditions allow
    /// that must be met as well.
    fn add(&mut self, condition: &Condition, quest: usize, parent: Option<(usize, usize)>, around: &Bands) {
        let own = self.nodes.len();
        let ask = self.ask(condition);
        let is_excluded = band(condition).is_some_and(|(assessment, own)| {
            around.get(&assessment).is_some_and(|others| overlap(*others, own).is_none())
        });
        let ask = match ask {
            Ask::Grade { quest: Some(place), .. } if is_excluded => Ask::Never(Never::Excluded(self.title(place))),
            Ask::Grade { outside: Some(what), .. } if is_excluded => Ask::Never(Never::Excluded(what)),
            ask => ask,
        };
        self.nodes.push(Node { quest, parent, ask });
        let mut inside = around.clone();
        if all_of(condition).is_some() {
            narrow(&mut inside, condition);
        }
        if let Condition::All(of) | Condition::Any(of) | Condition::AtLeast { of, .. } = condition {
            for (place, inner) in of.iter().enumerate() {
                self.add(inner, quest, Some((own, place)), &inside);
            }
        }
    }

    fn ask(&self, condition: &Condition) -> Ask {
        match condition {
            Condition::All(of) => Ask::Of(of.len()),
            Condition::Any(_) => Ask::Of(1),
            Condition::AtLeast { n, .. } => Ask::Of(*n as usize),
            Condition::QuestCompleted { quest } => self.ask_quest(*quest, 0),
            Condition::DelayQuestCompleted { quest, hours } => self.ask_quest(*quest, *hours),
            Condition::QuestScore { quest, .. } => match self.ask_quest(*quest, 0) {
                Ask::Quest(place, _) if self.blueprint.quests[place].assessment_ids.is_empty() => {
                    Ask::Never(Never::Ungraded(self.blueprint.quests[place].title.clone()))
                }
                ask => ask,
            },
            Condition::ScoreBand { assessment, which, below_percent, .. } => {
                self.ask_grade(*assessment, *which == Try::First, *below_percent)
            }
            Condition::ChapterCompleted { chapter } => self.ask_chapter(*chapter),
            Condition::PathProgress { path, min_percent } => match path {
                Some(path) if *path != self.blueprint.path.id => match self.blueprint.foreign.paths.get(path) {
                    Some(name) => Ask::Free(Some(format!("the path “{name}”"))),
                    None => Ask::Never(Never::Unknown("path", *path)),
                },
                _ => Ask::Progress(self.least_for(*min_percent)),
            },
            Condition::XpEarned { scope: XpScope::Path, min } => Ask::Experience(i64::from(*min)),
            Condition::XpEarned { scope: XpScope::Service, .. } | Condition::SkillLevel { .. } => Ask::Free(None),
            Condition::NotBefore { at } => Ask::At(*at),
            Condition::DelayPathStarted { hours } => Ask::Started(*hours),
            Condition::Manual => Ask::Manual,
        }
    }

    fn ask_quest(&self, id: Uuid, hours: u32) -> Ask {
        if let Some(place) = self.index.quests.get(&id) {
            let quest = &self.blueprint.quests[*place];
            return if quest.is_active {
                Ask::Quest(*place, hours)
            } else {
                Ask::Never(Never::Draft(quest.title.clone()))
            };
        }
        match self.blueprint.foreign.quests.get(&id) {
            Some(quest) if quest.is_active => Ask::Free(Some(format!("the quest “{}”", quest.title))),
            Some(quest) => Ask::Never(Never::Draft(quest.title.clone())),
            None => Ask::Never(Never::Unknown("quest", id)),
        }
    }

    fn ask_grade(&self, id: Uuid, first_try: bool, below_percent: Option<Decimal>) -> Ask {
        let grade = |quest, outside| Ask::Grade { quest, outside, first_try, low: below_percent.is_some() };
        let place = self.index.assessments.get(&id);
        let ask = match (place, self.blueprint.foreign.assessments.get(&id)) {
            (Some(place), _) => self.ask_quest(self.blueprint.quests[*place].quest_id, 0),
            (None, None) => Ask::Never(Never::Unknown("assessment", id)),
            (None, Some(quest)) => match self.index.quests.get(quest) {
                Some(place) => Ask::Never(Never::Retired(self.blueprint.quests[*place].title.clone())),
                None => self.ask_quest(*quest, 0),
            },
        };
        match ask {
            Ask::Quest(place, _) if below_percent.is_some_and(|below| below <= Decimal::ZERO) => {
                // The grammar lets it through.
                Ask::Never(Never::BelowZero(self.blueprint.quests[place].title.clone()))
            }
            Ask::Quest(place, _) => grade(Some(place), None),
            Ask::Free(outside) => grade(None, outside),
            // Its quest need not be listed with it.
            Ask::Never(Never::Unknown("quest", _)) => grade(None, Some("an assessment of another path".to_owned())),
            never => never,
        }
    }

    fn ask_chapter(&self, id: Uuid) -> Ask {
        match self.index.chapters.get(&id) {
            Some(place) if self.members[*place].is_empty() => {
                Ask::Never(Never::NothingMandatory(self.blueprint.chapters[*place].title.clone()))
            }
            Some(place) => Ask::Chapter(*place),
            None => match self.blueprint.foreign.chapters.get(&id) {
                Some(path) => {
                    let name = self.blueprint.foreign.paths.get(path);
                    Ask::Free(Some(name.map_or_else(
                        || "a chapter of another path".to_owned(),
                        |name| format!("a chapter of the path “{name}”"),
                    )))
                }
                None => Ask::Never(Never::Unknown("chapter", id)),
            },
        }
    }

    /// The least number of mandatory quests that is so many percent of them.
    fn least_for(&self, min_percent: Decimal) -> usize {
        if self.mandatory == 0 {
            return usize::from(!min_percent.is_zero());
        }
        (min_percent * Decimal::from(self.mandatory) / Decimal::ONE_HUNDRED).ceil().to_usize().unwrap_or(usize::MAX)
    }

    /// Where a condition stands in the representation of the path.
    pub(super) fn pointer(&self, node: usize) -> String {
        match self.nodes[node].parent {
            Some((parent, place)) => format!("{}/of/{place}", self.pointer(parent)),
            None => "/unlockCriteria/when".to_owned(),
        }
    }

    /// The conditions of a quest.
    pub(super) fn span(&self, quest: usize) -> std::ops::Range<usize> {
        self.spans[quest].0..self.spans[quest].1
    }

    /// The conditions right in another one.
    pub(super) fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        let end = self.spans[self.nodes[node].quest].1;
        (node + 1..end).filter(move |inner| self.nodes[*inner].parent.is_some_and(|(parent, _)| parent == node))
    }
}
