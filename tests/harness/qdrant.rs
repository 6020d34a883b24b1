//! A Qdrant server for the tests: the stubs that `qdrant-client` ships, over Qdrant Edge. It speaks the calls that we
//! make; every other one is refused, so that a test shows it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use qdrant_client::qdrant as wire;
use qdrant_client::qdrant::collections_server::{Collections, CollectionsServer};
use qdrant_client::qdrant::points_server::{Points, PointsServer};
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    CreateIndex, Distance, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams, FieldIndexOperations,
    Filter, Fusion, Mmr, Modifier, NamedQuery, NamedVectors, Payload, PayloadFieldSchema, PayloadOps,
    PayloadSchemaType, PointId, PointInsertOperations, PointOperations, PointStruct, Prefetch, QueryEnum, QueryRequest,
    ScoredPoint, ScoringQuery, ScrollRequest, SetPayloadOp, SparseVector, UpdateOperation, Vector, VectorInternal,
    VectorStructInternal, Vectors, WithPayloadInterface, WithVector,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

#[derive(Clone)]
struct Shards {
    folder: PathBuf,
    open: Arc<Mutex<HashMap<String, Arc<EdgeShard>>>>,
}

/// A server that can be stopped and started again, where it was; with its data, or without.
pub struct Qdrant {
    pub url: String,
    address: SocketAddr,
    shards: Shards,
    running: Option<JoinHandle<()>>,
}

impl Qdrant {
    pub async fn start(folder: PathBuf) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shards = Shards { folder, open: Arc::default() };
        let mut server = Self { url: format!("http://{address}"), address, shards, running: None };
        server.serve(listener);
        server
    }

    fn serve(&mut self, listener: tokio::net::TcpListener) {
        let router = tonic::service::Routes::new(CollectionsServer::new(self.shards.clone()))
            .add_service(PointsServer::new(self.shards.clone()))
            .prepare()
            .into_axum_router();
        let accept = async move {
            let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (builder, service) =
                    (builder.clone(), hyper_util::service::TowerToHyperService::new(router.clone()));
                connections.spawn(async move {
                    let io = hyper_util::rt::TokioIo::new(stream);
                    // A client that goes away is no matter of the server.
                    drop(builder.serve_connection(io, service).await);
                });
            }
        };
        self.running = Some(tokio::spawn(accept));
    }

    /// As if it was killed: connections break.
    pub async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        drop(running.await);
    }

    /// Where it was. Its data may be lost.
    pub async fn start_again(&mut self, forgetful: bool) {
        if forgetful {
            self.shards.open.lock().unwrap().clear();
        }
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }
}

fn wrong(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}

fn point_id(id: Option<wire::PointId>) -> Result<PointId, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(wire::point_id::PointIdOptions::Uuid(id)) => Ok(PointId::Uuid(id.parse().map_err(wrong)?)),
        other => Err(wrong(format!("{other:?} is no id of ours"))),
    }
}

fn wire_id(id: PointId) -> Option<wire::PointId> {
    match id {
        PointId::Uuid(id) => Some(wire::PointId::from(id.to_string())),
        PointId::NumId(_) => None,
    }
}

fn payload(of: HashMap<String, wire::Value>) -> Result<Payload, Status> {
    match Value::from(qdrant_client::Payload::from(of)) {
        Value::Object(fields) => Ok(Payload(fields)),
        other => Err(wrong(other)),
    }
}

fn wire_payload(of: Option<Payload>) -> HashMap<String, wire::Value> {
    let fields = of.map(|payload| payload.0).unwrap_or_default();
    fields.into_iter().map(|(name, value)| (name, wire::Value::from(value))).collect()
}

