//! The process: which build it is, since when it runs, what it holds.

use crate::clock;

/// Notes the build and the start.
pub fn began() {
    let commit = option_env!("QUESTS_COMMIT").unwrap_or("unknown");
    metrics::gauge!("quests_build_info", "version" => env!("CARGO_PKG_VERSION"), "commit" => commit).set(1.0);
    metrics::gauge!("process_start_time_seconds").set(clock::unix_seconds());
}

/// Reads what the kernel says of this process; nothing where it has no `/proc`.
pub fn measure() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    if let Some(kilobytes) = resident {
        let kilobytes: f64 = kilobytes;
        metrics::gauge!("process_resident_memory_bytes").set(kilobytes * 1024.0);
    }
    #[cfg(unix)]
    if let Ok((most, _)) = rlimit::getrlimit(rlimit::Resource::NOFILE) {
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        metrics::gauge!("process_max_fds").set(most as f64);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        metrics::gauge!("process_open_fds").set(files.count() as f64);
    }
}
