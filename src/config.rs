//! Every setting and limit of the service: an environment variable, a default, a unit.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

mod analytics;
mod contradictions;
mod database;
mod neighbours;
mod reading;
mod values;

pub use analytics::{AnalyticsConfig, InsightConfig};
pub use contradictions::Wrong;
pub use database::{DatabaseConfig, ReadConfig};
pub use neighbours::{InboxConfig, JwksConfig, TraceConfig, UserServiceConfig};
pub use reading::{Refused, misspelt, read, shown};
pub use values::allowed_origins;

/// How long published events are kept where nothing else is set.
pub const EVENT_RETENTION_DAYS: u32 = 400;

/// The secret of `make run` and the tests. `quests token` signs with this one only.
pub const DEVELOPMENT_SECRET: &str = "quests-development-secret-do-not-use-in-production";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Coloured text, for people.
    Pretty,
}

/// Who signs the tokens.
#[derive(Debug, Clone, Args)]
pub struct JwtConfig {
    /// Shared secret of the HS256 tokens, at least 32 bytes; empty where `JWT_JWKS_URL` is set, it turns HS256 off
    #[arg(
        long,
        env = "JWT_SECRET",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true,
        value_name = "SECRET",
        value_parser = values::secret
    )]
    pub jwt_secret: String,
    /// `iss` that every token must carry, e.g. `https://project.supabase.co/auth/v1`
    #[arg(long, env = "JWT_ISSUER", value_name = "URL", value_parser = values::not_empty)]
    pub jwt_issuer: String,
    /// `aud` that every token must carry
    #[arg(long, env = "JWT_AUDIENCE", default_value = "authenticated", value_name = "NAME", value_parser = values::not_empty)]
    pub jwt_audience: String,
}

/// The event log's way to RabbitMQ.
#[derive(Debug, Clone, Args)]
pub struct BrokerConfig {
    /// RabbitMQ, `amqp://user:password@host:port/%2f`; left out, events wait in the log
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_name = "URL", value_parser = values::amqp_url)]
    pub amqp_url: Option<String>,
    /// Topic exchange of our events; its alternate exchange and queue are named after it with `.unrouted`
    #[arg(long, env = "AMQP_EXCHANGE", default_value = "quests.events", value_name = "NAME")]
    pub amqp_exchange: String,
    /// Longest wait for the broker to answer (connect, publish, confirm), in milliseconds
    #[arg(long, env = "AMQP_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub amqp_timeout_ms: u64,
    /// Messages that the queue of unrouted events holds before the oldest are dropped
    #[arg(long, env = "AMQP_UNROUTED_MAX_LENGTH", default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=10_000_000))]
    pub amqp_unrouted_max_length: i64,
    /// How long an unrouted event stays in that queue, in hours
    #[arg(long, env = "AMQP_UNROUTED_TTL_HOURS", default_value_t = 72, value_name = "HOURS", value_parser = clap::value_parser!(i64).range(1..=500))]
    pub amqp_unrouted_ttl_hours: i64,
    /// Events published and confirmed together
    #[arg(long, env = "OUTBOX_BATCH", default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub outbox_batch: i64,
    /// Longest pause before the broker is tried again, in milliseconds
    #[arg(long, env = "AMQP_RETRY_MAX_MS", default_value_t = 5_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(200..=600_000))]
    pub amqp_retry_max_ms: u64,
    /// How often the log is looked at for events of other replicas, in milliseconds
    #[arg(long, env = "OUTBOX_POLL_MS", default_value_t = 500, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub outbox_poll_ms: u64,
    /// Shortest time between two batches that were not full, in milliseconds
    #[arg(long, env = "OUTBOX_LINGER_MS", default_value_t = 20, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub outbox_linger_ms: u64,
    /// Times the broker may refuse one event before it is parked
    #[arg(long, env = "OUTBOX_MAX_REFUSALS", default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub outbox_max_refusals: i32,
    /// Largest message, in bytes; a larger event is parked
    #[arg(long, env = "EVENT_MAX_BYTES", default_value_t = 262_144, value_name = "BYTES", value_parser = values::count(1_024..=16_777_216))]
    pub event_max_bytes: usize,
    /// Most events that one replay may send again
    #[arg(long, env = "REPLAY_MAX_EVENTS", default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    pub replay_max_events: i64,
    /// How long published events are kept, in days
    #[arg(long, env = "EVENT_RETENTION_DAYS", default_value_t = EVENT_RETENTION_DAYS, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub event_retention_days: u32,
}

