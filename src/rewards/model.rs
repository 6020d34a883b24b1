//! What is paid, decided by pure functions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::{AttemptId, EventId, LearnerId, QuestId, StepId};
use crate::outbox::events::{Event, Objective, SkillPointsGranted, XpGranted};

/// Namespace of the ids of grants and unlocks; never to be changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f3c_2a51_7d0e_4c7b_9a6e_31f2_c5b8_04d7);

/// What kind of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Kind {
    /// Experience points.
    #[serde(rename = "XP")]
    Xp,
    SkillPoints,
}

impl Kind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Xp => "XP",
            Self::SkillPoints => "SkillPoints",
        }
    }
}

/// A skill reward of a quest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkillReward {
    /// Name of the skill, as the quest's author writes it
    #[serde(deserialize_with = "crate::tags::one")]
    #[schema(example = "pointers")]
    pub skill_tag: String,
    /// The User Service's id of the skill, once known
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub skill_id: Option<Uuid>,
    /// Points paid when the quest is completed
    #[schema(example = 40, minimum = 1)]
    pub points: i32,
}

/// What a completing call has earned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Earned {
    pub kind: Kind,
    #[schema(example = 20)]
    pub points: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub skill_tag: Option<String>,
}

/// A payment: unique per learner, objective, kind and skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: EventId,
    pub objective: Objective,
    pub objective_id: Uuid,
    pub kind: Kind,
    pub skill: Option<SkillReward>,
    pub points: i32,
}

impl Grant {
    fn new(
        learner: LearnerId,
        objective: Objective,
        objective_id: Uuid,
        kind: Kind,
        skill: Option<SkillReward>,
        points: i32,
    ) -> Option<Self> {
        let name = format!(
            "{}|{}|{}|{}",
            kind.as_str(),
            learner,
            objective_id,
            skill.as_ref().map(|skill| skill.skill_tag.to_lowercase()).unwrap_or_default()
        );
        let id = EventId(Uuid::new_v5(&NAMESPACE, name.as_bytes()));
        // Zero grants nothing: no row, no event.
        (points > 0).then_some(Self { id, objective, objective_id, kind, skill, points })
    }

    /// The event that announces it.
    #[must_use]
    pub fn event(&self, quest_id: QuestId, attempt_id: AttemptId) -> Event {
        let reward = XpGranted::new(self.objective, self.objective_id, self.points, quest_id, attempt_id);
        match &self.skill {
            None => Event::XpGranted(reward),
            Some(skill) => Event::SkillPointsGranted(SkillPointsGranted {
                skill_name: skill.skill_tag.clone(),
                skill_id: skill.skill_id,
                reward,
            }),
        }
    }

    /// As a completing call shows it.
    #[must_use]
    pub fn earned(&self) -> Earned {
        Earned {
            kind: self.kind,
            points: self.points,
            skill_tag: self.skill.as_ref().map(|skill| skill.skill_tag.clone()),
        }
    }
}

/// The id of an unlock's event: one per learner and quest.
#[must_use]
pub fn unlock_id(learner: LearnerId, quest: QuestId) -> EventId {
    EventId(Uuid::new_v5(&NAMESPACE, format!("Unlock|{learner}|{quest}|").as_bytes()))
}

/// What completing a step pays.
#[must_use]
pub fn grant_of_step(learner: LearnerId, step: StepId, experience_points: i32) -> Option<Grant> {
    Grant::new(learner, Objective::QuestStep, step.0, Kind::Xp, None, experience_points)
}

/// What completing a quest pays: experience first, then each skill.
#[must_use]
pub fn grants_of_quest(
    learner: LearnerId,
    quest: QuestId,
    experience_points: i32,
    skills: &[SkillReward],
) -> Vec<Grant> {
    let experience = Grant::new(learner, Objective::Quest, quest.0, Kind::Xp, None, experience_points);
    let skills = skills.iter().filter_map(|skill| {
        Grant::new(learner, Objective::Quest, quest.0, Kind::SkillPoints, Some(skill.clone()), skill.points)
    });
    experience.into_iter().chain(skills).collect()
}

/// The skill rewards that count: the explicit ones, or the quest's experience points split over its tags.
#[must_use]
pub fn effective_skill_rewards(explicit: &[SkillReward], tags: &[String], experience_points: i32) -> Vec<SkillReward> {
    if explicit.is_empty() { split(tags, experience_points) } else { explicit.to_vec() }
}

