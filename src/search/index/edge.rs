//! Qdrant Edge: the index in this process, in a folder of its own.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures_util::future::BoxFuture;
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    Condition, CreateIndex, Distance, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams, FieldCondition,
    FieldIndexOperations, Filter as EdgeFilter, Fusion, JsonPath, Match, Mmr, Modifier, NamedQuery, NamedVectors,
    Payload as EdgePayload, PayloadFieldSchema, PayloadOps, PayloadSchemaType, PointId, PointInsertOperations,
    PointOperations, PointStruct, Prefetch, QueryEnum, QueryRequest, ScoredPoint, ScoringQuery, ScrollRequest,
    SetPayloadOp, UpdateOperation, Vector, VectorInternal, VectorStructInternal, Vectors, WithPayloadInterface,
    WithVector,
};
use serde_json::json;
use uuid::Uuid;

use super::words::Words;
use super::{
    CANDIDATES, FIELDS, MEANING, MEANING_WEIGHT, Must, RRF_K, VectorIndex, WORDS, WORDS_WEIGHT, active, conditions,
};
use crate::quests::model::Filter;
use crate::search::model::{Away, Known, Near, Payload, Point, Query, Ranked};

/// Points a page when all are read.
const PAGE: usize = 1000;

#[derive(Debug)]
pub struct Edge {
    folder: PathBuf,
    words: Arc<Words>,
    shard: RwLock<Option<Arc<Shard>>>,
}

/// The engine panics when it is told to flush while somebody writes: writers take turns.
#[derive(Debug)]
struct Shard {
    edge: EdgeShard,
    turn: Mutex<()>,
    /// Nobody else opens it meanwhile: two processes would spoil it.
    _lock: File,
}

fn away(error: impl std::fmt::Display) -> Away {
    Away::Index(error.to_string())
}

impl Edge {
    /// # Errors
    /// When words cannot be read.
    pub fn new(folder: &Path) -> Result<Self, Away> {
        Ok(Self { folder: folder.to_owned(), words: Arc::new(Words::new()?), shard: RwLock::new(None) })
    }

    fn shard(&self) -> Result<Arc<Shard>, Away> {
        let shard = self.shard.read().unwrap_or_else(PoisonError::into_inner);
        shard.clone().ok_or_else(|| away("it is not there yet"))
    }

    /// Runs what blocks on a thread for that.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shard, &Words) -> Result<T, Away> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Away>> {
        let (shard, words) = (self.shard(), Arc::clone(&self.words));
        Box::pin(async move {
            let shard = shard?;
            tokio::task::spawn_blocking(move || work(&shard, &words)).await.map_err(away).flatten()
        })
    }

    fn write(&self, operations: Vec<UpdateOperation>) -> BoxFuture<'_, Result<(), Away>> {
        self.run(move |shard, _| {
            let _turn = shard.turn.lock().unwrap_or_else(PoisonError::into_inner);
            operations.into_iter().try_for_each(|operation| shard.edge.update(operation).map_err(away))
        })
    }
}

fn point_id(id: Uuid) -> PointId {
    PointId::Uuid(id)
}

fn uuid(id: &PointId) -> Option<Uuid> {
    match id {
        PointId::Uuid(id) => Some(*id),
        PointId::NumId(_) => None,
    }
}

fn path(field: &str) -> Result<JsonPath, Away> {
    field.parse().map_err(|()| away(format!("{field} is no path")))
}

fn filter(filter: &Filter, without: &[Uuid]) -> Result<Option<EdgeFilter>, Away> {
    let must = conditions(filter)
        .into_iter()
        .map(|(field, must)| {
            let must = match must {
                Must::Word(word) => Match::from(word),
                Must::Flag(flag) => Match::from(flag),
            };
            Ok(Condition::Field(FieldCondition::new_match(path(field)?, must)))
        })
        .collect::<Result<Vec<_>, Away>>()?;
    let must_not: Vec<Condition> = (!without.is_empty())
        .then(|| serde_json::from_value(json!({"has_id": without})).map_err(away))
        .transpose()?
        .into_iter()
        .collect();
    if must.is_empty() && must_not.is_empty() {
        return Ok(None);
    }
    let some = |conditions: Vec<Condition>| (!conditions.is_empty()).then_some(conditions);
    Ok(Some(EdgeFilter { should: None, min_should: None, must: some(must), must_not: some(must_not) }))
}

fn payload(payload: &Payload) -> Result<EdgePayload, Away> {
    match serde_json::to_value(payload).map_err(away)? {
        serde_json::Value::Object(fields) => Ok(EdgePayload(fields)),
        other => Err(away(format!("{other} is no payload"))),
    }
}