/// The live stream.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Live stream")]
pub struct StreamConfig {
    /// Streams that one learner may have open at a process
    #[arg(long, env = "STREAMS_PER_LEARNER", default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub streams_per_learner: u16,
    /// Streams that are open at a process in all; each holds one of `MAX_CONNECTIONS`
    #[arg(long, env = "STREAMS_MAX", default_value_t = 5_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub streams_max: u32,
    /// How often the log is looked at for open streams, in milliseconds
    #[arg(long, env = "STREAM_POLL_MS", default_value_t = 250, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub stream_poll_ms: u64,
    /// Time between two signs of life on a stream, in seconds
    #[arg(long, env = "STREAM_HEARTBEAT_SECONDS", default_value_t = 15, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    pub stream_heartbeat_seconds: u64,
    /// Age at which a stream ends, to be opened anew with a token that is still good, in seconds
    #[arg(long, env = "STREAM_MAX_AGE_SECONDS", default_value_t = 3_600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub stream_max_age_seconds: u64,
}

/// Where quests are searched by meaning.
#[derive(Debug, Clone, Args)]
pub struct SearchConfig {
    /// Keep an index for search by meaning; false leaves search to PostgreSQL's words
    #[arg(long, env = "SEARCH_INDEX", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub search_index: bool,
    /// Qdrant server, its gRPC port: `http://host:6334`; left out, the index is in this process, under `DATA_DIR`
    #[arg(long, env = "QDRANT_URL", hide_env_values = true, value_name = "URL", value_parser = values::http_url)]
    pub qdrant_url: Option<String>,
    /// Key for the Qdrant server
    #[arg(long, env = "QDRANT_API_KEY", hide_env_values = true, value_name = "KEY", value_parser = values::key)]
    pub qdrant_api_key: Option<String>,
    /// Endpoint of embeddings that speaks as OpenAI's does, `https://host`; left out, a model in this process embeds
    #[arg(long, env = "EMBEDDINGS_URL", hide_env_values = true, value_name = "URL", value_parser = values::http_url)]
    pub embeddings_url: Option<String>,
    /// Name of the model at that endpoint
    #[arg(long, env = "EMBEDDINGS_MODEL", value_name = "NAME")]
    pub embeddings_model: Option<String>,
    /// Key for that endpoint
    #[arg(long, env = "EMBEDDINGS_API_KEY", hide_env_values = true, value_name = "KEY", value_parser = values::key)]
    pub embeddings_api_key: Option<String>,
    /// Folder of the model in this process: model.safetensors, tokenizer.json, config.json; its name names the model. By
    /// default `all-MiniLM-L6-v2` in `DATA_DIR`
    #[arg(long, env = "EMBEDDINGS_MODEL_DIR", value_name = "FOLDER", value_parser = values::folder)]
    pub embeddings_model_dir: Option<PathBuf>,
    /// Folder for what this process keeps: the index, the model
    #[arg(long, env = "DATA_DIR", default_value = "data", value_name = "FOLDER")]
    pub data_dir: PathBuf,
    /// Longest wait of a search for embedder or index each, in milliseconds; then words decide
    #[arg(long, env = "SEARCH_TIMEOUT_MS", default_value_t = 1_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub search_timeout_ms: u64,
    /// Longest wait of the indexer for the Qdrant server or the endpoint of embeddings, in milliseconds
    #[arg(long, env = "INDEX_TIMEOUT_MS", default_value_t = 30_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub index_timeout_ms: u64,
    /// How often the index looks for changes, in milliseconds
    #[arg(long, env = "SEARCH_POLL_MS", default_value_t = 1_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub search_poll_ms: u64,
}

impl SearchConfig {
    /// The folder of the model in this process.
    #[must_use]
    pub fn model_dir(&self) -> PathBuf {
        self.embeddings_model_dir
            .clone()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or_else(|| self.data_dir.join("all-MiniLM-L6-v2"))
    }
}

/// What recommendations go by.
#[derive(Debug, Clone, Args)]
pub struct RecommendationConfig {
    /// Weights of the features, 0 to 10: `kind=weight` joined by `;`, e.g. `nextInPath=0.5;newInCatalogue=0`; what is
    /// left out keeps its own (docs/recommendations.md)
    #[arg(long, env = "RECOMMENDATION_WEIGHTS", default_value = "", value_name = "MAP")]
    pub recommendation_weights: crate::recommendations::model::Weights,
    /// How unlike each other recommendations are to be: 0 (the best first, however alike) to 1
    #[arg(long, env = "RECOMMENDATION_DIVERSITY", default_value_t = 0.2, value_name = "SHARE", value_parser = values::share)]
    pub recommendation_diversity: f64,
    /// Skill points earned here that are taken for a level while levels are unknown
    #[arg(long, env = "RECOMMENDATION_POINTS_PER_LEVEL", default_value_t = 100, value_name = "POINTS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub recommendation_points_per_level: u32,
}

