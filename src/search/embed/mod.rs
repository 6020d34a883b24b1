//! Texts to vectors: a model in this process, or an endpoint.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use super::model::Away;

mod endpoint;
#[cfg(feature = "semantic")]
mod local;

pub use endpoint::Endpoint;
#[cfg(feature = "semantic")]
pub use local::Local;

/// Makes vectors of texts; texts that mean alike get vectors that point alike.
pub trait Embedder: Debug + Send + Sync {
    /// The model's name: part of the collection's, so that another model gets another collection.
    fn model(&self) -> &str;

    /// One vector of length 1 for each text. A text that is too long for the model is cut.
    fn embed(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<Vec<f32>>, Away>>;
}

/// To length 1, so that the dot product is the cosine.
fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in vector {
            *value /= length;
        }
    }
}