fn ranked(found: &[ScoredPoint]) -> Vec<Ranked> {
    found.iter().filter_map(|point| Some(Ranked { id: uuid(&point.id)?, score: point.score })).collect()
}

/// Nobody else uses the folder from now on.
fn lock(folder: &Path) -> Result<File, Away> {
    std::fs::create_dir_all(folder).map_err(away)?;
    let lock = File::create(folder.with_extension("lock")).map_err(away)?;
    lock.try_lock().map_err(|error| away(format!("{} is in use by another process: {error}", folder.display())))?;
    Ok(lock)
}

/// Opens what is there, or begins anew where that cannot be: everything in it comes from the database.
fn open(folder: &Path, size: usize) -> Result<EdgeShard, Away> {
    let config = || {
        EdgeConfig::builder()
            .vector(MEANING, EdgeVectorParams::builder(size, Distance::Cosine).build())
            .sparse_vector(WORDS, EdgeSparseVectorParams::builder().modifier(Modifier::Idf).build())
            .build()
    };
    if folder.join("edge_config.json").exists() {
        match EdgeShard::load(folder, Some(config())) {
            Ok(shard) => return Ok(shard),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "the index cannot be read and is built anew");
                std::fs::remove_dir_all(folder).and_then(|()| std::fs::create_dir_all(folder)).map_err(away)?;
            }
        }
    }
    let shard = EdgeShard::new(folder, config()).map_err(away)?;
    for (field, is_flag) in FIELDS {
        let kind = if is_flag { PayloadSchemaType::Bool } else { PayloadSchemaType::Keyword };
        let index = CreateIndex { field_name: path(field)?, field_schema: Some(PayloadFieldSchema::FieldType(kind)) };
        shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index))).map_err(away)?;
    }
    Ok(shard)
}

impl VectorIndex for Edge {
    fn is_local(&self) -> bool {
        true
    }