impl RecommendationConfig {
    #[must_use]
    pub fn recipe(&self) -> crate::recommendations::model::Recipe {
        crate::recommendations::model::Recipe {
            weights: self.recommendation_weights.clone(),
            diversity: self.recommendation_diversity,
            points_per_level: self.recommendation_points_per_level.into(),
        }
    }
}

/// Limits of the HTTP server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct HttpLimits {
    /// Largest request body, in bytes
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = 1_048_576, value_name = "BYTES", value_parser = values::count(1_024..=1_073_741_824))]
    pub max_body_bytes: usize,
    /// Largest curriculum file, in bytes
    #[arg(long, env = "MAX_CURRICULUM_BYTES", default_value_t = 16_777_216, value_name = "BYTES", value_parser = values::count(1_024..=1_073_741_824))]
    pub max_curriculum_bytes: usize,
    /// Largest request line and headers together, in bytes
    #[arg(long, env = "MAX_HEADER_BYTES", default_value_t = 32_768, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(8192..=1_048_576))]
    pub max_header_bytes: u32,
    /// Longest time for a request's headers to arrive, in milliseconds
    #[arg(long, env = "HEADER_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub header_timeout_ms: u64,
    /// Longest time for a request's body to arrive, in milliseconds
    #[arg(long, env = "BODY_TIMEOUT_MS", default_value_t = 15_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub body_timeout_ms: u64,
    /// Longest time for a request to be answered, its body included, in milliseconds
    #[arg(long, env = "REQUEST_TIMEOUT_MS", default_value_t = 30_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub request_timeout_ms: u64,
    /// Open connections; further ones wait
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000, value_name = "N", value_parser = values::count(1..=1_000_000))]
    pub max_connections: usize,
    /// Longest time that a client may take to receive what was sent to it, in milliseconds; then its connection ends
    #[arg(long, env = "WRITE_TIMEOUT_MS", default_value_t = 60_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1_000..=600_000))]
    pub write_timeout_ms: u64,
    /// Longest time that open requests get when the service stops, in milliseconds
    #[arg(long, env = "DRAIN_TIMEOUT_MS", default_value_t = 20_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub drain_timeout_ms: u64,
    /// Learners who take out their data at once; each holds a database connection meanwhile, further ones get 503
    #[arg(long, env = "MAX_EXPORTS", default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub max_exports: u16,
    /// How long an Idempotency-Key is remembered, in hours
    #[arg(long, env = "IDEMPOTENCY_KEY_HOURS", default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=720))]
    pub idempotency_key_hours: u32,
}

/// Limits of what authors and learners write.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct ContentLimits {
    /// Longest description, notes or other free text, in characters
    #[arg(long, env = "MAX_TEXT_CHARS", default_value_t = 20_000, value_name = "N", value_parser = values::count(1..=1_000_000))]
    pub max_text_chars: usize,
    /// Largest `content`, `metadata` or `submissionData` document, in bytes of JSON
    #[arg(long, env = "MAX_DOCUMENT_BYTES", default_value_t = 262_144, value_name = "BYTES", value_parser = values::count(1..=16_777_216))]
    pub max_document_bytes: usize,
    /// Most experience points that one quest or one step may pay
    #[arg(long, env = "MAX_EXPERIENCE_POINTS", default_value_t = 100_000, value_name = "POINTS", value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub max_experience_points: i32,
    /// Longest estimated duration of a quest, in minutes
    #[arg(long, env = "MAX_DURATION_MINUTES", default_value_t = 100_000, value_name = "MINUTES", value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub max_duration_minutes: i32,
    /// Skill tags of one quest, and skill rewards of one quest
    #[arg(long, env = "MAX_SKILL_TAGS", default_value_t = 20, value_name = "N", value_parser = values::count(1..=1_000))]
    pub max_skill_tags: usize,
    /// Longest skill tag, in characters
    #[arg(long, env = "MAX_SKILL_TAG_CHARS", default_value_t = 64, value_name = "N", value_parser = values::count(1..=255))]
    pub max_skill_tag_chars: usize,
    /// Steps of one quest that are not retired
    #[arg(long, env = "MAX_STEPS", default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=1000))]
    pub max_steps: i64,
    /// Resources of one quest
    #[arg(long, env = "MAX_RESOURCES", default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub max_resources: i64,
    /// Prerequisites of one quest
    #[arg(long, env = "MAX_PREREQUISITES", default_value_t = 50, value_name = "N", value_parser = values::count(1..=1_000))]
    pub max_prerequisites: usize,
    /// Assessments of one quest
    #[arg(long, env = "MAX_ASSESSMENTS", default_value_t = 20, value_name = "N", value_parser = values::count(1..=1_000))]
    pub max_assessments: usize,
    /// Quests of one curriculum file
    #[arg(long, env = "MAX_CURRICULUM_QUESTS", default_value_t = 5_000, value_name = "N", value_parser = values::count(1..=100_000))]
    pub max_curriculum_quests: usize,
    /// Quests of one learning path
    #[arg(long, env = "MAX_PATH_QUESTS", default_value_t = 1_000, value_name = "N", value_parser = values::count(1..=10_000))]
    pub max_path_quests: usize,
    /// Chapters of one learning path
    #[arg(long, env = "MAX_CHAPTERS", default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=1000))]
    pub max_chapters: i64,
    /// Fastest playback that is believed of a video, as a factor
    #[arg(long, env = "VIDEO_MAX_PLAYBACK_RATE", default_value = "2.0", value_name = "FACTOR", value_parser = values::playback_rate)]
    pub video_max_playback_rate: rust_decimal::Decimal,
}

