//! State; starts server, relay and jobs; drains them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa_swagger_ui::{Config as SwaggerConfig, SwaggerUi};

use crate::admin::model::ReplayLimit;
use crate::analytics::period::Insights;
use crate::analytics::scheduler;
use crate::assessments::service::run_jobs as run_assessment_jobs;
use crate::asyncapi::Contract;
use crate::attempts::service::run_recomputes;
use crate::clock::Clock;
use crate::config::{Config, ContentLimits, HttpLimits};
use crate::db::{Db, Replica};
use crate::enrollments::service::{Skills, run_reevaluations, run_schedule};
use crate::exports::Exports;
use crate::http::auth::Authenticator;
use crate::http::command::CommandLimits;
use crate::http::health::{Broker, Health};
use crate::http::layers::{self, Observe};
use crate::http::server::{ServerLimits, serve};
use crate::inbox;
use crate::integrations::MeetingLimits;
use crate::live::{self, Hub, StreamLimits};
use crate::meters::{self, job};
use crate::outbox;
use crate::recommendations::model::Recipe;
use crate::routes::routes;
use crate::search::indexer::{self, Indexer};
use crate::search::{Engine, Search};
use crate::skill_tags;
use crate::user_service::{UserService, Users};

/// What handlers can ask for.
#[derive(Clone)]
pub struct App {
    db: Db,
    clock: Clock,
    auth: Authenticator,
    commands: CommandLimits,
    content: Arc<ContentLimits>,
    health: Health,
    skills: Skills,
    users: Users,
    search: Search,
    recipe: Arc<Recipe>,
    hub: Hub,
    meetings: MeetingLimits,
    exports: Exports,
    replays: ReplayLimit,
    contract: Arc<Contract>,
    insights: Insights,
}

macro_rules! part {
    ($($field:ident: $type:ty),+ $(,)?) => {$(
        impl FromRef<App> for $type {
            fn from_ref(app: &App) -> Self {
                app.$field.clone()
            }
        }
    )+};
}
part!(db: Db, clock: Clock, auth: Authenticator, commands: CommandLimits, content: Arc<ContentLimits>, health: Health, skills: Skills, users: Users, search: Search, recipe: Arc<Recipe>, hub: Hub, meetings: MeetingLimits, exports: Exports, replays: ReplayLimit, contract: Arc<Contract>, insights: Insights);

/// A service that runs until it is told to stop.
#[derive(Debug)]
pub struct Running {
    pub address: std::net::SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Until all has ended by itself
    patience: Duration,
}

impl Running {
    /// Lets open requests and the relay finish, then returns. What goes on for too long, e.g. because the
    /// database has fallen silent, is left: nothing that is not committed counts.
    pub async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(self.patience, self.tasks.wait()).await.is_err() {
            tracing::warn!("something does not end, and is left");
        }
    }
}

fn command_limits(limits: &HttpLimits) -> CommandLimits {
    CommandLimits {
        max_body_bytes: limits.max_body_bytes,
        max_upload_bytes: limits.max_curriculum_bytes,
        body_timeout: Duration::from_millis(limits.body_timeout_ms),
        idempotency_key_age: chrono::TimeDelta::hours(limits.idempotency_key_hours.into()),
    }
}

