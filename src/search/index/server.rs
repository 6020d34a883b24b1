//! A Qdrant server or cluster, over gRPC.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use qdrant_client::qdrant::vector_output::Vector as OutputVector;
use qdrant_client::qdrant::vectors_output::VectorsOptions;
use qdrant_client::qdrant::{
    Condition, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, DeletePointsBuilder, Distance, FieldType,
    Filter as WireFilter, GetPointsBuilder, MmrBuilder, Modifier, NamedVectors, PointId, PointStruct, PointsIdsList,
    PrefetchQueryBuilder, Query as WireQuery, QueryPointsBuilder, Rrf, ScoredPoint, ScrollPointsBuilder,
    SetPayloadPointsBuilder, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, UpsertPointsBuilder, VectorInput,
    VectorParamsBuilder, VectorsConfigBuilder, VectorsSelector, point_id::PointIdOptions,
};
use qdrant_client::{Payload as WirePayload, Qdrant};
use uuid::Uuid;

use super::words::Words;
use super::{
    CANDIDATES, FIELDS, MEANING, MEANING_WEIGHT, Must, RRF_K, VectorIndex, WORDS, WORDS_WEIGHT, active, conditions,
};
use crate::quests::model::Filter;
use crate::search::model::{Away, Known, Near, Payload, Point, Query, Ranked};

/// Points a page when all are read.
const PAGE: u32 = 1000;

pub struct Server {
    client: Qdrant,
    words: Arc<Words>,
    collection: RwLock<String>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").finish_non_exhaustive()
    }
}

fn away(error: impl std::fmt::Display) -> Away {
    Away::Index(error.to_string())
}

