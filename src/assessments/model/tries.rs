//! When and how often an assessment may be tried; pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Rules, Status};
use crate::criteria::{AssessmentConfiguration, Late, OnFail};

/// A try that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    pub attempt_number: i32,
    pub status: Status,
    pub submitted_at: DateTime<Utc>,
    /// When it became a try: a result from outside may have waited for that.
    pub taken_at: DateTime<Utc>,
    pub is_passed: Option<bool>,
    /// Of the best grade, after lateness, unrounded.
    pub percent: Option<rust_decimal::Decimal>,
}

/// Why no try is taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    #[error("it opens at {0}")]
    Early(DateTime<Utc>),
    #[error("it has been closed since {0}")]
    Closed(DateTime<Utc>),
    #[error("it was due at {0}, and nothing is taken after that")]
    Overdue(DateTime<Utc>),
    #[error("all {0} tries are used up")]
    NoTriesLeft(u32),
    #[error("the last try is with its reviewers; the next one is taken when it is graded or comes back")]
    InReview,
    #[error("the next try is taken from {until} on")]
    Cooling {
        until: DateTime<Utc>,
        /// Until then; rounded up, so that who waits that long is not refused again.
        seconds: u32,
    },
    #[error("start the try first: its time runs from then on")]
    NotStarted,
    #[error("the time of this try is over; what was saved has been handed in")]
    TimeOver,
}

/// Until when a timed try takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// When its time is over.
    pub due: DateTime<Utc>,
    /// The last moment, grace included.
    pub last: DateTime<Utc>,
}

/// The number of the next try.
#[must_use]
pub fn next_number(tries: &[Tried]) -> i32 {
    tries.iter().map(|tried| tried.attempt_number).max().unwrap_or_default() + 1
}

/// Tries that count against the limit: work that was returned does not.
#[must_use]
pub fn used(tries: &[Tried]) -> u32 {
    let counted = tries.iter().filter(|tried| tried.status != Status::Returned).count();
    u32::try_from(counted).unwrap_or(u32::MAX)
}

/// How many tries there may be in all, those included that a grader has allowed; None is no limit. Where a
/// failed try closes the assessment, there may be no more than up to the first that failed.
#[must_use]
pub fn allowed(rules: &Rules, tries: &[Tried], extra: u32) -> Option<u32> {
    let closed = (rules.passing.on_fail == OnFail::Close).then(|| {
        let mut counted: Vec<&Tried> = tries.iter().filter(|tried| tried.status != Status::Returned).collect();
        counted.sort_by_key(|tried| tried.attempt_number);
        let place = counted.iter().position(|tried| tried.is_passed == Some(false))?;
        u32::try_from(place + 1).ok()
    });
    let most = [rules.configuration.tries.max, closed.flatten()].into_iter().flatten().min()?;
    Some(most.saturating_add(extra))
}

/// Whether no further try is to come.
#[must_use]
pub fn is_used_up(rules: &Rules, tries: &[Tried], extra: u32) -> bool {
    allowed(rules, tries, extra).is_some_and(|allowed| used(tries) >= allowed)
}

/// When the next try is taken after these; None when tries need not wait. Work that was returned is tried
/// again at once.
#[must_use]
pub fn next_try_at(configuration: &AssessmentConfiguration, tries: &[Tried]) -> Option<DateTime<Utc>> {
    let wait = TimeDelta::seconds(configuration.tries.cooldown_seconds.into());
    let last = tries.iter().filter(|tried| tried.status != Status::Returned).map(|tried| tried.taken_at).max()?;
    (wait > TimeDelta::zero()).then(|| last.checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC))
}

/// Whether a try may be begun, or made where nothing runs. After the end of an assessment, only as many
/// tries are taken as a grader has allowed, and one for each that came back: nobody is stuck for ever. Peers
/// review one piece of work of a learner at a time: there are as many reviewers as there are learners.
///
/// # Errors
/// Why not.
pub fn may_try(rules: &Rules, tries: &[Tried], extra: u32, now: DateTime<Utc>) -> Result<(), NotNow> {
    may_count(rules, tries, extra, now, now)
}

/// The same for work that has waited since it arrived: the end is held against its arrival, everything else
/// against now.
///
/// # Errors
/// Why not.
pub fn may_count(
    rules: &Rules,
    tries: &[Tried],
    extra: u32,
    arrived: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), NotNow> {
    let configuration = &rules.configuration;
    let stands_in_for_returned =
        |number: i32| tries.iter().any(|tried| tried.attempt_number + 1 == number && tried.status == Status::Returned);
    let is_refused = |is_late: &dyn Fn(DateTime<Utc>) -> bool| {
        let is_extra = |tried: &&Tried| {
            tried.status != Status::Returned
                && is_late(tried.submitted_at)
                && !stands_in_for_returned(tried.attempt_number)
        };
        let made = u32::try_from(tries.iter().filter(is_extra).count()).unwrap_or(u32::MAX);
        is_late(arrived) && made >= extra && !stands_in_for_returned(next_number(tries))
    };
    if let Some(opens) = configuration.opens_at.filter(|opens| now < *opens) {
        return Err(NotNow::Early(opens));
    }
    if let Some(closes) = configuration.closes_at.filter(|closes| is_refused(&|when| when >= *closes)) {
        return Err(NotNow::Closed(closes));
    }
    if configuration.late == Late::Reject
        && let Some(due) = configuration.due_at.filter(|due| is_refused(&|when| when > *due))
    {
        return Err(NotNow::Overdue(due));
    }
    if let Some(allowed) = allowed(rules, tries, extra).filter(|allowed| used(tries) >= *allowed) {
        return Err(NotNow::NoTriesLeft(allowed));
    }
    if tries.iter().any(|tried| tried.status == Status::InPeerReview) {
        return Err(NotNow::InReview);
    }
    match next_try_at(configuration, tries) {
        Some(until) if now < until => {
            let wait = until - now;
            let seconds = wait.num_seconds() + i64::from(wait.subsec_nanos() > 0);
            Err(NotNow::Cooling { until, seconds: u32::try_from(seconds).unwrap_or(u32::MAX) })
        }
        _ => Ok(()),
    }
}

/// Until when a try that begins now takes work; None without a time limit. Nothing is taken once the
/// assessment is closed, nor after `dueAt` where late work is rejected; what begins after that, by a
/// grader's leave, has its full time.
#[must_use]
pub fn ends(configuration: &AssessmentConfiguration, started: DateTime<Utc>) -> Option<Ends> {
    let limit = TimeDelta::seconds(configuration.time_limit_seconds?.into());
    let grace = TimeDelta::seconds(configuration.grace_seconds.into());
    // Closing is the first moment too late; what is due is still in time at that moment.
    let closes = configuration.closes_at.map(|closes| closes - TimeDelta::microseconds(1));
    let due = configuration.due_at.filter(|_| configuration.late == Late::Reject);
    let ahead = [closes, due].into_iter().flatten().filter(|end| started <= *end).min();
    let cut = |end: DateTime<Utc>| ahead.map_or(end, |ahead| ahead.min(end));
    Some(Ends { due: cut(started + limit), last: cut(started + limit + grace) })
}

/// Whether a try that ends then takes no work any more.
#[must_use]
pub fn is_over(ends: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now > ends
}

#[cfg(test)]
mod tests;
