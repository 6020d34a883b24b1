//! Checks of what authors write.

use std::collections::HashSet;

use serde_json::Value;

use crate::config::ContentLimits;
use crate::criteria::ValidationCriteria;
use crate::http::FieldError;
use crate::http::validate::Checks;
use crate::quests::model::{QuestInput, ResourceInput, StepInput};
use crate::rewards::SkillReward;
use crate::tags;

/// Every field at fault.
#[must_use]
pub fn check_quest(input: &QuestInput, limits: &ContentLimits) -> Checks {
    let mut checks = Checks::default();
    checks.optional_key(input.key.as_deref());
    checks.text("/title", &input.title, 1, 255);
    checks.text("/description", &input.description, 1, limits.max_text_chars);
    if let Some(minutes) = input.estimated_duration_minutes {
        checks.range("/estimatedDurationMinutes", minutes, 0, limits.max_duration_minutes);
    }
    checks.range("/experiencePointsReward", input.experience_points_reward, 0, limits.max_experience_points);
    checks.require(
        input.skill_tags.len() <= limits.max_skill_tags,
        "/skillTags",
        format!("must have at most {} items", limits.max_skill_tags),
    );
    let mut seen = HashSet::new();
    for (index, tag) in input.skill_tags.iter().enumerate() {
        let pointer = format!("/skillTags/{index}");
        checks.text(&pointer, tag, 1, limits.max_skill_tag_chars);
        checks.require(seen.insert(tags::tidy(tag).to_lowercase()), &pointer, "stands there already");
    }
    let most = limits.max_prerequisites;
    checks.require(
        input.unresolved_prerequisites.len() <= most,
        "/unresolvedPrerequisites",
        format!("must have at most {most} items"),
    );
    for (index, words) in input.unresolved_prerequisites.iter().enumerate() {
        checks.text(&format!("/unresolvedPrerequisites/{index}"), words, 1, 500);
    }
    checks
}

/// Every field at fault, those of the criteria included.
#[must_use]
pub fn check_step(input: &StepInput, limits: &ContentLimits) -> Checks {
    let mut checks = Checks::default();
    checks.optional_key(input.key.as_deref());
    checks.text("/title", &input.title, 1, 255);
    checks.text("/description", &input.description, 1, limits.max_text_chars);
    checks.range("/experiencePoints", input.experience_points, 0, limits.max_experience_points);
    if let Some(content) = &input.content {
        checks.document("/content", content, limits.max_document_bytes);
    }
    if let Some(criteria) = &input.validation_criteria {
        match ValidationCriteria::parse(criteria) {
            Ok(criteria) => checks.require(
                criteria.kind() == input.step_type,
                "/validationCriteria/type",
                format!("must be the step's type, {}", input.step_type.as_str()),
            ),
            Err(violations) => checks.extend(violations.into_iter().map(|violation| {
                FieldError::new(format!("/validationCriteria{}", violation.pointer), violation.detail)
            })),
        }
    }
    checks
}

/// Every field at fault.
#[must_use]
pub fn check_resource(input: &ResourceInput, limits: &ContentLimits) -> Checks {
    let mut checks = Checks::default();
    checks.optional_key(input.key.as_deref());
    checks.text("/title", &input.title, 1, 255);
    if let Some(description) = &input.description {
        checks.text("/description", description, 0, limits.max_text_chars);
    }
    if let Some(url) = &input.url {
        checks.text("/url", url, 1, 2_048);
        let web = url.starts_with("https://") || url.starts_with("http://");
        let fit = web && url.parse::<axum::http::Uri>().is_ok_and(|uri| uri.host().is_some());
        checks.require(fit, "/url", "must be an http or https address");
    }
    if let Some(path) = &input.file_path {
        checks.text("/filePath", path, 1, 1_024);
    }
    checks.require(input.url.is_some() || input.file_path.is_some(), "/url", "url or filePath is needed");
    if let Some(metadata) = &input.metadata {
        checks.document("/metadata", metadata, limits.max_document_bytes);
    }
    if let Some(order) = input.display_order {
        checks.range("/displayOrder", order, 0, 1_000_000);
    }
    checks
}

/// Every field at fault.
#[must_use]
pub fn check_rewards(rewards: &[SkillReward], limits: &ContentLimits) -> Checks {
    let mut checks = Checks::default();
    checks.require(
        rewards.len() <= limits.max_skill_tags,
        "/rewards",
        format!("must have at most {} items", limits.max_skill_tags),
    );
    let mut seen = HashSet::new();
    for (index, reward) in rewards.iter().enumerate() {
        let pointer = format!("/rewards/{index}/skillTag");
        checks.text(&pointer, &reward.skill_tag, 1, limits.max_skill_tag_chars);
        checks.require(seen.insert(tags::tidy(&reward.skill_tag).to_lowercase()), &pointer, "stands there already");
        checks.range(&format!("/rewards/{index}/points"), reward.points, 1, limits.max_experience_points);
    }
    checks
}

/// JSON null of a document is nothing.
pub(super) fn nothing_if_null(document: &mut Option<Value>) {
    if document.as_ref().is_some_and(Value::is_null) {
        *document = None;
    }
}
