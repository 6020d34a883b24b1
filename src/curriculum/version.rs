//! A curriculum version of the User Service, or of a file of the same shape, becomes a curriculum file: a
//! draft path with a chapter per semester and a quest per subject. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use self::words::resolve;
use super::file::{Curriculum, FileChapter, FilePath, FilePlace, FileQuest, FileResource, FileStep};
use crate::criteria::Violation;
use crate::learning_paths::model::{PathStatus, PathType};
use crate::quests::model::{DifficultyLevel, QuestType, ResourceType, StepType};

mod words;

/// Sessions of a syllabus that make one weekly step, where nobody says otherwise.
pub const SESSIONS_PER_WEEK: u32 = 6;
/// Hours of study that a credit stands for where no syllabus says.
const HOURS_PER_CREDIT: i32 = 50;
/// Experience points of a quest for each credit; a subject without credits pays those of one.
const POINTS_PER_CREDIT: i32 = 100;
/// Experience points of a weekly step.
const POINTS_PER_WEEK: i32 = 10;

/// How a path is built.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    pub curriculum_version_id: Option<Uuid>,
    pub sessions_per_week: u32,
}

/// A programme with its subjects; of what else it holds nothing is needed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CurriculumVersion {
    curriculum_code: String,
    name: String,
    #[serde(default)]
    english_name: Option<String>,
    #[serde(default)]
    subjects: Vec<Subject>,
    #[serde(default)]
    syllabi: Vec<Syllabus>,
}

