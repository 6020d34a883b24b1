//! A sentence model of the BERT family in this process, by default all-MiniLM-L6-v2.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use futures_util::future::BoxFuture;
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};
use tokio::sync::Semaphore;

use super::{Embedder, normalize};
use crate::search::model::Away;

/// Tokens of a text that the model looks at; what all-MiniLM-L6-v2 was trained with.
const MOST_TOKENS: usize = 256;
/// Texts at a time: longer batches gain nothing on a CPU, and hold back queries.
const BATCH: usize = 16;

/// Loads its files when it is first asked, and again when that failed: they may come later.
pub struct Local {
    folder: PathBuf,
    model: Arc<Mutex<Option<Arc<Loaded>>>>,
    /// Embedding takes a core for its time.
    turns: Arc<Semaphore>,
}

struct Loaded {
    bert: BertModel,
    tokenizer: Tokenizer,
}

impl fmt::Debug for Local {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Local").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Local {
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { folder: folder.to_owned(), model: Arc::default(), turns: Arc::new(Semaphore::new(cores)) }
    }
}

/// The model, read from its folder unless somebody has done so.
fn loaded(model: &Mutex<Option<Arc<Loaded>>>, folder: &Path) -> Result<Arc<Loaded>, String> {
    let mut model = model.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = model.as_ref() {
        return Ok(Arc::clone(loaded));
    }
    let loaded = Arc::new(Loaded::read(folder)?);
    *model = Some(Arc::clone(&loaded));
    Ok(loaded)
}

impl Loaded {
    fn read(folder: &Path) -> Result<Self, String> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let config: Config =
            serde_json::from_slice(&read("config.json")?).map_err(|error| format!("config.json: {error}"))?;
        let mut tokenizer =
            Tokenizer::from_bytes(read("tokenizer.json")?).map_err(|error| format!("tokenizer.json: {error}"))?;
        let truncation = TruncationParams { max_length: MOST_TOKENS, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| format!("tokenizer.json: {error}"))?;
        tokenizer.with_padding(Some(PaddingParams::default()));
        let weights = VarBuilder::from_buffered_safetensors(read("model.safetensors")?, DType::F32, &Device::Cpu);
        let bert = weights.and_then(|weights| BertModel::load(weights, &config));
        Ok(Self { bert: bert.map_err(|error| format!("model.safetensors: {error}"))?, tokenizer })
    }

    /// The mean of the tokens' vectors, as the model was trained.
    fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, String> {
        let tokens = self.tokenizer.encode_batch(texts.to_vec(), true).map_err(|error| error.to_string())?;
        let width = tokens.first().map_or(0, tokenizers::Encoding::len);
        let flat = |of: fn(&tokenizers::Encoding) -> &[u32]| -> Vec<u32> {
            tokens.iter().flat_map(|encoding| of(encoding).iter().copied()).collect()
        };
        let shape = (tokens.len(), width);
        let run = || -> candle_core::Result<Vec<Vec<f32>>> {
            let ids = Tensor::from_vec(flat(tokenizers::Encoding::get_ids), shape, &Device::Cpu)?;
            let mask = Tensor::from_vec(flat(tokenizers::Encoding::get_attention_mask), shape, &Device::Cpu)?;
            let states = self.bert.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
            let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
            let sum = states.broadcast_mul(&mask)?.sum(1)?;
            sum.broadcast_div(&mask.sum(1)?)?.to_vec2()
        };
        let mut vectors = run().map_err(|error| error.to_string())?;
        for vector in &mut vectors {
            normalize(vector);
        }
        Ok(vectors)
    }
}

impl Embedder for Local {
    fn model(&self) -> &str {
        self.folder.file_name().and_then(|name| name.to_str()).unwrap_or("local")
    }

    fn embed(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<Vec<f32>>, Away>> {
        Box::pin(async move {
            let mut vectors = Vec::with_capacity(texts.len());
            for texts in texts.chunks(BATCH) {
                let turn = Arc::clone(&self.turns).acquire_owned().await;
                let turn = turn.map_err(|error| Away::Embedder(error.to_string()))?;
                let (texts, model, folder) = (texts.to_vec(), Arc::clone(&self.model), self.folder.clone());
                let embedded = tokio::task::spawn_blocking(move || {
                    let _turn = turn;
                    loaded(&model, &folder)?.embed(&texts)
                });
                vectors.extend(embedded.await.map_err(|error| error.to_string()).flatten().map_err(Away::Embedder)?);
            }
            Ok(vectors)
        })
    }
}
