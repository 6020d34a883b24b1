//! Settings about PostgreSQL: the primary, the way past a pooler, a read replica.

use clap::Args;

use super::values;

/// Where the database is; all commands that touch it take this.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// PostgreSQL 15 or newer, `postgres://user:password@host:port/database`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = values::postgres_url)]
    pub database_url: String,
    /// The same database without a pooler between, for what needs a session of its own: the locks of relay and index,
    /// migrations, `verify`; left out, `DATABASE_URL`
    #[arg(long, env = "DATABASE_DIRECT_URL", hide_env_values = true, value_name = "URL", value_parser = values::optional_postgres_url)]
    pub database_direct_url: Option<String>,
    /// Connections in the pool
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_max_connections: u32,
    /// Longest wait for a free connection, in milliseconds; then the answer is 503
    #[arg(long, env = "DATABASE_ACQUIRE_TIMEOUT_MS", default_value_t = 5_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub database_acquire_timeout_ms: u64,
    /// Longest a statement may run, in milliseconds; 0 for no end
    #[arg(long, env = "DATABASE_STATEMENT_TIMEOUT_MS", default_value_t = 15_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=86_400_000))]
    pub database_statement_timeout_ms: u64,
    /// Longest a transaction may lie idle before PostgreSQL ends it, in milliseconds; 0 for no end
    #[arg(long, env = "DATABASE_IDLE_TRANSACTION_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=86_400_000))]
    pub database_idle_transaction_timeout_ms: u64,
    /// Longest a transaction may take as a whole, in milliseconds; its connection is given up then
    #[arg(long, env = "DATABASE_TRANSACTION_TIMEOUT_MS", default_value_t = 60_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub database_transaction_timeout_ms: u64,
}

impl DatabaseConfig {
    /// Where sessions last: past the pooler, if there is one.
    #[must_use]
    pub fn direct_url(&self) -> &str {
        self.database_direct_url.as_deref().filter(|url| !url.is_empty()).unwrap_or(&self.database_url)
    }
}

/// A copy of the database that answers reads of the catalogue.
#[derive(Debug, Clone, Args)]
pub struct ReadConfig {
    /// Streaming replica of that database, for what learners read of the catalogue; left out, the primary answers
    #[arg(long, env = "DATABASE_READ_URL", hide_env_values = true, value_name = "URL", value_parser = values::optional_postgres_url)]
    pub database_read_url: Option<String>,
    /// Connections in the pool of the replica
    #[arg(long, env = "DATABASE_READ_MAX_CONNECTIONS", default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_read_max_connections: u32,
    /// How far the replica may be behind, in milliseconds; beyond, the primary answers
    #[arg(long, env = "DATABASE_READ_MAX_LAG_MS", default_value_t = 5_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub database_read_max_lag_ms: u64,
}