#[derive(Debug, Clone, Deserialize)]
struct Subject {
    /// Of the User Service, where it gives one.
    #[serde(default)]
    id: Option<Uuid>,
    code: String,
    name: String,
    #[serde(default)]
    semester: i32,
    #[serde(default)]
    credits: Option<i32>,
    #[serde(default)]
    prerequisites: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Syllabus {
    subject_code: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    time_allocation: Option<TimeAllocation>,
    #[serde(default)]
    materials: Vec<Material>,
    #[serde(default)]
    sessions: Vec<Session>,
    #[serde(default)]
    constructive_questions: Vec<Question>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeAllocation {
    #[serde(default, alias = "totalStudyHours")]
    study_hours: Option<i32>,
}

#[derive(Debug, Clone, Deserialize)]
struct Material {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    url: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    #[serde(rename = "session")]
    number: i32,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    los: Option<Vec<String>>,
    #[serde(default)]
    student_materials: Option<String>,
    #[serde(default)]
    student_tasks: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    session_no: i32,
    #[serde(default)]
    details: Option<String>,
}

impl CurriculumVersion {
    /// Reads what the User Service answers; fields that are not needed may be anything.
    ///
    /// # Errors
    /// What does not fit, and where.
    pub fn read(document: Value) -> Result<Self, String> {
        serde_path_to_error::deserialize(document).map_err(|error| error.to_string())
    }

    /// Adds a syllabus that comes in a file of its own.
    ///
    /// # Errors
    /// What does not fit, and where; a syllabus of no subject, or a second one of a subject.
    pub fn with_syllabus(mut self, document: Value) -> Result<Self, String> {
        let syllabus: Syllabus = serde_path_to_error::deserialize(document).map_err(|error| error.to_string())?;
        let code = &syllabus.subject_code;
        if !self.subjects.iter().any(|subject| subject.code == *code) {
            return Err(format!("subjectCode: the curriculum version has no subject {code}"));
        }
        if self.syllabi.iter().any(|known| known.subject_code == *code) {
            return Err(format!("subjectCode: {code} has a syllabus already"));
        }
        self.syllabi.push(syllabus);
        Ok(self)
    }
}

fn fault(pointer: &str, detail: String) -> Violation {
    Violation { pointer: pointer.to_owned(), detail }
}

impl Build {
    /// What can be said of it before there is a version.
    ///
    /// # Errors
    /// When the sessions per week are out of range.
    pub fn check(self) -> Result<Self, Violation> {
        if (1..=20).contains(&self.sessions_per_week) {
            return Ok(self);
        }
        Err(fault("/sessionsPerWeek", format!("must be 1 to 20, it is {}", self.sessions_per_week)))
    }
}

/// Builds the file.
///
/// # Errors
/// When the version has no subjects or one code twice.
pub fn build(version: &CurriculumVersion, how: Build) -> Result<Curriculum, Violation> {
    if version.subjects.is_empty() {
        return Err(fault("/curriculumVersionId", "the curriculum version has no subjects".to_owned()));
    }
    let programme = slug(&version.curriculum_code, 24);
    let mut keys: BTreeMap<&str, String> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for subject in &version.subjects {
        let mut key = format!("{programme}-{}", slug(&subject.code, 32));
        while !taken.insert(key.clone()) {
            key.push('x');
        }
        if keys.insert(&subject.code, key).is_some() {
            return Err(fault("/curriculumVersionId", format!("subject {} stands there twice", subject.code)));
        }
    }
    let syllabi: HashMap<&str, &Syllabus> =
        version.syllabi.iter().map(|syllabus| (syllabus.subject_code.as_str(), syllabus)).collect();
    let mut subjects: Vec<&Subject> = version.subjects.iter().collect();
    subjects.sort_by_key(|subject| subject.semester);
    let semesters: BTreeSet<i32> = subjects.iter().map(|subject| subject.semester).collect();
    let quests: Vec<FileQuest> = subjects
        .iter()
        .map(|subject| quest(subject, syllabi.get(subject.code.as_str()).copied(), &keys, how))
        .collect();
    let places = subjects.iter().map(|subject| FilePlace {
        quest: keys[subject.code.as_str()].clone(),
        chapter: Some(chapter_key(subject.semester)),
        difficulty_level: level(subject.semester),
        is_mandatory: true,
        unlock_criteria: None,
    });
    let chapters = semesters.iter().map(|semester| FileChapter {
        key: chapter_key(*semester),
        title: format!("Semester {semester}"),
        status: PathStatus::NotStarted,
        start_date: None,
        end_date: None,
    });
    let name = version.english_name.as_ref().filter(|name| !name.trim().is_empty()).unwrap_or(&version.name);
    let minutes: i64 = quests.iter().filter_map(|quest| quest.estimated_duration_minutes.map(i64::from)).sum();
    let path = FilePath {
        key: programme,
        name: cut(name, 255),
        description: format!("{name} ({}): {} subjects.", version.curriculum_code, subjects.len()),
        path_type: PathType::Specialization,
        curriculum_version_id: how.curriculum_version_id,
        estimated_total_duration_hours: i32::try_from(minutes / 60).ok(),
        is_published: false,
        chapters: chapters.collect(),
        quests: places.collect(),
    };
    Ok(Curriculum { schema: None, v: 1, quests, learning_paths: vec![path] })
}

fn chapter_key(semester: i32) -> String {
    slug(&format!("semester-{semester}"), 64)
}

/// Later semesters are harder; nothing else says so.
const fn level(semester: i32) -> DifficultyLevel {
    match semester {
        i32::MIN..=2 => DifficultyLevel::Beginner,
        3..=5 => DifficultyLevel::Intermediate,
        6..=7 => DifficultyLevel::Advanced,
        _ => DifficultyLevel::Expert,
    }
}

fn quest(subject: &Subject, syllabus: Option<&Syllabus>, keys: &BTreeMap<&str, String>, how: Build) -> FileQuest {
    let credits = subject.credits.unwrap_or(0).max(0);
    let (needed, left_over) = subject.prerequisites.as_deref().map_or_else(Default::default, |words| {
        let known: BTreeSet<&str> = keys.keys().copied().filter(|code| *code != subject.code).collect();
        resolve(words, &known)
    });
    let hours = syllabus
        .and_then(|syllabus| syllabus.time_allocation.as_ref()?.study_hours)
        .unwrap_or(credits.saturating_mul(HOURS_PER_CREDIT));
    let counted = if credits == 1 { "1 credit".to_owned() } else { format!("{credits} credits") };
    let mut description = format!("{} ({}), semester {}, {counted}.", subject.name, subject.code, subject.semester);
    if let Some(text) = syllabus.and_then(|syllabus| syllabus.description.as_deref()) {
        let _ = write!(description, "\n\n{text}");
    }
    let steps = match syllabus.filter(|syllabus| !syllabus.sessions.is_empty()) {
        Some(syllabus) => weeks(syllabus, how.sessions_per_week),
        None => vec![FileStep {
            key: "study".to_owned(),
            title: cut(&format!("Work through {}", subject.name), 255),
            description: "Follow the subject until its end.".to_owned(),
            step_type: StepType::Reading,
            content: None,
            validation_criteria: None,
            experience_points: POINTS_PER_WEEK,
            is_optional: false,
        }],
    };
    FileQuest {
        key: keys[subject.code.as_str()].clone(),
        title: cut(&format!("{}: {}", subject.code, subject.name), 255),
        description,
        quest_type: QuestType::Exploration,
        difficulty_level: level(subject.semester),
        estimated_duration_minutes: Some(hours.max(0).saturating_mul(60).min(100_000)),
        experience_points_reward: credits.max(1).saturating_mul(POINTS_PER_CREDIT).min(100_000),
        skill_tags: vec![cut(&subject.code, 64)],
        subject_id: subject.id,
        is_active: false,
        prerequisites: needed.into_iter().filter_map(|code| keys.get(code.as_str()).cloned()).collect(),
        unresolved_prerequisites: left_over.into_iter().map(|words| cut(&words, 500)).collect(),
        skill_rewards: Vec::new(),
        steps,
        resources: syllabus.map(resources).unwrap_or_default(),
        assessments: Vec::new(),
    }
}

/// One step for each week's sessions.
fn weeks(syllabus: &Syllabus, per_week: u32) -> Vec<FileStep> {
    let mut sessions: Vec<&Session> = syllabus.sessions.iter().collect();
    sessions.sort_by_key(|session| session.number);
    let weeks = sessions.chunks(usize::try_from(per_week).unwrap_or(usize::MAX)).enumerate();
    weeks.map(|(index, sessions)| week(index + 1, sessions, &syllabus.constructive_questions)).collect()
}

fn week(number: usize, sessions: &[&Session], questions: &[Question]) -> FileStep {
    let topic = |session: &Session| one_line(session.topic.as_deref().unwrap_or("(no topic)"));
    let topics: Vec<String> = sessions.iter().map(|session| topic(session)).collect();
    let mut body = String::new();
    for session in sessions {
        let _ = writeln!(body, "## Session {}: {}\n", session.number, topic(session));
        let outcomes = session.los.as_deref().unwrap_or_default().join(", ");
        let materials = session.student_materials.as_deref().map(one_line).unwrap_or_default();
        let tasks = session.student_tasks.as_deref().map(one_line).unwrap_or_default();
        for (name, text) in [("Outcomes", outcomes), ("Materials", materials), ("Tasks", tasks)] {
            if !text.is_empty() {
                let _ = writeln!(body, "- {name}: {text}");
            }
        }
        let asked = questions.iter().filter(|question| question.session_no == session.number);
        for question in asked.filter_map(|question| question.details.as_deref()) {
            let _ = writeln!(body, "- Question: {}", one_line(question));
        }
        body.push('\n');
    }
    FileStep {
        key: format!("week-{number:02}"),
        title: cut(&format!("Week {number}: {}", topics.first().map_or("", String::as_str)), 255),
        description: cut(&topics.join("; "), 2_000),
        step_type: StepType::Reading,
        content: Some(json!({ "format": "markdown", "body": body.trim_end() })),
        validation_criteria: Some(json!({ "v": 1, "type": "Reading", "requireAck": true })),
        experience_points: POINTS_PER_WEEK,
        is_optional: false,
    }
}

/// Materials with an address become links.
fn resources(syllabus: &Syllabus) -> Vec<FileResource> {
    let web = |url: &&str| url.starts_with("https://") || url.starts_with("http://");
    let with_url = syllabus.materials.iter().filter_map(|material| {
        let url = material.url.as_deref().map(str::trim).filter(web)?;
        Some((material, url))
    });
    with_url
        .enumerate()
        .map(|(index, (material, url))| FileResource {
            key: format!("material-{}", index + 1),
            resource_type: ResourceType::Link,
            title: cut(material.description.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or(url), 255),
            description: material.author.clone(),
            url: Some(url.to_owned()),
            file_path: None,
            metadata: None,
        })
        .collect()
}

/// A key made of any text.
fn slug(text: &str, most: usize) -> String {
    let mut made = String::new();
    for letter in text.to_lowercase().chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            made.push(letter);
        } else if !made.ends_with('-') {
            made.push('-');
        }
    }
    let made: String = made.trim_matches(['-', '_']).chars().take(most).collect();
    let made = made.trim_end_matches(['-', '_']).to_owned();
    if made.is_empty() { "x".to_owned() } else { made }
}

fn cut(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_of_any_code() {
        assert_eq!(slug("PHE_COM*1", 32), "phe_com-1");
        assert_eq!(slug("Cơ sở", 32), "c-s");
        assert_eq!(slug("***", 32), "x");
        assert!(slug(&"a".repeat(99), 32).len() == 32);
    }
}
