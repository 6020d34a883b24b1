//! Keyset pages: `limit` and an opaque cursor in, `items` and `nextCursor` out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Code, FieldError, Problem};

/// Largest page.
pub const MAX_LIMIT: i64 = 100;
/// Page size when none is asked for.
pub const DEFAULT_LIMIT: i64 = 25;

/// What every list takes.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageRequest {
    /// Items a page, 1 to 100
    #[param(required = false, value_type = Option<i64>, minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<i64>,
    /// `nextCursor` of the page before
    #[param(required = false, value_type = Option<String>)]
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; null on the last one
    pub next_cursor: Option<String>,
}

impl PageRequest {
    /// # Errors
    /// 422 when `limit` is out of range.
    pub fn limit(&self) -> Result<i64, Problem> {
        limit(self.limit)
    }

    /// # Errors
    /// 400 when the cursor is not one of this list.
    pub fn after<C: DeserializeOwned>(&self) -> Result<Option<C>, Problem> {
        after(self.cursor.as_deref())
    }
}

/// # Errors
/// 422 when `limit` is out of range.
pub fn limit(limit: Option<i64>) -> Result<i64, Problem> {
    match limit {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid(vec![FieldError::new("limit", format!("must be 1 to {MAX_LIMIT}"))])),
    }
}

/// The key that a cursor stands for.
///
/// # Errors
/// 400 when the cursor is not one of this list.
pub fn after<C: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<C>, Problem> {
    cursor
        .map(|cursor| {
            let json = URL_SAFE_NO_PAD.decode(cursor).ok();
            json.and_then(|json| serde_json::from_slice(&json).ok()).ok_or_else(|| {
                Problem::new(
                    Code::MalformedCursor,
                    "pass nextCursor of a page of this list, with the same filters and sort",
                )
            })
        })
        .transpose()
}

impl<T> Page<T> {
    /// Cuts `rows`, which were read with one more than `limit`, to a page.
    pub fn cut<C: Serialize>(mut rows: Vec<T>, limit: i64, key: impl Fn(&T) -> C) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|last| URL_SAFE_NO_PAD.encode(serde_json::to_vec(&key(last)).unwrap_or_default()));
        Self { items: rows, next_cursor }
    }

    /// The page with every item made into what the wire shows.
    pub fn map<U>(self, to_wire: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(to_wire).collect(), next_cursor: self.next_cursor }
    }
}