/// Starts everything on `listener`.
///
/// # Errors
/// A sentence that says which setting is wrong.
pub fn start(config: &Config, db: Db, clock: Clock, listener: TcpListener) -> Result<Running, String> {
    meters::recorder();
    let replica = Replica::open(&config.database, &config.read);
    let db = db.with_replica(replica.map_err(|error| format!("DATABASE_READ_URL: {error}"))?);
    let (broker_state, broker) = watch::channel(Broker::Absent);
    let millis = Duration::from_millis;
    let users = Users(UserService::new(&config.user_service)?);
    let (index_ready, ready) = watch::channel(false);
    let search = Search { engine: Engine::open(&config.search)?, ready };
    let limits = &config.http;
    let stream = &config.stream;
    let hub = Hub::new(StreamLimits {
        per_learner: stream.streams_per_learner.into(),
        total: usize::try_from(stream.streams_max).unwrap_or(usize::MAX),
        heartbeat: Duration::from_secs(stream.stream_heartbeat_seconds),
        max_age: Duration::from_secs(stream.stream_max_age_seconds),
    });
    let app = App {
        db: db.clone(),
        clock: clock.clone(),
        auth: Authenticator::new(&config.jwt, &config.jwks, config.role_map.clone(), clock.clone())?,
        commands: command_limits(limits),
        content: Arc::new(config.content.clone()),
        health: Health { broker },
        skills: Skills::new(&config.user_service, users.clone()),
        users: users.clone(),
        search: search.clone(),
        recipe: Arc::new(config.recommendations.recipe()),
        hub: hub.clone(),
        meetings: MeetingLimits { participants: config.inbox.max_participants.into() },
        exports: Exports::new(limits.max_exports.into()),
        replays: ReplayLimit(config.broker.replay_max_events),
        contract: Contract::of_this_build()?,
        insights: Insights::new(&config.analytics, &config.insight),
    };
    let server_limits = server_limits(limits);
    let max_header_bytes = server_limits.max_header_bytes;
    let observe = Observe { request_timeout: millis(limits.request_timeout_ms), max_header_bytes };
    let router = router(app, observe, &config.cors_origins, config.has_demo_page())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;

    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    // The relay outlives the server, so that what the last requests did still goes out.
    let relay_stop = CancellationToken::new();
    let relay = outbox::Relay {
        db: db.clone(),
        database: config.database.clone(),
        broker: config.broker.clone(),
        clock: clock.clone(),
        state: broker_state,
        stop: relay_stop.clone(),
    };
    tasks.spawn(outbox::run(relay));
    if let Some(replica) = db.replica.clone() {
        tasks.spawn(replica.watch(stop.clone()));
    }
    tasks.spawn(live::run(hub, db.pool.clone(), millis(stream.stream_poll_ms), stop.clone()));
    tasks.spawn(inbox::run(inbox::Inbox {
        db: db.clone(),
        clock: clock.clone(),
        broker: config.broker.clone(),
        config: config.inbox.clone(),
        stop: stop.clone(),
    }));
    let server_stop = stop.clone();
    tasks.spawn(async move {
        serve(listener, router, server_limits, server_stop).await;
        relay_stop.cancel();
    });
    if let Some(engine) = search.engine {
        let indexer = Indexer {
            engine,
            pool: db.pool.clone(),
            database: config.database.clone(),
            ready: index_ready,
            poll: millis(config.search.search_poll_ms),
        };
        let stop = stop.clone();
        tasks.spawn(async move { stop.run_until_cancelled(Box::pin(indexer::run(indexer))).await });
    }
    let retention = Retention {
        events: chrono::TimeDelta::days(config.broker.event_retention_days.into()),
        keys: chrono::TimeDelta::hours(limits.idempotency_key_hours.into()),
        messages: chrono::TimeDelta::days(config.inbox.inbox_retention_days.into()),
    };
    if let Some(users) = users.0.filter(|users| config.background_jobs && users.has_token()) {
        let interval = Duration::from_secs(config.user_service.skill_tree_refresh_seconds);
        tasks.spawn(know_skills(db.clone(), clock.clone(), users, interval, stop.clone()));
    }
    let every = Duration::from_secs(config.metrics_interval_seconds);
    tasks.spawn(upkeep(db.clone(), clock.clone(), every, stop.clone()));
    if config.background_jobs {
        let nightly = (config.database.clone(), config.analytics.clone());
        tasks.spawn(scheduler::run(db.clone(), nightly.0, nightly.1, clock.clone(), stop.clone()));
        // How far a job is lies in its rows: it can be left anywhere.
        let (jobs, stop) = (jobs(db, clock, retention, config.unlock_interval_seconds), stop.clone());
        tasks.spawn(async move { stop.run_until_cancelled(Box::pin(jobs)).await });
    }
    tasks.close();
    // The relay's last words come after the last answers.
    let patience = server_limits.drain_timeout + Duration::from_secs(10);
    Ok(Running { address, stop, tasks, patience })
}

