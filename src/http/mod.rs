//! The toolbox of the HTTP layer: problems, extractors, auth, Accept, paging, ETags, idempotency, the server loop.

pub mod accept;
pub mod answer;
pub mod auth;
pub mod catalogue;
pub mod command;
pub mod etag;
pub mod extract;
pub mod health;
pub mod jwks;
pub mod layers;
pub mod paging;
pub mod problem;
pub mod server;
pub mod validate;

pub use answer::Answer;
pub use auth::Caller;
pub use command::{Command, Upload, invalid_at, malformed};
pub use extract::{Path, Query};
pub use paging::{Page, PageRequest};
pub use problem::{Code, FieldError, Problem};
