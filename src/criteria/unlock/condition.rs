//! Reads one condition, and those in it.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::numbers::PERCENT;
use super::super::reader::{Fields, Node};
use super::super::violation::Findings;
use super::{Condition, MAX_DEPTH, Try, XpScope};

/// Conditions in one list.
const MAX_OF: u32 = 32;
const MAX_TAG_CHARS: usize = 100;

/// What a condition is called on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    All,
    Any,
    AtLeast,
    QuestCompleted,
    ChapterCompleted,
    QuestScore,
    ScoreBand,
    PathProgress,
    XpEarned,
    SkillLevel,
    NotBefore,
    Delay,
    Manual,
}

impl Op {
    const ALL: [Self; 13] = [
        Self::All,
        Self::Any,
        Self::AtLeast,
        Self::QuestCompleted,
        Self::ChapterCompleted,
        Self::QuestScore,
        Self::ScoreBand,
        Self::PathProgress,
        Self::XpEarned,
        Self::SkillLevel,
        Self::NotBefore,
        Self::Delay,
        Self::Manual,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::AtLeast => "atLeast",
            Self::QuestCompleted => "questCompleted",
            Self::ChapterCompleted => "chapterCompleted",
            Self::QuestScore => "questScore",
            Self::ScoreBand => "scoreBand",
            Self::PathProgress => "pathProgress",
            Self::XpEarned => "xpEarned",
            Self::SkillLevel => "skillLevel",
            Self::NotBefore => "notBefore",
            Self::Delay => "delay",
            Self::Manual => "manual",
        }
    }
}

/// What a delay counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    PathStarted,
    QuestCompleted,
}

impl Since {
    const ALL: [Self; 2] = [Self::PathStarted, Self::QuestCompleted];

    const fn as_str(self) -> &'static str {
        match self {
            Self::PathStarted => "pathStarted",
            Self::QuestCompleted => "questCompleted",
        }
    }
}

