//! Settings that are fine one by one and cannot be meant together.

use super::Config;

/// One setting at fault, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Its environment variable
    pub setting: String,
    /// What is wrong and what to write instead; never the value of a secret
    pub detail: String,
}

impl Config {
    /// What cannot be meant; each finding with all settings that it is about, the one to change first.
    #[must_use]
    pub fn contradictions(&self) -> Vec<(Vec<&'static str>, String)> {
        let mut found = Vec::new();
        let mut refuse = |wrong: bool, settings: &[&'static str], detail: &str| {
            if wrong {
                found.push((settings.to_vec(), detail.to_owned()));
            }
        };
        let is_set = |setting: &Option<String>| setting.as_ref().is_some_and(|text| !text.is_empty());
        refuse(
            self.jwt.jwt_secret.is_empty() && !is_set(&self.jwks.jwt_jwks_url),
            &["JWT_SECRET", "JWT_JWKS_URL"],
            "is missing, and JWT_JWKS_URL too: nobody could sign in. Set one of them; a secret comes e.g. from \
             `openssl rand -base64 48`",
        );
        refuse(
            self.search.search_index && is_set(&self.search.embeddings_url) && !is_set(&self.search.embeddings_model),
            &["EMBEDDINGS_MODEL", "EMBEDDINGS_URL"],
            "is missing; EMBEDDINGS_URL needs the name of its model",
        );
        let database = &self.database;
        refuse(
            database.database_statement_timeout_ms > database.database_transaction_timeout_ms,
            &["DATABASE_STATEMENT_TIMEOUT_MS", "DATABASE_TRANSACTION_TIMEOUT_MS"],
            "is more than DATABASE_TRANSACTION_TIMEOUT_MS, which ends the statement first; raise that too",
        );
        refuse(
            u32::from(self.http.max_exports) >= database.database_max_connections,
            &["MAX_EXPORTS", "DATABASE_MAX_CONNECTIONS"],
            "must be less than DATABASE_MAX_CONNECTIONS: exports would leave no connection to anybody else",
        );
        refuse(
            self.http.body_timeout_ms > self.http.request_timeout_ms,
            &["BODY_TIMEOUT_MS", "REQUEST_TIMEOUT_MS"],
            "is more than REQUEST_TIMEOUT_MS, which includes it; raise that too",
        );
        refuse(
            self.content.max_document_bytes > self.http.max_body_bytes,
            &["MAX_DOCUMENT_BYTES", "MAX_BODY_BYTES"],
            "is more than MAX_BODY_BYTES: no such document could arrive; raise that too",
        );
        refuse(
            self.inbox.inbox_retry_ms > self.broker.amqp_retry_max_ms,
            &["INBOX_RETRY_MS", "AMQP_RETRY_MAX_MS"],
            "is more than AMQP_RETRY_MAX_MS, the longest pause",
        );
        let users = &self.user_service;
        refuse(
            users.user_service_connect_timeout_ms > users.user_service_timeout_ms,
            &["USER_SERVICE_CONNECT_TIMEOUT_MS", "USER_SERVICE_TIMEOUT_MS"],
            "is more than USER_SERVICE_TIMEOUT_MS, which includes it",
        );
        refuse(
            self.stream.stream_heartbeat_seconds >= self.stream.stream_max_age_seconds,
            &["STREAM_HEARTBEAT_SECONDS", "STREAM_MAX_AGE_SECONDS"],
            "must be less than STREAM_MAX_AGE_SECONDS: streams would end before their first sign of life",
        );
        found
    }
}