fn server_limits(limits: &HttpLimits) -> ServerLimits {
    let millis = Duration::from_millis;
    ServerLimits {
        header_timeout: millis(limits.header_timeout_ms),
        max_header_bytes: usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX),
        max_connections: limits.max_connections,
        drain_timeout: millis(limits.drain_timeout_ms),
        write_timeout: millis(limits.write_timeout_ms),
    }
}

fn router(app: App, observe: Observe, cors_origins: &str, has_demo_page: bool) -> Result<Router, String> {
    let (routes, document) = routes();
    let swagger = SwaggerUi::new("/docs").external_url_unchecked("/openapi.json", document.clone()).config(
        SwaggerConfig::default()
            .persist_authorization(true)
            .try_it_out_enabled(true)
            .display_request_duration(true)
            .filter(true)
            .doc_expansion("list"),
    );
    let demo = if has_demo_page { crate::demo::routes() } else { Router::new() };
    Ok(routes
        .merge(Router::<App>::from(swagger))
        .merge(demo)
        .method_not_allowed_fallback(|| async { axum::http::StatusCode::METHOD_NOT_ALLOWED })
        .fallback(|| async { axum::http::StatusCode::NOT_FOUND })
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::vary))
        .layer(CompressionLayer::new())
        .layer(layers::cors(cors_origins)?)
        .layer(from_fn_with_state(observe, layers::observe))
        .with_state(app))
}

/// Reads the User Service's skill tree until it is told to stop.
async fn know_skills(db: Db, clock: Clock, users: UserService, interval: Duration, stop: CancellationToken) {
    stop.run_until_cancelled(Box::pin(skill_tags::service::run(&db, &clock, &users, interval))).await;
}

#[derive(Debug, Clone, Copy)]
struct Retention {
    events: chrono::TimeDelta,
    keys: chrono::TimeDelta,
    messages: chrono::TimeDelta,
}

/// The service's own work: attempts after edits at once, housekeeping once an hour.
async fn jobs(db: Db, clock: Clock, retention: Retention, unlock_interval: u64) {
    let mut ticks: u64 = 0;
    loop {
        if let Err(error) = job("recompute", Box::pin(run_recomputes(&db, &clock))).await {
            tracing::warn!(%error, "the recompute job goes on later");
        }
        if let Err(error) = job("reevaluate", Box::pin(run_reevaluations(&db, &clock))).await {
            tracing::warn!(%error, "learners are judged anew later");
        }
        if let Err(failed) = job("assessments", Box::pin(run_assessment_jobs(&db, &clock))).await {
            tracing::debug!(failed, "work on assessments goes on later");
        }
        if ticks.is_multiple_of(unlock_interval)
            && let Err(error) = job("schedule", Box::pin(run_schedule(&db, &clock))).await
        {
            tracing::warn!(%error, "what time opens is opened later");
        }
        if ticks.is_multiple_of(3600) {
            match job("housekeeping", keep_house(&db, clock.now(), retention)).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "old events and keys removed"),
                Err(error) => tracing::warn!(%error, "housekeeping goes on later"),
            }
        }
        ticks += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Removes what is old; says how many events and keys. What one part cannot do does not stop the others.
async fn keep_house(db: &Db, now: DateTime<Utc>, retention: Retention) -> Result<u64, sqlx::Error> {
    let events = outbox::prune(db, now - retention.events, now - retention.keys).await;
    let tickets = live::prune(&db.pool, now).await;
    let messages = inbox::prune(&db.pool, now - retention.messages).await;
    tickets?;
    messages?;
    events
}

/// What each process does for itself: what was measured is summed up, whether somebody reads it or not, and the backlog
/// is measured.
async fn upkeep(db: Db, clock: Clock, every: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => return,
        }
        meters::recorder().run_upkeep();
        // A connection that has fallen silent says nothing, not even an error.
        match tokio::time::timeout(every, outbox::measure(&db.pool, clock.now())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the backlog is measured later"),
            Err(_) => tracing::debug!("the backlog is measured later"),
        }
    }
}