impl Condition {
    /// The name of the condition on the wire.
    pub const fn op(&self) -> &'static str {
        let op = match self {
            Self::All(_) => Op::All,
            Self::Any(_) => Op::Any,
            Self::AtLeast { .. } => Op::AtLeast,
            Self::QuestCompleted { .. } => Op::QuestCompleted,
            Self::ChapterCompleted { .. } => Op::ChapterCompleted,
            Self::QuestScore { .. } => Op::QuestScore,
            Self::ScoreBand { .. } => Op::ScoreBand,
            Self::PathProgress { .. } => Op::PathProgress,
            Self::XpEarned { .. } => Op::XpEarned,
            Self::SkillLevel { .. } => Op::SkillLevel,
            Self::NotBefore { .. } => Op::NotBefore,
            Self::DelayPathStarted { .. } | Self::DelayQuestCompleted { .. } => Op::Delay,
            Self::Manual => Op::Manual,
        };
        op.as_str()
    }

    /// Reads a condition that is in `depth - 1` others, and counts it and those in it.
    pub(super) fn read(node: &Node, depth: usize, nodes: &mut usize, found: &mut Findings) -> Option<Self> {
        *nodes += 1;
        if depth > MAX_DEPTH {
            return node.fault(format!("is too deep; at most {MAX_DEPTH} conditions may be in each other"), found);
        }
        let fields = node.fields(found)?;
        let op = fields.required("op", found)?.choice(&Op::ALL, Op::as_str, found)?;
        let mut only = |own: &[&str]| fields.only(&["op"], own, found);
        match op {
            Op::All | Op::Any => {
                only(&["of"]);
                let of = Self::read_list(&fields, depth, nodes, found)?;
                Some(if op == Op::All { Self::All(of) } else { Self::Any(of) })
            }
            Op::AtLeast => {
                only(&["n", "of"]);
                Self::read_at_least(&fields, depth, nodes, found)
            }
            Op::QuestCompleted => {
                only(&["questId"]);
                Some(Self::QuestCompleted { quest: id(&fields, "questId", found)? })
            }
            Op::ChapterCompleted => {
                only(&["chapterId"]);
                Some(Self::ChapterCompleted { chapter: id(&fields, "chapterId", found)? })
            }
            Op::QuestScore => {
                only(&["questId", "minPercent"]);
                let quest = id(&fields, "questId", found);
                let min_percent = fields.percent("minPercent", found);
                Some(Self::QuestScore { quest: quest?, min_percent: min_percent? })
            }
            Op::ScoreBand => {
                only(&["assessmentId", "which", "minPercent", "belowPercent"]);
                Self::read_band(node, &fields, found)
            }
            Op::PathProgress => {
                only(&["pathId", "minPercent"]);
                let path = fields.optional("pathId").and_then(|node| node.uuid(found));
                Some(Self::PathProgress { path, min_percent: fields.percent("minPercent", found)? })
            }
            Op::XpEarned => {
                only(&["scope", "min"]);
                let scope =
                    fields.optional("scope").and_then(|node| node.choice(&XpScope::ALL, XpScope::as_str, found));
                let min = fields.required("min", found)?.integer(1..=10_000_000, found)?;
                Some(Self::XpEarned { scope: scope.unwrap_or_default(), min })
            }
            Op::SkillLevel => {
                only(&["skillTag", "minLevel"]);
                let skill_tag = fields.required("skillTag", found).and_then(|node| read_tag(&node, found));
                let min_level = fields.required("minLevel", found)?.integer(1..=1000, found);
                Some(Self::SkillLevel { skill_tag: skill_tag?, min_level: min_level? })
            }
            Op::NotBefore => {
                only(&["at"]);
                Some(Self::NotBefore { at: fields.required("at", found)?.time(found)? })
            }
            Op::Delay => Self::read_delay(&fields, found),
            Op::Manual => {
                only(&[]);
                Some(Self::Manual)
            }
        }
    }

    fn read_list(fields: &Fields, depth: usize, nodes: &mut usize, found: &mut Findings) -> Option<Vec<Self>> {
        let each = |node: &Node, found: &mut Findings| Self::read(node, depth + 1, nodes, found);
        fields.required("of", found)?.list(1..=MAX_OF as usize, found, each)
    }

    fn read_at_least(fields: &Fields, depth: usize, nodes: &mut usize, found: &mut Findings) -> Option<Self> {
        let number = fields.required("n", found);
        let n = number.as_ref().and_then(|node| node.integer(1..=MAX_OF, found));
        let of = Self::read_list(fields, depth, nodes, found);
        // By what stands there, not by what could be read: one more fault in the list says nothing about n.
        let length = fields.optional("of").map_or(0, |node| node.elements().count());
        if let (Some(number), Some(n)) = (number, n)
            && length > 0
            && n as usize > length
        {
            return number.fault(format!("must not be more than the {length} conditions in of"), found);
        }
        Some(Self::AtLeast { n: n?, of: of? })
    }

    fn read_band(node: &Node, fields: &Fields, found: &mut Findings) -> Option<Self> {
        let assessment = id(fields, "assessmentId", found);
        let which = fields.required("which", found).and_then(|node| node.choice(&Try::ALL, Try::as_str, found));
        let (from, to) = (fields.optional("minPercent"), fields.optional("belowPercent"));
        if from.is_none() && to.is_none() {
            return node.fault("must have minPercent, belowPercent or both", found);
        }
        let min_percent = from.as_ref().and_then(|node| node.number(PERCENT, found));
        let below_percent = to.as_ref().and_then(|node| node.number(PERCENT, found));
        if let Some(to) = to {
            // The best grade grows: a band that it can leave again would not be monotone.
            if which == Some(Try::Best) {
                to.fault::<()>("is only for the first try", found);
            }
            // A minimum that is there but could not be read is no minimum of 0.
            let least = if from.is_some() { min_percent } else { Some(Decimal::ZERO) };
            if least.zip(below_percent).is_some_and(|(least, below)| below <= least) {
                to.fault::<()>("must be more than minPercent, which is 0 when left out", found);
            }
        }
        Some(Self::ScoreBand { assessment: assessment?, which: which?, min_percent, below_percent })
    }

    fn read_delay(fields: &Fields, found: &mut Findings) -> Option<Self> {
        let hours = fields.required("hours", found).and_then(|node| node.integer(1..=8760, found));
        match fields.required("since", found)?.choice(&Since::ALL, Since::as_str, found)? {
            Since::PathStarted => {
                fields.only(&["op"], &["since", "hours"], found);
                Some(Self::DelayPathStarted { hours: hours? })
            }
            Since::QuestCompleted => {
                fields.only(&["op"], &["since", "questId", "hours"], found);
                let quest = id(fields, "questId", found)?;
                Some(Self::DelayQuestCompleted { quest, hours: hours? })
            }
        }
    }
}

fn id(fields: &Fields, name: &str, found: &mut Findings) -> Option<Uuid> {
    fields.required(name, found)?.uuid(found)
}

fn read_tag(node: &Node, found: &mut Findings) -> Option<String> {
    let tag = node.visible(found)?;
    if tag.chars().count() > MAX_TAG_CHARS {
        return node.fault(format!("must have at most {MAX_TAG_CHARS} characters"), found);
    }
    Some(tag)
}