fn filter(of: Option<wire::Filter>) -> Result<Option<Filter>, Status> {
    let Some(of) = of else { return Ok(None) };
    let condition = |condition: wire::Condition| -> Result<Value, Status> {
        use wire::condition::ConditionOneOf;
        match condition.condition_one_of {
            Some(ConditionOneOf::Field(field)) => {
                let value = match field.r#match.and_then(|what| what.match_value) {
                    Some(wire::r#match::MatchValue::Keyword(word)) => json!(word),
                    Some(wire::r#match::MatchValue::Boolean(flag)) => json!(flag),
                    other => return Err(wrong(format!("{other:?}"))),
                };
                Ok(json!({"key": field.key, "match": {"value": value}}))
            }
            Some(ConditionOneOf::HasId(has)) => {
                let ids: Result<Vec<PointId>, Status> = has.has_id.into_iter().map(|id| point_id(Some(id))).collect();
                Ok(json!({"has_id": ids?}))
            }
            other => Err(wrong(format!("{other:?}"))),
        }
    };
    let all = |conditions: Vec<wire::Condition>| conditions.into_iter().map(condition).collect::<Result<Vec<_>, _>>();
    let (must, must_not) = (all(of.must)?, all(of.must_not)?);
    if must.is_empty() && must_not.is_empty() {
        return Ok(None);
    }
    serde_json::from_value(json!({"must": must, "must_not": must_not})).map(Some).map_err(wrong)
}

fn vector(input: Option<wire::VectorInput>) -> Result<VectorInternal, Status> {
    match input.and_then(|input| input.variant) {
        Some(wire::vector_input::Variant::Dense(dense)) => Ok(VectorInternal::Dense(dense.data)),
        Some(wire::vector_input::Variant::Sparse(sparse)) => {
            SparseVector::new(sparse.indices, sparse.values).map(VectorInternal::Sparse).map_err(wrong)
        }
        other => Err(wrong(format!("{other:?}"))),
    }
}

impl Shards {
    fn get(&self, collection: &str) -> Result<Arc<EdgeShard>, Status> {
        let open = self.open.lock().unwrap();
        open.get(collection).cloned().ok_or_else(|| Status::not_found(format!("no collection {collection}")))
    }

    fn update(
        &self,
        collection: &str,
        operation: UpdateOperation,
    ) -> Result<Response<wire::PointsOperationResponse>, Status> {
        self.get(collection)?.update(operation).map_err(wrong)?;
        Ok(Response::new(wire::PointsOperationResponse::default()))
    }

    fn ids(selector: Option<wire::PointsSelector>) -> Result<Vec<PointId>, Status> {
        match selector.and_then(|selector| selector.points_selector_one_of) {
            Some(wire::points_selector::PointsSelectorOneOf::Points(list)) => {
                list.ids.into_iter().map(|id| point_id(Some(id))).collect()
            }
            other => Err(wrong(format!("{other:?}"))),
        }
    }
}

/// Calls that we do not make.
macro_rules! refused {
    ($($name:ident($request:ident) -> $answer:ident),+ $(,)?) => {$(
        // As async_trait writes it, which does not look into macros.
        fn $name<'life0, 'async_trait>(
            &'life0 self,
            _: Request<wire::$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<wire::$answer>, Status>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        }
    )+};
}

#[tonic::async_trait]
impl Collections for Shards {
    async fn create(
        &self,
        request: Request<wire::CreateCollection>,
    ) -> Result<Response<wire::CollectionOperationResponse>, Status> {
        let create = request.into_inner();
        let mut config = EdgeConfig::builder();
        let Some(wire::vectors_config::Config::ParamsMap(vectors)) = create.vectors_config.and_then(|of| of.config)
        else {
            return Err(wrong("named vectors are expected"));
        };
        for (name, params) in vectors.map {
            assert_eq!(params.distance, i32::from(wire::Distance::Cosine));
            let size = usize::try_from(params.size).map_err(wrong)?;
            config = config.vector(name, EdgeVectorParams::builder(size, Distance::Cosine).build());
        }
        for (name, params) in create.sparse_vectors_config.unwrap_or_default().map {
            assert_eq!(params.modifier, Some(wire::Modifier::Idf.into()));
            config = config.sparse_vector(name, EdgeSparseVectorParams::builder().modifier(Modifier::Idf).build());
        }
        let folder = self.folder.join(format!("{}-{}", create.collection_name, uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder)?;
        let shard = EdgeShard::new(&folder, config.build()).map_err(wrong)?;
        self.open.lock().unwrap().insert(create.collection_name, Arc::new(shard));
        Ok(Response::new(wire::CollectionOperationResponse { result: true, time: 0.0 }))
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteCollection>,
    ) -> Result<Response<wire::CollectionOperationResponse>, Status> {
        let result = self.open.lock().unwrap().remove(&request.into_inner().collection_name).is_some();
        Ok(Response::new(wire::CollectionOperationResponse { result, time: 0.0 }))
    }

    async fn collection_exists(
        &self,
        request: Request<wire::CollectionExistsRequest>,
    ) -> Result<Response<wire::CollectionExistsResponse>, Status> {
        let exists = self.open.lock().unwrap().contains_key(&request.into_inner().collection_name);
        let result = Some(wire::CollectionExists { exists });
        Ok(Response::new(wire::CollectionExistsResponse { result, time: 0.0 }))
    }

    refused!(
        get(GetCollectionInfoRequest) -> GetCollectionInfoResponse,
        list(ListCollectionsRequest) -> ListCollectionsResponse,
        update(UpdateCollection) -> CollectionOperationResponse,
        update_aliases(ChangeAliases) -> CollectionOperationResponse,
        list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse,
        list_aliases(ListAliasesRequest) -> ListAliasesResponse,
        collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse,
        update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse,
        create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse,
        delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse,
        list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse,
    );
}

fn plain(filter: Option<Filter>, limit: usize) -> QueryRequest {
    QueryRequest {
        prefetches: Vec::new(),
        query: None,
        filter,
        score_threshold: None,
        limit,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload: WithPayloadInterface::Bool(false),
    }
}

#[tonic::async_trait]
impl Points for Shards {
    async fn upsert(
        &self,
        request: Request<wire::UpsertPoints>,
    ) -> Result<Response<wire::PointsOperationResponse>, Status> {
        let upsert = request.into_inner();
        let mut points = Vec::new();
        for point in upsert.points {
            let Some(wire::vectors::VectorsOptions::Vectors(named)) = point.vectors.and_then(|of| of.vectors_options)
            else {
                return Err(wrong("named vectors are expected"));
            };
            let mut vectors = NamedVectors::default();
            for (name, of) in named.vectors {
                let of = match of.vector {
                    Some(wire::vector::Vector::Dense(dense)) => Vector::new_dense(dense.data),
                    Some(wire::vector::Vector::Sparse(sparse)) => {
                        Vector::new_sparse(sparse.indices, sparse.values).map_err(wrong)?
                    }
                    other => return Err(wrong(format!("{other:?}"))),
                };
                vectors = vectors.add_vector(name, of);
            }
            let payload = Value::Object(payload(point.payload)?.0);
            points.push(PointStruct::new(point_id(point.id)?, Vectors::from(vectors), payload).into());
        }
        let operation = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
        self.update(&upsert.collection_name, UpdateOperation::PointOperation(operation))
    }

    async fn delete(
        &self,
        request: Request<wire::DeletePoints>,
    ) -> Result<Response<wire::PointsOperationResponse>, Status> {
        let delete = request.into_inner();
        let operation = PointOperations::DeletePoints { ids: Self::ids(delete.points)? };
        self.update(&delete.collection_name, UpdateOperation::PointOperation(operation))
    }

    async fn overwrite_payload(
        &self,
        request: Request<wire::SetPayloadPoints>,
    ) -> Result<Response<wire::PointsOperationResponse>, Status> {
        let set = request.into_inner();
        let points = Some(Self::ids(set.points_selector)?);
        let operation = PayloadOps::OverwritePayload(SetPayloadOp {
            payload: payload(set.payload)?,
            points,
            filter: None,
            key: None,
        });
        self.update(&set.collection_name, UpdateOperation::PayloadOperation(operation))
    }

    async fn create_field_index(
        &self,
        request: Request<wire::CreateFieldIndexCollection>,
    ) -> Result<Response<wire::PointsOperationResponse>, Status> {
        let create = request.into_inner();
        let is_flag = create.field_type == Some(wire::FieldType::Bool.into());
        let kind = if is_flag { PayloadSchemaType::Bool } else { PayloadSchemaType::Keyword };
        let field_name = create.field_name.parse().map_err(|()| wrong("no path"))?;
        let index = CreateIndex { field_name, field_schema: Some(PayloadFieldSchema::FieldType(kind)) };
        let operation = UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index));
        self.update(&create.collection_name, operation)
    }

    async fn get(&self, request: Request<wire::GetPoints>) -> Result<Response<wire::GetResponse>, Status> {
        let get = request.into_inner();
        let ids: Vec<PointId> = get.ids.into_iter().map(|id| point_id(Some(id))).collect::<Result<_, _>>()?;
        let Some(wire::with_vectors_selector::SelectorOptions::Include(include)) =
            get.with_vectors.and_then(|with| with.selector_options)
        else {
            return Err(wrong("vectors are asked for by name"));
        };
        let only = WithVector::Selector(include.names.iter().map(|name| name.as_str().into()).collect());
        let shard = self.get(&get.collection_name)?;
        let found = shard.retrieve(&ids, Some(WithPayloadInterface::Bool(false)), Some(only)).map_err(wrong)?;
        let result = found
            .into_iter()
            .map(|record| {
                let Some(VectorStructInternal::Named(named)) = record.vector else { panic!("vectors are named") };
                let vectors = named
                    .into_iter()
                    .map(|(name, vector)| {
                        let VectorInternal::Dense(data) = vector else { panic!("only the dense one was asked for") };
                        let vector = Some(wire::vector_output::Vector::Dense(wire::DenseVector { data }));
                        (name, wire::VectorOutput { vector, ..Default::default() })
                    })
                    .collect();
                let named = wire::vectors_output::VectorsOptions::Vectors(wire::NamedVectorsOutput { vectors });
                wire::RetrievedPoint {
                    id: wire_id(record.id),
                    vectors: Some(wire::VectorsOutput { vectors_options: Some(named) }),
                    ..Default::default()
                }
            })
            .collect();
        Ok(Response::new(wire::GetResponse { result, ..Default::default() }))
    }

    async fn scroll(&self, request: Request<wire::ScrollPoints>) -> Result<Response<wire::ScrollResponse>, Status> {
        let scroll = request.into_inner();
        let request = ScrollRequest {
            offset: scroll.offset.map(|id| point_id(Some(id))).transpose()?,
            limit: scroll.limit.map(|limit| limit as usize),
            filter: filter(scroll.filter)?,
            with_payload: Some(WithPayloadInterface::Bool(true)),
            with_vector: WithVector::Bool(false),
            order_by: None,
        };
        let (records, next) = self.get(&scroll.collection_name)?.scroll(request).map_err(wrong)?;
        let point = |record: qdrant_edge::Record| wire::RetrievedPoint {
            id: wire_id(record.id),
            payload: wire_payload(record.payload),
            ..Default::default()
        };
        let result = records.into_iter().map(point).collect();
        let next_page_offset = next.and_then(wire_id);
        Ok(Response::new(wire::ScrollResponse { result, next_page_offset, ..Default::default() }))
    }

    async fn query(&self, request: Request<wire::QueryPoints>) -> Result<Response<wire::QueryResponse>, Status> {
        use wire::query::Variant;
        let query = request.into_inner();
        let limit = usize::try_from(query.limit.unwrap_or(10)).map_err(wrong)?;
        let mut asked = plain(filter(query.filter)?, limit);
        for list in query.prefetch {
            let Some(Variant::Nearest(nearest)) = list.query.and_then(|query| query.variant) else {
                return Err(wrong("lists are of nearest points"));
            };
            let named = NamedQuery { query: vector(Some(nearest))?, using: list.using };
            asked.prefetches.push(Prefetch {
                prefetches: Vec::new(),
                query: Some(ScoringQuery::Vector(QueryEnum::Nearest(named))),
                limit: usize::try_from(list.limit.unwrap_or(10)).map_err(wrong)?,
                params: None,
                filter: filter(list.filter)?,
                score_threshold: None,
            });
        }
        asked.query = Some(match query.query.and_then(|query| query.variant) {
            Some(Variant::Rrf(rrf)) => {
                let weights = Some(rrf.weights.into_iter().map(OrderedFloat).collect::<Vec<_>>());
                let weights = weights.filter(|weights| !weights.is_empty());
                ScoringQuery::Fusion(Fusion::Rrf { k: rrf.k.unwrap_or(2) as usize, weights })
            }
            Some(Variant::NearestWithMmr(near)) => {
                let mmr = near.mmr.unwrap_or_default();
                ScoringQuery::Mmr(Mmr {
                    vector: vector(near.nearest)?,
                    using: query.using.unwrap_or_default(),
                    lambda: OrderedFloat(1.0 - mmr.diversity.unwrap_or(0.5)),
                    candidates_limit: mmr.candidates_limit.unwrap_or(100) as usize,
                })
            }
            other => return Err(wrong(format!("{other:?}"))),
        });
        let found = self.get(&query.collection_name)?.query(asked).map_err(wrong)?;
        let point =
            |point: ScoredPoint| wire::ScoredPoint { id: wire_id(point.id), score: point.score, ..Default::default() };
        let result = found.into_iter().map(point).collect();
        Ok(Response::new(wire::QueryResponse { result, ..Default::default() }))
    }

    refused!(
        update_vectors(UpdatePointVectors) -> PointsOperationResponse,
        delete_vectors(DeletePointVectors) -> PointsOperationResponse,
        set_payload(SetPayloadPoints) -> PointsOperationResponse,
        delete_payload(DeletePayloadPoints) -> PointsOperationResponse,
        clear_payload(ClearPayloadPoints) -> PointsOperationResponse,
        delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse,
        create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse,
        delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse,
        search(SearchPoints) -> SearchResponse,
        search_batch(SearchBatchPoints) -> SearchBatchResponse,
        search_groups(SearchPointGroups) -> SearchGroupsResponse,
        recommend(RecommendPoints) -> RecommendResponse,
        recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse,
        recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse,
        discover(DiscoverPoints) -> DiscoverResponse,
        discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse,
        count(CountPoints) -> CountResponse,
        update_batch(UpdateBatchPoints) -> UpdateBatchResponse,
        query_batch(QueryBatchPoints) -> QueryBatchResponse,
        query_groups(QueryPointGroups) -> QueryGroupsResponse,
        facet(FacetCounts) -> FacetResponse,
        search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse,
        search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse,
    );
}