    fn prepare(&self, collection: &str, size: usize) -> BoxFuture<'_, Result<(), Away>> {
        let folder = self.folder.join(collection);
        Box::pin(async move {
            // One that is open already is closed first: two cannot share a folder.
            let before = self.shard.write().unwrap_or_else(PoisonError::into_inner).take();
            let opened = tokio::task::spawn_blocking(move || {
                drop(before);
                let lock = lock(&folder)?;
                Ok(Shard { edge: open(&folder, size)?, turn: Mutex::new(()), _lock: lock })
            });
            let shard = Arc::new(opened.await.map_err(away).flatten()?);
            *self.shard.write().unwrap_or_else(PoisonError::into_inner) = Some(shard);
            Ok(())
        })
    }

    fn forget(&self, collection: &str) -> BoxFuture<'_, Result<(), Away>> {
        let folder = self.folder.join(collection);
        let before = self.shard.write().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            let removed = tokio::task::spawn_blocking(move || {
                drop(before);
                if folder.exists() { std::fs::remove_dir_all(&folder) } else { Ok(()) }
            });
            removed.await.map_err(away)?.map_err(away)
        })
    }

    fn known(&self) -> BoxFuture<'_, Result<HashMap<Uuid, Known>, Away>> {
        self.run(|shard, _| {
            let mut known = HashMap::new();
            let mut offset = None;
            loop {
                let request = ScrollRequest {
                    offset,
                    limit: Some(PAGE),
                    filter: None,
                    with_payload: Some(WithPayloadInterface::Bool(true)),
                    with_vector: WithVector::Bool(false),
                    order_by: None,
                };
                let (records, next) = shard.edge.scroll(request).map_err(away)?;
                for record in records {
                    let payload =
                        record.payload.map(|payload| serde_json::Value::Object(payload.0)).unwrap_or_default();
                    // What cannot be read is written anew.
                    let payload: Option<Payload> = serde_json::from_value(payload).ok();
                    if let (Some(id), Some(payload)) = (uuid(&record.id), payload) {
                        known.insert(id, Known { text: payload.text_hash.clone(), payload: payload.hash() });
                    }
                }
                offset = next;
                if offset.is_none() {
                    return Ok(known);
                }
            }
        })
    }

    fn put(&self, points: Vec<Point>) -> BoxFuture<'_, Result<(), Away>> {
        self.run(move |shard, words| {
            let points = points.into_iter().map(|point| {
                let sparse = words.of_document(&point.text);
                let vectors = NamedVectors::default()
                    .add_vector(MEANING, Vector::new_dense(point.dense))
                    .add_vector(WORDS, Vector(VectorInternal::Sparse(sparse)));
                let payload = serde_json::Value::Object(payload(&point.payload)?.0);
                Ok(PointStruct::new(point_id(point.id), Vectors::from(vectors), payload).into())
            });
            let points = points.collect::<Result<Vec<_>, Away>>()?;
            let upsert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
            let _turn = shard.turn.lock().unwrap_or_else(PoisonError::into_inner);
            shard.edge.update(UpdateOperation::PointOperation(upsert)).map_err(away)
        })
    }

    fn annotate(&self, payloads: Vec<(Uuid, Payload)>) -> BoxFuture<'_, Result<(), Away>> {
        let operations = payloads.iter().map(|(id, of)| {
            let set =
                SetPayloadOp { payload: payload(of)?, points: Some(vec![point_id(*id)]), filter: None, key: None };
            Ok(UpdateOperation::PayloadOperation(PayloadOps::OverwritePayload(set)))
        });
        match operations.collect::<Result<Vec<_>, Away>>() {
            Ok(operations) => self.write(operations),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn remove(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Result<(), Away>> {
        let ids = ids.into_iter().map(point_id).collect();
        self.write(vec![UpdateOperation::PointOperation(PointOperations::DeletePoints { ids })])
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), Away>> {
        self.run(|shard, _| {
            let _turn = shard.turn.lock().unwrap_or_else(PoisonError::into_inner);
            shard.edge.optimize().map_err(away)?;
            shard.edge.flush();
            Ok(())
        })
    }

    fn search(&self, query: Query) -> BoxFuture<'_, Result<Vec<Ranked>, Away>> {
        self.run(move |shard, words| {
            let filter = filter(&query.filter, &[])?;
            let list = |using: &str, vector: VectorInternal| Prefetch {
                prefetches: Vec::new(),
                query: Some(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery {
                    query: vector,
                    using: Some(using.into()),
                }))),
                limit: CANDIDATES.max(query.limit),
                params: None,
                filter: filter.clone(),
                score_threshold: None,
            };
            let meaning = query.dense.clone().map(|vector| list(MEANING, VectorInternal::Dense(vector)));
            let words = query.words.as_deref().map(|text| words.of_query(text));
            let words = words.filter(|vector| !vector.indices.is_empty());
            let words = words.map(|vector| list(WORDS, VectorInternal::Sparse(vector)));
            let meaning = meaning.map(|list| (list, OrderedFloat(MEANING_WEIGHT)));
            let words = words.map(|list| (list, OrderedFloat(WORDS_WEIGHT)));
            let (prefetches, weights): (Vec<Prefetch>, Vec<_>) = meaning.into_iter().chain(words).unzip();
            if prefetches.is_empty() {
                return Ok(Vec::new());
            }
            let request = QueryRequest {
                prefetches,
                query: Some(ScoringQuery::Fusion(Fusion::Rrf { k: RRF_K, weights: Some(weights) })),
                filter: None,
                score_threshold: None,
                limit: query.limit,
                offset: 0,
                params: None,
                with_vector: WithVector::Bool(false),
                with_payload: WithPayloadInterface::Bool(false),
            };
            shard.edge.query(request).map(|found| ranked(&found)).map_err(away)
        })
    }

    fn near(&self, near: Near) -> BoxFuture<'_, Result<Vec<Ranked>, Away>> {
        self.run(move |shard, _| {
            let request = QueryRequest {
                prefetches: Vec::new(),
                query: Some(ScoringQuery::Mmr(Mmr {
                    vector: VectorInternal::Dense(near.vector),
                    using: MEANING.into(),
                    lambda: OrderedFloat(1.0 - near.diversity),
                    candidates_limit: CANDIDATES.max(near.limit),
                })),
                filter: filter(&active(), &near.without)?,
                score_threshold: None,
                limit: near.limit,
                offset: 0,
                params: None,
                with_vector: WithVector::Bool(false),
                with_payload: WithPayloadInterface::Bool(false),
            };
            shard.edge.query(request).map(|found| ranked(&found)).map_err(away)
        })
    }

    fn vectors(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Result<HashMap<Uuid, Vec<f32>>, Away>> {
        self.run(move |shard, _| {
            let ids: Vec<PointId> = ids.into_iter().map(point_id).collect();
            let only = WithVector::Selector(vec![MEANING.into()]);
            let found = shard.edge.retrieve(&ids, Some(WithPayloadInterface::Bool(false)), Some(only)).map_err(away)?;
            Ok(found
                .into_iter()
                .filter_map(|record| {
                    let Some(VectorStructInternal::Named(mut named)) = record.vector else { return None };
                    let Some(VectorInternal::Dense(vector)) = named.remove(MEANING) else { return None };
                    Some((uuid(&record.id)?, vector))
                })
                .collect())
        })
    }
}