impl Server {
    /// Connects when it is first asked.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(url: &str, api_key: Option<&str>, timeout: Duration) -> Result<Self, String> {
        let client = Qdrant::from_url(url)
            .api_key(api_key)
            .timeout(timeout)
            .connect_timeout(timeout)
            .skip_compatibility_check()
            .build()
            .map_err(|error| format!("QDRANT_URL: {error}"))?;
        let words = Arc::new(Words::new().map_err(|error| error.to_string())?);
        Ok(Self { client, words, collection: RwLock::default() })
    }

    fn collection(&self) -> String {
        self.collection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn point_id(id: Uuid) -> PointId {
    PointId::from(id.to_string())
}

fn uuid(id: Option<PointId>) -> Option<Uuid> {
    match id?.point_id_options? {
        PointIdOptions::Uuid(id) => id.parse().ok(),
        PointIdOptions::Num(_) => None,
    }
}

fn filter(filter: &Filter, without: &[Uuid]) -> WireFilter {
    let must = conditions(filter).into_iter().map(|(field, must)| match must {
        Must::Word(word) => Condition::matches(field, word),
        Must::Flag(flag) => Condition::matches(field, flag),
    });
    let mut wire = WireFilter::must(must);
    if !without.is_empty() {
        wire.must_not.push(Condition::has_id(without.iter().copied().map(point_id)));
    }
    wire
}

fn payload(payload: &Payload) -> Result<WirePayload, Away> {
    serde_json::to_value(payload).map_err(away)?.try_into().map_err(away)
}

fn ranked(found: Vec<ScoredPoint>) -> Vec<Ranked> {
    found.into_iter().filter_map(|point| Some(Ranked { score: point.score, id: uuid(point.id)? })).collect()
}

impl VectorIndex for Server {
    fn is_local(&self) -> bool {
        false
    }

    fn prepare(&self, collection: &str, size: usize) -> BoxFuture<'_, Result<(), Away>> {
        let collection = collection.to_owned();
        Box::pin(async move {
            if !self.client.collection_exists(collection.as_str()).await.map_err(away)? {
                let mut vectors = VectorsConfigBuilder::default();
                vectors.add_named_vector_params(MEANING, VectorParamsBuilder::new(size as u64, Distance::Cosine));
                let mut sparse = SparseVectorsConfigBuilder::default();
                sparse.add_named_vector_params(WORDS, SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
                let create = CreateCollectionBuilder::new(collection.as_str())
                    .vectors_config(vectors)
                    .sparse_vectors_config(sparse);
                let created = self.client.create_collection(create).await;
                // Somebody else may have been quicker.
                if let Err(error) = created
                    && !self.client.collection_exists(collection.as_str()).await.map_err(away)?
                {
                    return Err(away(error));
                }
            }
            for (field, is_flag) in FIELDS {
                let kind = if is_flag { FieldType::Bool } else { FieldType::Keyword };
                let index = CreateFieldIndexCollectionBuilder::new(collection.as_str(), field, kind).wait(true);
                self.client.create_field_index(index).await.map_err(away)?;
            }
            *self.collection.write().unwrap_or_else(PoisonError::into_inner) = collection;
            Ok(())
        })
    }

    fn forget(&self, collection: &str) -> BoxFuture<'_, Result<(), Away>> {
        let collection = collection.to_owned();
        Box::pin(async move { self.client.delete_collection(collection).await.map(drop).map_err(away) })
    }

    fn known(&self) -> BoxFuture<'_, Result<HashMap<Uuid, Known>, Away>> {
        Box::pin(async move {
            let mut known = HashMap::new();
            let mut offset: Option<PointId> = None;
            loop {
                let mut page =
                    ScrollPointsBuilder::new(self.collection()).limit(PAGE).with_payload(true).with_vectors(false);
                if let Some(offset) = offset.take() {
                    page = page.offset(offset);
                }
                let answer = self.client.scroll(page).await.map_err(away)?;
                for point in answer.result {
                    let payload = serde_json::Value::from(WirePayload::from(point.payload));
                    // What cannot be read is written anew.
                    let payload: Option<Payload> = serde_json::from_value(payload).ok();
                    if let (Some(id), Some(payload)) = (uuid(point.id), payload) {
                        known.insert(id, Known { text: payload.text_hash.clone(), payload: payload.hash() });
                    }
                }
                offset = answer.next_page_offset;
                if offset.is_none() {
                    return Ok(known);
                }
            }
        })
    }

    fn put(&self, points: Vec<Point>) -> BoxFuture<'_, Result<(), Away>> {
        Box::pin(async move {
            let words = Arc::clone(&self.words);
            let points = tokio::task::spawn_blocking(move || {
                let points = points.into_iter().map(|point| {
                    let words = words.of_document(&point.text);
                    let words: Vec<(u32, f32)> = words.indices.into_iter().zip(words.values).collect();
                    let vectors = NamedVectors::default().add_vector(MEANING, point.dense).add_vector(WORDS, words);
                    Ok(PointStruct::new(point_id(point.id), vectors, payload(&point.payload)?))
                });
                points.collect::<Result<Vec<_>, Away>>()
            });
            let points = points.await.map_err(away).flatten()?;
            let upsert = UpsertPointsBuilder::new(self.collection(), points).wait(true);
            self.client.upsert_points(upsert).await.map(drop).map_err(away)
        })
    }

    fn annotate(&self, payloads: Vec<(Uuid, Payload)>) -> BoxFuture<'_, Result<(), Away>> {
        Box::pin(async move {
            for (id, of) in payloads {
                let ids = PointsIdsList { ids: vec![point_id(id)] };
                let set =
                    SetPayloadPointsBuilder::new(self.collection(), payload(&of)?).points_selector(ids).wait(true);
                self.client.overwrite_payload(set).await.map_err(away)?;
            }
            Ok(())
        })
    }

    fn remove(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Result<(), Away>> {
        Box::pin(async move {
            let ids = PointsIdsList { ids: ids.into_iter().map(point_id).collect() };
            let delete = DeletePointsBuilder::new(self.collection()).points(ids).wait(true);
            self.client.delete_points(delete).await.map(drop).map_err(away)
        })
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), Away>> {
        // The server does so by itself.
        Box::pin(async { Ok(()) })
    }

    fn search(&self, query: Query) -> BoxFuture<'_, Result<Vec<Ranked>, Away>> {
        Box::pin(async move {
            let filter = filter(&query.filter, &[]);
            let most = CANDIDATES.max(query.limit) as u64;
            let list = |using: &str, vector: VectorInput| {
                PrefetchQueryBuilder::default()
                    .query(WireQuery::new_nearest(vector))
                    .using(using)
                    .filter(filter.clone())
                    .limit(most)
                    .build()
            };
            let meaning = query.dense.map(|vector| list(MEANING, VectorInput::new_dense(vector)));
            let words = query.words.as_deref().map(|text| self.words.of_query(text));
            let words = words.filter(|vector| !vector.indices.is_empty());
            let words = words.map(|vector| list(WORDS, VectorInput::new_sparse(vector.indices, vector.values)));
            let meaning = meaning.map(|list| (list, MEANING_WEIGHT));
            let words = words.map(|list| (list, WORDS_WEIGHT));
            let (lists, weights): (Vec<_>, Vec<_>) = meaning.into_iter().chain(words).unzip();
            if lists.is_empty() {
                return Ok(Vec::new());
            }
            let k = u32::try_from(RRF_K).ok();
            let request = QueryPointsBuilder::new(self.collection())
                .prefetch(lists)
                .query(WireQuery::new_rrf(Rrf { k, weights }))
                .limit(query.limit as u64)
                .with_payload(false);
            self.client.query(request).await.map(|answer| ranked(answer.result)).map_err(away)
        })
    }

    fn near(&self, near: Near) -> BoxFuture<'_, Result<Vec<Ranked>, Away>> {
        Box::pin(async move {
            let candidates = u32::try_from(CANDIDATES.max(near.limit)).unwrap_or(u32::MAX);
            let mmr = MmrBuilder::with_params(near.diversity, candidates);
            let request = QueryPointsBuilder::new(self.collection())
                .query(WireQuery::new_nearest_with_mmr(VectorInput::new_dense(near.vector), mmr))
                .using(MEANING)
                .filter(filter(&active(), &near.without))
                .limit(near.limit as u64)
                .with_payload(false);
            self.client.query(request).await.map(|answer| ranked(answer.result)).map_err(away)
        })
    }

    fn vectors(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Result<HashMap<Uuid, Vec<f32>>, Away>> {
        Box::pin(async move {
            let ids: Vec<PointId> = ids.into_iter().map(point_id).collect();
            let get = GetPointsBuilder::new(self.collection(), ids)
                .with_payload(false)
                .with_vectors(VectorsSelector { names: vec![MEANING.to_owned()] });
            let found = self.client.get_points(get).await.map_err(away)?;
            Ok(found
                .result
                .into_iter()
                .filter_map(|point| {
                    let Some(VectorsOptions::Vectors(mut named)) = point.vectors?.vectors_options else { return None };
                    let OutputVector::Dense(vector) = named.vectors.remove(MEANING)?.into_vector() else { return None };
                    Some((uuid(point.id)?, vector.data))
                })
                .collect())
        })
    }
}
