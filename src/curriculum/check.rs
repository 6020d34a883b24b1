//! What can be said of a file without the database; pure.

use std::collections::{HashMap, HashSet};

use super::file::{Curriculum, FilePath, FileQuest};
use crate::config::ContentLimits;
use crate::criteria::read_assessment;
use crate::http::FieldError;
use crate::http::validate::Checks;
use crate::learning_paths::http::{check_chapter, check_path};
use crate::quests::http::{check_quest, check_resource, check_rewards, check_step};
use crate::quests::model::StepType;

/// Everything at fault, each with its pointer into the file.
pub fn check(file: &Curriculum, limits: &ContentLimits) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (quests, most) = (file.quests.len(), limits.max_curriculum_quests);
    if quests > most {
        errors.push(FieldError::new("/quests", format!("must have at most {most} items, it has {quests}")));
        return errors;
    }
    unique(file.quests.iter().map(|quest| quest.key.as_str()), "/quests", "key", &mut errors);
    unique(file.learning_paths.iter().map(|path| path.key.as_str()), "/learningPaths", "key", &mut errors);
    for (index, each) in file.quests.iter().enumerate() {
        quest(each, limits, &format!("/quests/{index}"), &mut errors);
    }
    for (index, each) in file.learning_paths.iter().enumerate() {
        path(each, limits, &format!("/learningPaths/{index}"), &mut errors);
    }
    errors
}

fn quest(quest: &FileQuest, limits: &ContentLimits, at: &str, errors: &mut Vec<FieldError>) {
    errors.extend(check_quest(&quest.input(), limits).under(at));
    errors.extend(
        check_rewards(&quest.skill_rewards, limits)
            .under(at)
            .map(|error| FieldError { pointer: error.pointer.replacen("/rewards", "/skillRewards", 1), ..error }),
    );
    most(quest.prerequisites.len(), limits.max_prerequisites, at, "prerequisites", errors);
    unique(quest.prerequisites.iter().map(String::as_str), &format!("{at}/prerequisites"), "", errors);
    if let Some(index) = quest.prerequisites.iter().position(|key| *key == quest.key) {
        errors.push(FieldError::new(format!("{at}/prerequisites/{index}"), "must be another quest"));
    }
    most(quest.steps.len(), usize::try_from(limits.max_steps).unwrap_or_default(), at, "steps", errors);
    most(quest.resources.len(), usize::try_from(limits.max_resources).unwrap_or_default(), at, "resources", errors);
    most(quest.assessments.len(), limits.max_assessments, at, "assessments", errors);
    unique(quest.steps.iter().map(|step| step.key.as_str()), &format!("{at}/steps"), "key", errors);
    unique(quest.resources.iter().map(|each| each.key.as_str()), &format!("{at}/resources"), "key", errors);
    unique(quest.assessments.iter().map(|each| each.key.as_str()), &format!("{at}/assessments"), "key", errors);
    for (index, step) in quest.steps.iter().enumerate() {
        errors.extend(check_step(&step.input(), limits).under(&format!("{at}/steps/{index}")));
        if quest.is_active && step.step_type == StepType::Coding && step.validation_criteria.is_none() {
            let detail = "a Coding step of an active quest needs it: only a grader completes the step";
            errors.push(FieldError::new(format!("{at}/steps/{index}/validationCriteria"), detail));
        }
    }
    for (index, resource) in quest.resources.iter().enumerate() {
        errors.extend(check_resource(&resource.input(), limits).under(&format!("{at}/resources/{index}")));
    }
    for (index, assessment) in quest.assessments.iter().enumerate() {
        let mut checks = Checks::default();
        checks.key("/key", &assessment.key);
        let (configuration, passing) = (&assessment.configuration, &assessment.passing_criteria);
        if let Err(violations) = read_assessment(Some(assessment.assessment_type), configuration, passing) {
            checks.extend(violations.into_iter().map(FieldError::from));
        }
        errors.extend(checks.under(&format!("{at}/assessments/{index}")));
    }
    if quest.is_active && quest.units() == 0 {
        let detail = "an active quest needs a mandatory step or an assessment";
        errors.push(FieldError::new(format!("{at}/isActive"), detail));
    }
}

fn path(path: &FilePath, limits: &ContentLimits, at: &str, errors: &mut Vec<FieldError>) {
    errors.extend(check_path(&path.input(), limits).under(at));
    most(path.chapters.len(), usize::try_from(limits.max_chapters).unwrap_or_default(), at, "chapters", errors);
    most(path.quests.len(), limits.max_path_quests, at, "quests", errors);
    unique(path.chapters.iter().map(|chapter| chapter.key.as_str()), &format!("{at}/chapters"), "key", errors);
    unique(path.quests.iter().map(|place| place.quest.as_str()), &format!("{at}/quests"), "quest", errors);
    for (index, chapter) in path.chapters.iter().enumerate() {
        errors.extend(check_chapter(&chapter.input()).under(&format!("{at}/chapters/{index}")));
    }
    let chapters: HashSet<&str> = path.chapters.iter().map(|chapter| chapter.key.as_str()).collect();
    for (index, place) in path.quests.iter().enumerate() {
        if place.chapter.as_deref().is_some_and(|chapter| !chapters.contains(chapter)) {
            let pointer = format!("{at}/quests/{index}/chapter");
            errors.push(FieldError::new(pointer, "is no chapter of this path"));
        }
    }
}

fn most(have: usize, most: usize, at: &str, field: &str, errors: &mut Vec<FieldError>) {
    if have > most {
        errors.push(FieldError::new(format!("{at}/{field}"), format!("must have at most {most} items, it has {have}")));
    }
}

/// Every key that stands there already.
fn unique<'a>(keys: impl Iterator<Item = &'a str>, at: &str, field: &str, errors: &mut Vec<FieldError>) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, key) in keys.enumerate() {
        let first = *seen.entry(key).or_insert(index);
        if first != index {
            let below = if field.is_empty() { String::new() } else { format!("/{field}") };
            errors.push(FieldError::new(format!("{at}/{index}{below}"), format!("stands at {first} already")));
        }
    }
}