/// Adds the ids of skills that are known by their tags; one that the author has set stays. The id of a grant does not
/// depend on it.
#[must_use]
pub fn with_known_skills(mut rewards: Vec<SkillReward>, known: &BTreeMap<String, Uuid>) -> Vec<SkillReward> {
    for reward in &mut rewards {
        reward.skill_id = reward.skill_id.or_else(|| known.get(&reward.skill_tag).copied());
    }
    rewards
}

/// Splits points over the tags that differ in more than case: equal shares, what is left over
/// goes to the first ones (largest remainder; all remainders are equal, so order decides).
fn split(tags: &[String], points: i32) -> Vec<SkillReward> {
    let mut distinct: Vec<&String> = Vec::new();
    for tag in tags {
        if !distinct.iter().any(|known| known.to_lowercase() == tag.to_lowercase()) {
            distinct.push(tag);
        }
    }
    let Ok(count) = i32::try_from(distinct.len()) else { return Vec::new() };
    if count == 0 {
        return Vec::new();
    }
    let (share, left_over) = (points / count, points % count);
    (0..)
        .zip(distinct)
        .map(|(index, tag)| SkillReward {
            skill_tag: tag.clone(),
            skill_id: None,
            points: share + i32::from(index < left_over),
        })
        .filter(|reward| reward.points > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn points_are_split_by_largest_remainder_with_ties_by_order() {
        let split = split(&tags(&["c", "arrays", "loops"]), 200);
        assert_eq!(split.iter().map(|reward| reward.points).collect::<Vec<_>>(), [67, 67, 66]);
    }

    #[test]
    fn tags_that_differ_only_in_case_are_one() {
        let split = split(&tags(&["C", "c", "Arrays"]), 10);
        assert_eq!(
            split.iter().map(|reward| (reward.skill_tag.as_str(), reward.points)).collect::<Vec<_>>(),
            [("C", 5), ("Arrays", 5)]
        );
    }

    #[test]
    fn explicit_rewards_replace_the_split() {
        let explicit = [SkillReward { skill_tag: "loops".into(), skill_id: None, points: 3 }];
        assert_eq!(effective_skill_rewards(&explicit, &tags(&["c"]), 100), explicit);
    }

    #[test]
    fn zero_grants_nothing() {
        assert_eq!(grant_of_step(LearnerId::generate(), StepId::generate(), 0), None);
        assert_eq!(grants_of_quest(LearnerId::generate(), QuestId::generate(), 0, &[]), []);
    }

    #[test]
    fn a_known_skill_gives_its_id_unless_the_author_has_and_the_grant_stays_the_same() {
        let (learner, quest) = (LearnerId::generate(), QuestId::generate());
        let [known, own] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let reward = |tag: &str, skill_id| SkillReward { skill_tag: tag.into(), skill_id, points: 5 };
        let before = vec![reward("Loops", None), reward("c", Some(own)), reward("other", None)];
        let ids = BTreeMap::from([("Loops".to_owned(), known), ("c".to_owned(), known)]);
        let after = with_known_skills(before.clone(), &ids);
        assert_eq!(after.iter().map(|reward| reward.skill_id).collect::<Vec<_>>(), [Some(known), Some(own), None]);
        let grants = |rewards: &[SkillReward]| -> Vec<EventId> {
            grants_of_quest(learner, quest, 5, rewards).iter().map(|grant| grant.id).collect()
        };
        assert_eq!(grants(&before), grants(&after));
    }

    #[test]
    fn the_same_grant_has_the_same_id_and_another_one_another() {
        let (learner, quest) = (LearnerId::generate(), QuestId::generate());
        let skills = |tag: &str| [SkillReward { skill_tag: tag.into(), skill_id: None, points: 5 }];
        let first = grants_of_quest(learner, quest, 5, &skills("Loops"));
        let again = grants_of_quest(learner, quest, 9, &skills("loops"));
        assert_eq!(
            first.iter().map(|grant| grant.id).collect::<Vec<_>>(),
            again.iter().map(|grant| grant.id).collect::<Vec<_>>()
        );
        assert_ne!(first[0].id, first[1].id);
    }

    proptest! {
        #[test]
        fn a_split_loses_and_adds_nothing(names in prop::collection::vec("[a-zA-Z]{1,3}", 1..20), points in 0..1_000_000) {
            let split = split(&names, points);
            prop_assert_eq!(split.iter().map(|reward| reward.points).sum::<i32>(), points);
            let most = split.iter().map(|reward| reward.points).max().unwrap_or(0);
            let least = split.iter().map(|reward| reward.points).min().unwrap_or(0);
            prop_assert!(most - least <= 1);
        }
    }
}
