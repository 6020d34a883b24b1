//! The index of quests by words and by meaning: in this process, or a server.
#![cfg_attr(not(feature = "semantic"), allow(dead_code, reason = "a build without engines"))]

use std::collections::HashMap;
use std::fmt::Debug;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::model::{Away, Known, Near, Payload, Point, Query, Ranked};
use crate::quests::model::Filter;

#[cfg(feature = "semantic")]
mod edge;
#[cfg(feature = "semantic")]
mod server;
#[cfg(feature = "semantic")]
mod words;

#[cfg(feature = "semantic")]
pub use edge::Edge;
#[cfg(feature = "semantic")]
pub use server::Server;

/// Names of the vectors: of the meaning, and of the words (BM25).
const MEANING: &str = "meaning";
const WORDS: &str = "words";
/// Candidates of each list that takes part in a fusion.
const CANDIDATES: usize = 100;
/// The constant of reciprocal rank fusion.
const RRF_K: usize = 60;
/// What each list counts in a fusion: meaning finds far more than words do (`make bench-search`).
const MEANING_WEIGHT: f32 = 3.0;
const WORDS_WEIGHT: f32 = 1.0;

/// A vector index: one collection for each model and size of vectors.
pub trait VectorIndex: Debug + Send + Sync {
    /// Whether each process has one of its own.
    fn is_local(&self) -> bool;

    /// Makes the collection unless it is there; everything else speaks of the one that was prepared last.
    fn prepare(&self, collection: &str, size: usize) -> BoxFuture<'_, Result<(), Away>>;

    /// Deletes the collection.
    fn forget(&self, collection: &str) -> BoxFuture<'_, Result<(), Away>>;

    /// What it holds.
    fn known(&self) -> BoxFuture<'_, Result<HashMap<Uuid, Known>, Away>>;

    /// Adds quests, or overwrites them.
    fn put(&self, points: Vec<Point>) -> BoxFuture<'_, Result<(), Away>>;

    /// Overwrites what is beside the vectors.
    fn annotate(&self, payloads: Vec<(Uuid, Payload)>) -> BoxFuture<'_, Result<(), Away>>;

    /// Takes quests away.
    fn remove(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Result<(), Away>>;

    /// What has been written lasts, and is quick to find.
    fn settle(&self) -> BoxFuture<'_, Result<(), Away>>;

    /// Ranks quests by words and meaning, in one request: the lists are fused in the engine.
    fn search(&self, query: Query) -> BoxFuture<'_, Result<Vec<Ranked>, Away>>;

    /// Active quests with vectors like this one, in one request: the engine keeps them apart (MMR).
    fn near(&self, near: Near) -> BoxFuture<'_, Result<Vec<Ranked>, Away>>;

    /// The vectors of the meaning of these quests.
    fn vectors(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Result<HashMap<Uuid, Vec<f32>>, Away>>;
}

/// What a field of the payload has to be.
#[derive(Debug, Clone)]
enum Must {
    Word(String),
    Flag(bool),
}

/// The fields that filters ask for.
const FIELDS: [(&str, bool); 8] = [
    ("questType", false),
    ("difficultyLevel", false),
    ("skillTags", false),
    ("stepTypes", false),
    ("subjectId", false),
    ("createdBy", false),
    ("isActive", true),
    ("collaborative", true),
];

fn conditions(filter: &Filter) -> Vec<(&'static str, Must)> {
    let word = |name: &'static str, word: Option<String>| word.map(|word| (name, Must::Word(word)));
    let flag = |name: &'static str, flag: Option<bool>| flag.map(|flag| (name, Must::Flag(flag)));
    [
        word("questType", filter.quest_type.map(name)),
        word("difficultyLevel", filter.difficulty_level.map(name)),
        word("skillTags", filter.skill_tag.as_ref().map(|tag| tag.to_lowercase())),
        word("stepTypes", filter.step_type.map(name)),
        word("subjectId", filter.subject_id.map(|id| id.to_string())),
        word("createdBy", filter.created_by.map(|id| id.to_string())),
        flag("isActive", filter.is_active),
        flag("collaborative", filter.collaborative),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// As the payload names it.
fn name(value: impl Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

fn active() -> Filter {
    Filter { is_active: Some(true), ..Filter::default() }
}
