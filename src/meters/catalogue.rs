//! Every metric: name, kind, labels, unit, meaning. docs/metrics.md, the dashboard and the alerts are held against it.

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// `s`, `bytes`, or nothing where it counts
    pub unit: &'static str,
    pub meaning: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Meter {
    Meter { name, kind: Kind::Counter, labels, unit: "", meaning }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Meter {
    Meter { name, kind: Kind::Gauge, labels, unit: "", meaning }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Meter {
    Meter { name, kind: Kind::Histogram, labels, unit: "s", meaning }
}

const fn seconds(meter: Meter) -> Meter {
    Meter { unit: "s", ..meter }
}

const fn bytes(meter: Meter) -> Meter {
    Meter { unit: "bytes", ..meter }
}

/// All there are, in the order of docs/metrics.md.
pub const CATALOGUE: &[Meter] = &[
    counter(
        "http_requests_total",
        &["method", "route", "status"],
        "Answers. `route` is the template, `unmatched` where there is none; `method` is `other` for unusual ones; `status` is 499 where the client went away before the answer",
    ),
    histogram(
        "http_request_duration_seconds",
        &["method", "route"],
        "Time to answer; of streams, until the first byte",
    ),
    gauge("http_requests_in_flight", &[], "Requests that are being answered; open streams do not count"),
    gauge("database_pool_max", &[], "Connections that the pool may have (`DATABASE_MAX_CONNECTIONS`)"),
    gauge("database_pool_connections", &[], "Connections that it has"),
    gauge("database_pool_idle", &[], "Those of them that wait for work"),
    gauge("database_pool_in_use", &[], "Those of them that work"),
    histogram("database_acquire_seconds", &[], "Wait of a transaction for a connection"),
    counter(
        "database_acquire_timeouts_total",
        &[],
        "Requests that got no connection within `DATABASE_ACQUIRE_TIMEOUT_MS`, and a 503",
    ),
    histogram(
        "database_transaction_seconds",
        &["outcome"],
        "Transactions from BEGIN to their end; `outcome`: `committed`, `rolled_back`, `broken`",
    ),
    gauge("database_replica_usable", &[], "1 while the replica of `DATABASE_READ_URL` answers reads of the catalogue"),
    seconds(gauge(
        "database_replica_lag_seconds",
        &[],
        "How far it is behind the primary at most; NaN while nobody knows",
    )),
    counter(
        "database_catalogue_reads_total",
        &["server"],
        "Learners' reads of the catalogue while a replica is set; `server`: `replica`, `primary`",
    ),
    gauge(
        "outbox_backlog_events",
        &[],
        "Events that wait for the broker, counted up to 100,000; the same in every replica",
    ),
    seconds(gauge(
        "outbox_oldest_age_seconds",
        &[],
        "Age of the oldest of them that no parked event holds back; 0 when there is none",
    )),
    gauge("outbox_parked_events", &[], "Events that were set aside and wait for an admin"),
    gauge("outbox_relay_active", &[], "1 where the relay leads: exactly one replica"),
    gauge("outbox_link_up", &[], "1 while the relay's link to RabbitMQ stands; 0 also without `AMQP_URL`"),
    histogram("outbox_publish_seconds", &[], "Time to hand a batch to the broker"),
    histogram("outbox_confirm_seconds", &[], "Time from then until the broker has confirmed all of it"),
    counter("outbox_published_total", &[], "Events confirmed and marked"),
    counter("outbox_replayed_total", &[], "Events sent again and confirmed"),
    counter("outbox_parked_total", &[], "Events set aside"),
    counter("outbox_relay_restarts_total", &[], "Links or connections of the relay built anew"),
    counter(
        "inbox_messages_total",
        &["source", "outcome"],
        "Messages that were settled; `outcome`: `applied`, `repeated`, `ignored`, `dead`",
    ),
    histogram("inbox_handling_seconds", &["source"], "Time to settle a message, its waits for the database included"),
    seconds(gauge(
        "inbox_lag_seconds",
        &["source"],
        "Age of the message that was settled last, where it has an AMQP `timestamp` (whole seconds)",
    )),
    gauge("inbox_link_up", &["source"], "1 while messages of that source are listened to"),
    counter("inbox_retries_total", &["source"], "Further tries of messages"),
    counter("inbox_restarts_total", &["source"], "Links built anew"),
    seconds(gauge(
        "search_index_synced_timestamp_seconds",
        &[],
        "When the index was in step with the catalogue last (Unix time), where this process keeps it; 0 if never",
    )),
    gauge("search_index_quests", &[], "Quests in the index, where this process keeps it"),
    histogram(
        "search_embed_seconds",
        &["caller"],
        "Time to embed; `caller`: `search` (one text), `indexer` (up to 64)",
    ),
    histogram("search_rank_seconds", &[], "Time that the vector index takes to answer a search"),
    counter("search_degraded_total", &[], "Searches that went on without embedder or index"),
    counter("search_index_restarts_total", &[], "Times the indexer began anew"),
    counter("search_texts_refused_total", &[], "Texts that the embedder refused"),
    counter("search_quests_embedded_total", &[], "Quests embedded"),
    counter(
        "user_service_requests_total",
        &["endpoint", "outcome"],
        "Calls of the User Service; `outcome`: `answered`, `absent` (404), `failed`, `paused` (not sent, the breaker is open)",
    ),
    histogram("user_service_request_seconds", &["endpoint"], "Time of calls that were sent, their retries included"),
    counter("user_service_failures_total", &["endpoint"], "Calls that failed or were not sent"),
    gauge(
        "user_service_breaker_open",
        &["endpoint"],
        "1 while the endpoint is left in peace, or has not answered since",
    ),
    counter(
        "user_service_cache_total",
        &["outcome"],
        "Profiles asked for; `outcome`: `hit`, `miss`, `stale` (shown while the User Service is away)",
    ),
    counter("jwks_failures_total", &[], "Fetches of `JWT_JWKS_URL` that failed"),
    gauge("streams_open", &[], "Live streams that are open here"),
    counter("stream_events_total", &[], "Events sent on streams"),
    counter("stream_resets_total", &[], "Times a stream told its reader to read the state anew"),
    counter("streams_dropped_total", &[], "Streams ended because their reader was too slow"),
    counter(
        "job_runs_total",
        &["name"],
        "Runs of background jobs; `name`: `recompute`, `reevaluate`, `assessments`, `schedule`, `housekeeping`, `skill_tree`, `analytics`",
    ),
    counter("job_failures_total", &["name"], "Those that failed as a whole; the next run goes on"),
    histogram("job_seconds", &["name"], "Time of a run"),
    seconds(gauge("job_last_success_timestamp_seconds", &["name"], "When a run last went well (Unix time)")),
    counter("attempts_recomputed_total", &[], "Attempts recomputed after edits"),
    counter(
        "attempts_recompute_failures_total",
        &[],
        "Attempts that could not be recomputed, and were passed over until their learner's next call or the next edit",
    ),
    counter("learners_reevaluated_total", &[], "Learners judged anew after edits"),
    counter("learners_reevaluation_failures_total", &[], "Learners who could not be judged anew, and were passed over"),
    counter("unlock_schedule_judged_total", &[], "Quests judged anew since their time had come"),
    counter(
        "unlock_schedule_failures_total",
        &[],
        "Quests that time should have opened for a learner who could not be judged; tried again in an hour",
    ),
    counter("assessment_tries_expired_total", &[], "Timed tries handed in when their time was over"),
    counter("submissions_regraded_total", &[], "Submissions looked at by regradings"),
    counter("analytics_days_total", &[], "Days of analytics computed, or computed anew"),
    histogram("analytics_day_seconds", &[], "Time to compute one day"),
    counter("analytics_rows_written_total", &[], "Rows of analytics that were new or have changed"),
    gauge("analytics_set_aside", &[], "Attempts, units and quest-days that analytics leave out, each with its reason"),
    counter("trace_spans_exported_total", &[], "Spans that the collector has taken"),
    counter(
        "trace_spans_lost_total",
        &[],
        "Spans that it has not; those for which the queue before it had no room are not counted",
    ),
    gauge("quests_build_info", &["version", "commit"], "Always 1; `commit` is `QUESTS_COMMIT` of the build"),
    seconds(gauge("process_start_time_seconds", &[], "When the process began (Unix time)")),
    bytes(gauge("process_resident_memory_bytes", &[], "Memory that it holds")),
    gauge("process_open_fds", &[], "Files and connections that it has open"),
    gauge("process_max_fds", &[], "How many it may have open"),
];

/// Tells the recorder what each metric means; counters without labels start at 0, so that a rate sees their first step.
pub fn describe() {
    for meter in CATALOGUE {
        let unit = match meter.unit {
            "s" => metrics::Unit::Seconds,
            "bytes" => metrics::Unit::Bytes,
            _ => metrics::Unit::Count,
        };
        match meter.kind {
            Kind::Counter => metrics::describe_counter!(meter.name, unit, meter.meaning),
            Kind::Gauge => metrics::describe_gauge!(meter.name, unit, meter.meaning),
            Kind::Histogram => metrics::describe_histogram!(meter.name, unit, meter.meaning),
        }
        if meter.kind == Kind::Counter && meter.labels.is_empty() {
            metrics::counter!(meter.name).increment(0);
        }
    }
}
