//! Words with their weights (BM25), the same for both engines: English stems, no stop words. The engine adds how rare
//! a word is.

use qdrant_edge::SparseVector;
use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};

use crate::search::model::Away;

#[derive(Debug)]
pub struct Words(EdgeBm25);

impl Words {
    /// # Errors
    /// Never, with the settings that it has.
    pub fn new() -> Result<Self, Away> {
        let config = EdgeBm25Config { ascii_folding: Some(true), ..EdgeBm25Config::default() };
        EdgeBm25::new(config).map(Self).map_err(|error| Away::Index(error.to_string()))
    }

    pub fn of_document(&self, text: &str) -> SparseVector {
        self.0.embed_document(text)
    }

    pub fn of_query(&self, text: &str) -> SparseVector {
        self.0.embed_query(text)
    }
}
