//! Settings about other services: the identity provider's keys, the User Service, what comes over RabbitMQ.

use clap::Args;

use super::values;

/// Where the public keys of RS256 and ES256 tokens come from.
#[derive(Debug, Clone, Args)]
pub struct JwksConfig {
    /// Public keys of the RS256 and ES256 tokens, a JSON Web Key Set; left out, only HS256 is taken
    #[arg(long, env = "JWT_JWKS_URL", hide_env_values = true, value_name = "URL", value_parser = values::http_url)]
    pub jwt_jwks_url: Option<String>,
    /// Longest wait for the keys, in milliseconds
    #[arg(long, env = "JWT_JWKS_TIMEOUT_MS", default_value_t = 3_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(50..=30_000))]
    pub jwt_jwks_timeout_ms: u64,
    /// Largest set of keys, in bytes
    #[arg(long, env = "JWT_JWKS_MAX_BYTES", default_value_t = 65_536, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1_024..=1_048_576))]
    pub jwt_jwks_max_bytes: u32,
    /// Age from which the keys are fetched again, in seconds; a key that was taken away is refused from then on
    #[arg(long, env = "JWT_JWKS_REFRESH_SECONDS", default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(30..=86_400))]
    pub jwt_jwks_refresh_seconds: u32,
    /// Shortest time between two fetches for key ids that are unknown, in seconds
    #[arg(long, env = "JWT_JWKS_UNKNOWN_KEY_SECONDS", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub jwt_jwks_unknown_key_seconds: u32,
}

/// Where skills, profiles and curriculum versions come from.
#[derive(Debug, Clone, Args)]
pub struct UserServiceConfig {
    /// User Service, `https://host`; left out, skill levels and profiles are unknown
    #[arg(long, env = "USER_SERVICE_URL", hide_env_values = true, value_name = "URL", value_parser = values::http_url)]
    pub user_service_url: Option<String>,
    /// Token for what no caller's token is at hand for: the skill tree
    #[arg(long, env = "USER_SERVICE_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = super::values::key)]
    pub user_service_token: Option<String>,
    /// Longest wait for an answer that a caller waits for, its retries included, in milliseconds
    #[arg(long, env = "USER_SERVICE_TIMEOUT_MS", default_value_t = 500, value_name = "MS", value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub user_service_timeout_ms: u64,
    /// Longest wait for an answer in the background, in milliseconds
    #[arg(long, env = "USER_SERVICE_BACKGROUND_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub user_service_background_timeout_ms: u64,
    /// Longest wait for a connection, in milliseconds
    #[arg(long, env = "USER_SERVICE_CONNECT_TIMEOUT_MS", default_value_t = 200, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub user_service_connect_timeout_ms: u64,
    /// Further tries after a failure, within the same time-out
    #[arg(long, env = "USER_SERVICE_RETRIES", default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=5))]
    pub user_service_retries: u32,
    /// How long an endpoint that has failed is left in peace, in seconds; then one call tries it
    #[arg(long, env = "USER_SERVICE_PAUSE_SECONDS", default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub user_service_pause_seconds: u32,
    /// Calls that are under way at a time; further ones wait
    #[arg(long, env = "USER_SERVICE_MAX_CONCURRENT", default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub user_service_max_concurrent: u32,
    /// Largest answer, in bytes
    #[arg(long, env = "USER_SERVICE_MAX_ANSWER_BYTES", default_value_t = 1_048_576, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1_024..=67_108_864))]
    pub user_service_max_answer_bytes: u32,
    /// How long a profile is shown again without asking, in seconds
    #[arg(long, env = "USER_SERVICE_CACHE_SECONDS", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub user_service_cache_seconds: u32,
    /// How long a profile is shown while the User Service is away, in seconds
    #[arg(long, env = "USER_SERVICE_STALE_SECONDS", default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub user_service_stale_seconds: u32,
    /// Profiles that are kept for that, in bytes; the oldest go first
    #[arg(long, env = "USER_SERVICE_CACHE_BYTES", default_value_t = 16_777_216, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(0..=1_073_741_824))]
    pub user_service_cache_bytes: u32,
    /// How often the skill tree is read, for the ids of skill tags, in seconds
    #[arg(long, env = "SKILL_TREE_REFRESH_SECONDS", default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub skill_tree_refresh_seconds: u64,
    /// Age from which a caller's skill levels are asked for again, in seconds
    #[arg(long, env = "SKILL_LEVELS_REFRESH_SECONDS", default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub skill_levels_refresh_seconds: u32,
    /// How long skill levels are believed while the User Service is away, in hours; then they are unknown
    #[arg(long, env = "SKILL_LEVELS_MAX_AGE_HOURS", default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub skill_levels_max_age_hours: u32,
}

/// What comes from other services over RabbitMQ. An exchange whose name is empty is not listened to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Inbox")]
pub struct InboxConfig {
    /// Fanout exchange of the Event Service, for results of coding
    #[arg(long, env = "EVENT_SERVICE_EXCHANGE", default_value = "sse_events_exchange", value_name = "NAME")]
    pub event_service_exchange: String,
    /// Topic exchange of the Meeting Service
    #[arg(long, env = "MEETINGS_EXCHANGE", default_value = "meetings.events", value_name = "NAME")]
    pub meetings_exchange: String,
    /// Topic exchange of the User Service, for users who are deleted
    #[arg(long, env = "USERS_EXCHANGE", default_value = "users.events", value_name = "NAME")]
    pub users_exchange: String,
    /// Our queues begin with this name
    #[arg(long, env = "INBOX_QUEUE", default_value = "quests.inbox", value_name = "NAME")]
    pub inbox_queue: String,
    /// Messages of one queue that are under way at a time
    #[arg(long, env = "INBOX_PREFETCH", default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub inbox_prefetch: u16,
    /// Largest message, in bytes; a larger one is dead
    #[arg(long, env = "INBOX_MAX_BYTES", default_value_t = 262_144, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1024..=16_777_216))]
    pub inbox_max_bytes: u32,
    /// Times a message is tried that the database refuses, before it is dead; while the database is away it waits
    #[arg(long, env = "INBOX_MAX_TRIES", default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub inbox_max_tries: u32,
    /// Pause before the second try, in milliseconds; it doubles each time, up to `AMQP_RETRY_MAX_MS`
    #[arg(long, env = "INBOX_RETRY_MS", default_value_t = 200, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub inbox_retry_ms: u64,
    /// Dead messages that are kept before the oldest are dropped
    #[arg(long, env = "INBOX_DEAD_MAX_LENGTH", default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=10_000_000))]
    pub inbox_dead_max_length: i64,
    /// How long keys of messages are remembered, in days
    #[arg(long, env = "INBOX_RETENTION_DAYS", default_value_t = 90, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub inbox_retention_days: u32,
    /// Participants of one meeting
    #[arg(long, env = "MAX_PARTICIPANTS", default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub max_participants: u16,
}

/// The collector of spans.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceConfig {
    /// OpenTelemetry collector, OTLP over HTTP: `http://host:4318`; left out, no spans are made
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL", value_parser = super::values::http_url)]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// Headers for the collector, e.g. its key: `name=value`, joined by commas
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", hide_env_values = true, value_name = "LIST", value_parser = super::values::headers)]
    pub otel_exporter_otlp_headers: Option<String>,
    /// Share of the traces that begin here which are kept, 0 to 1; for others, whoever began them has decided
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value_t = 1.0, value_name = "SHARE", value_parser = super::values::share)]
    pub otel_traces_sampler_arg: f64,
}
