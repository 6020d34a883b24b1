//! What is indexed, what is asked, and what is found.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::quests::model::{DifficultyLevel, Filter, QuestType, QuestWithMy, StepType};

/// Why nothing can be ranked now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Away {
    #[error("the embedder is away: {0}")]
    Embedder(String),
    /// It is there, and will have nothing to do with a text.
    #[error("the embedder refuses a text: {0}")]
    Refused(String),
    #[error("the index is away: {0}")]
    Index(String),
}

/// A quest as it is indexed.
#[derive(Debug, Clone)]
pub struct Document {
    pub id: Uuid,
    pub title: String,
    pub description: String,
    pub skill_tags: Vec<String>,
    pub steps: Vec<String>,
    pub payload: Payload,
}

/// What the engine filters by; kept beside the vectors.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    pub quest_type: QuestType,
    pub difficulty_level: DifficultyLevel,
    /// In small letters
    pub skill_tags: Vec<String>,
    pub step_types: Vec<StepType>,
    pub subject_id: Option<Uuid>,
    pub created_by: Uuid,
    pub is_active: bool,
    pub collaborative: bool,
    /// Published paths that it is in
    pub paths: Vec<Uuid>,
    /// Of the text: what has the same one is not embedded again
    #[serde(default)]
    pub text_hash: String,
}

/// What the index holds of a quest: is anything new, and is it the text?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub text: String,
    pub payload: String,
}

impl Document {
    /// The text that is embedded. Title and tags come first: a model looks at the beginning, and at no more than it can.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        if !self.skill_tags.is_empty() {
            text.push_str(&self.skill_tags.join(", "));
            text.push('\n');
        }
        text.push_str(&self.description);
        for step in &self.steps {
            text.push('\n');
            text.push_str(step);
        }
        text
    }

    /// The document with its hashes.
    #[must_use]
    pub fn hashed(mut self) -> (Self, Known) {
        // As queries are: PostgreSQL's lower() depends on its locale.
        self.payload.skill_tags = self.skill_tags.iter().map(|tag| tag.to_lowercase()).collect();
        self.payload.text_hash = digest(self.text().as_bytes());
        let known = Known { text: self.payload.text_hash.clone(), payload: self.payload.hash() };
        (self, known)
    }
}

impl Payload {
    /// Changes with anything in it.
    #[must_use]
    pub fn hash(&self) -> String {
        digest(json!(self).to_string().as_bytes())
    }
}

fn digest(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

/// A quest on its way into the index.
#[derive(Debug, Clone)]
pub struct Point {
    pub id: Uuid,
    /// Its words are indexed
    pub text: String,
    pub dense: Vec<f32>,
    pub payload: Payload,
}

/// A ranked list is asked for; what is left out does not take part.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub dense: Option<Vec<f32>>,
    pub words: Option<String>,
    pub filter: Filter,
    pub limit: usize,
}

/// Neighbours of a vector, unlike each other as far as `diversity` (0–1) says.
#[derive(Debug, Clone)]
pub struct Near {
    pub vector: Vec<f32>,
    pub without: Vec<Uuid>,
    pub diversity: f32,
    pub limit: usize,
}

/// A quest that an engine has found; the higher the score, the better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    pub id: Uuid,
    pub score: f32,
}

/// Where the words of a query were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    Title,
    Description,
    SkillTags,
    Steps,
    /// A title that is nearly written so
    SimilarTitle,
    /// No word, but what it is about
    Meaning,
}

/// A found quest.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    pub quest: QuestWithMy,
    /// For ordering within one answer; no scale
    pub score: f32,
    /// What has found it
    pub found_in: Vec<Part>,
    /// Pieces of the text; what was asked for stands between `<mark>` and `</mark>`, everything else is escaped for HTML
    pub highlights: Vec<Highlight>,
}

/// A piece of text in which the words of a query occur.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Highlight {
    pub part: Part,
    #[schema(example = "Loops that <mark>count</mark>")]
    pub text: String,
}

/// What a search has found, the best first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub items: Vec<Hit>,
    /// Index or embedder are away: the answer is by words only
    pub degraded: bool,
}