/// All settings of `quests serve`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address and port to listen on
    #[arg(long, env = "BIND_ADDR", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub bind_addr: SocketAddr,
    #[command(flatten)]
    pub database: DatabaseConfig,
    #[command(flatten)]
    pub read: ReadConfig,
    /// Migrate the database at start
    #[arg(long, env = "MIGRATE_ON_START", default_value_t = false, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub migrate_on_start: bool,
    #[command(flatten)]
    pub jwt: JwtConfig,
    #[command(flatten)]
    pub jwks: JwksConfig,
    /// Token role names and ours: `name=learner|author|grader|admin|service`, several joined by `+`, pairs by `;`
    #[arg(
        long,
        env = "ROLE_MAP",
        default_value = "Player=learner;Party Leader=learner;Guild Master=learner;Verified Lecturer=author+grader;Game Master=admin;service=service",
        value_name = "MAP"
    )]
    pub role_map: crate::http::auth::RoleMap,
    /// Origins of browsers that may call, comma-separated; `*` for any
    #[arg(
        long,
        env = "CORS_ORIGINS",
        default_value = "http://localhost:3000,http://localhost:5173",
        value_name = "LIST",
        value_parser = values::origins
    )]
    pub cors_origins: String,
    /// Serve the demo page at `/demo`; left out, only with the development secret
    #[arg(long, env = "DEMO_PAGE", value_name = "BOOL")]
    pub demo_page: Option<bool>,
    #[command(flatten)]
    pub broker: BrokerConfig,
    #[command(flatten)]
    pub inbox: InboxConfig,
    #[command(flatten)]
    pub stream: StreamConfig,
    #[command(flatten)]
    pub user_service: UserServiceConfig,
    #[command(flatten)]
    pub search: SearchConfig,
    #[command(flatten)]
    pub recommendations: RecommendationConfig,
    #[command(flatten)]
    pub analytics: AnalyticsConfig,
    #[command(flatten)]
    pub insight: InsightConfig,
    /// Look of the log lines; each request has one
    #[arg(long, env = "LOG_FORMAT", default_value = "json", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// What is logged: a tracing filter
    #[arg(
        long,
        env = "RUST_LOG",
        default_value = "info,lapin=warn,sqlx::query=warn,qdrant_edge=error",
        value_name = "FILTER",
        value_parser = values::log_filter
    )]
    pub rust_log: String,
    #[command(flatten)]
    pub traces: TraceConfig,
    /// How often metrics are summed up and the backlog of events is measured, in seconds
    #[arg(long, env = "METRICS_INTERVAL_SECONDS", default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    pub metrics_interval_seconds: u64,
    /// Do the background work in this process: recomputing, unlocking, housekeeping; false where another replica does it
    #[arg(long, env = "BACKGROUND_JOBS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub background_jobs: bool,
    /// How often quests that time alone opens are looked for, in seconds
    #[arg(long, env = "UNLOCK_INTERVAL_SECONDS", default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub unlock_interval_seconds: u64,
    #[command(flatten)]
    pub http: HttpLimits,
    #[command(flatten)]
    pub content: ContentLimits,
}

impl Config {
    /// Whether anybody may see the demo page here.
    #[must_use]
    pub fn has_demo_page(&self) -> bool {
        self.demo_page.unwrap_or_else(|| self.jwt.jwt_secret == DEVELOPMENT_SECRET)
    }
}

impl BrokerConfig {
    /// [`BrokerConfig::amqp_timeout_ms`] as a duration.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.amqp_timeout_ms)
    }
}
