//! Metrics: what there is (docs/metrics.md is compared with it), the recorder, and what is measured of the process.
//!
//! Labels come from short lists of our own, never from what a request says.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::clock;

mod catalogue;
mod process;

pub use catalogue::{CATALOGUE, Kind, Meter};
pub use process::measure as measure_process;

/// Upper bounds of histograms, in seconds.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The process-wide recorder; the first call installs it.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed, /metrics stays empty");
        }
        catalogue::describe();
        process::began();
        handle
    })
}

/// Runs a job of the background, and notes that it ran, for how long, and how it ended.
///
/// # Errors
/// The job's.
pub async fn job<T, E>(name: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let began = tokio::time::Instant::now();
    let result = work.await;
    metrics::counter!("job_runs_total", "name" => name).increment(1);
    metrics::histogram!("job_seconds", "name" => name).record(began.elapsed());
    match &result {
        Ok(_) => metrics::gauge!("job_last_success_timestamp_seconds", "name" => name).set(clock::unix_seconds()),
        Err(_) => metrics::counter!("job_failures_total", "name" => name).increment(1),
    }
    result
}
