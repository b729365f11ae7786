//! The objects of a training checkpoint: how many, how large, written by which rank.
//!
//! The main type is [`CheckpointShape`]. The formulas are those of DLIO's checkpoint engine, which MLPerf Storage uses: weights in 16 bits,
//! and an optimiser in 32 bits with three tensors (master weights and two moments), together 14 bytes per parameter.

use serde::{Deserialize, Deserializer, Serialize};

/// Bytes of a weight (fp16).
pub(super) const WEIGHT_BYTES: u64 = 2;
/// Bytes of a number of the optimiser (fp32).
pub(super) const MOMENT_BYTES: u64 = 4;
/// Tensors of the optimiser: master weights, first and second moment.
pub(super) const MOMENTS: u64 = 3;
/// Each tensor of the optimiser comes with a group of this many hidden vectors, which every rank holds whole.
pub(super) const GROUP_VECTORS: u64 = 5;

/// Dimensions of a transformer with grouped attention and a gated feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelShape {
    /// Width of the hidden state.
    pub hidden: u64,
    /// Width of the feed-forward network.
    pub ffn: u64,
    /// Attention heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Transformer layers.
    pub layers: u64,
    /// Words of the vocabulary.
    pub vocab: u64,
}

impl ModelShape {
    /// Numbers of a layer's tensors, and whether tensor parallelism splits them: norm, attention in, attention out, norm, feed-forward
    /// up (with its gate), feed-forward down. Index 0 is the embedding, then the layers from 1, then the head and the last norm.
    pub(super) fn tensors(&self, layer: u64) -> Vec<(u64, bool)> {
        let (h, kv) = (self.hidden, self.hidden / self.heads * self.kv_heads);
        match layer {
            0 => vec![(self.vocab * h, true)],
            index if index == self.layers + 1 => vec![(self.vocab * h, true)],
            index if index == self.layers + 2 => vec![(h, false)],
            _ => vec![(h, false), (h * (h + 2 * kv), true), (h * h, true), (h, false), (2 * h * self.ffn, true), (h * self.ffn, true)],
        }
    }
    /// Parameters of the whole model: `2*V*h + L*layer + h` with `layer = 2h + h(h+2*dk) + h*h + 3*f*h` and `dk = (h/a)*kv`.
    pub fn parameters(&self) -> u64 {
        (0..=self.layers + 2).flat_map(|layer| self.tensors(layer)).map(|(numbers, _)| numbers).sum()
    }
    /// What no single number shows.
    ///
    /// # Errors
    /// The reason why no checkpoint has this shape.
    pub fn validate(&self) -> Result<(), String> {
        if [self.hidden, self.ffn, self.heads, self.kv_heads, self.layers, self.vocab].contains(&0) {
            return Err("each dimension of a model must be above 0".to_owned());
        }
        if self.heads > self.hidden || self.kv_heads > self.heads {
            return Err("expected kv_heads <= heads <= hidden".to_owned());
        }
        Ok(())
    }
}

/// How the ranks share a model: ranks of tensor parallelism are neighbours, then pipeline stages, then data-parallel copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parallelism {
    /// Ranks that split each tensor.
    pub tensor: u32,
    /// Stages that split the layers.
    pub pipeline: u32,
    /// Copies of the model.
    pub data: u32,
}

impl Parallelism {
    /// All ranks.
    pub fn ranks(self) -> u32 {
        self.tensor * self.pipeline * self.data
    }
    /// Tensor, pipeline and data index of a rank: `r%T`, `(r/T)%P`, `r/(T*P)`.
    pub fn place(self, rank: u32) -> (u32, u32, u32) {
        (rank % self.tensor, rank / self.tensor % self.pipeline, rank / (self.tensor * self.pipeline))
    }
    /// The rank at a place.
    pub fn rank(self, (tensor, pipeline, data): (u32, u32, u32)) -> u32 {
        tensor + self.tensor * (pipeline + self.pipeline * data)
    }
}

/// `T2P2D2`.
impl std::fmt::Display for Parallelism {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "T{}P{}D{}", self.tensor, self.pipeline, self.data)
    }
}

/// What the data-parallel ranks split (ZeRO, Rajbhandari et al. 2020). Written as its number, `1` or `3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ZeroStage {
    /// The optimiser only: the first copy writes the weights, one object per layer and rank of tensor parallelism.
    One,
    /// Optimiser and weights: every rank writes one object of each.
    Three,
}

impl<'de> Deserialize<'de> for ZeroStage {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match u8::deserialize(input)? {
            1 => Ok(ZeroStage::One),
            3 => Ok(ZeroStage::Three),
            other => Err(serde::de::Error::custom(format!("there is no checkpoint of ZeRO stage {other} here: expected 1 or 3"))),
        }
    }
}

/// `ZeRO-1`.
impl std::fmt::Display for ZeroStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == ZeroStage::One { "ZeRO-1" } else { "ZeRO-3" })
    }
}

/// What an object of a checkpoint holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// All weights of a rank (ZeRO-3).
    Model,
    /// The optimiser's part of a rank.
    Optimizer,
    /// One layer's weights of a rank of tensor parallelism (ZeRO-1).
    Layer,
}

/// One object of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateObject {
    /// What it holds.
    pub kind: ObjectKind,
    /// Its key below the checkpoint's prefix.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The rank that writes it.
    pub rank: u32,
}

/// A model and how it is shared: all that decides a checkpoint's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointShape {
    /// The model.
    pub model: ModelShape,
    /// How the ranks share it.
    pub parallelism: Parallelism,
    /// What the data-parallel ranks split.
    pub zero: ZeroStage,
}

impl CheckpointShape {
    /// Ranks that split a weight tensor further among the copies of the model.
    pub(super) fn copies_split(&self) -> u64 {
        if self.zero == ZeroStage::Three { u64::from(self.parallelism.data) } else { 1 }
    }
    /// Numbers that one rank holds of a tensor; what division leaves over is in no object, as in DLIO.
    pub(super) fn held(&self, (numbers, is_split): (u64, bool)) -> u64 {
        let own = if is_split { numbers / u64::from(self.parallelism.tensor) } else { numbers };
        own / self.copies_split()
    }
    /// The layers of a pipeline stage: the first stage holds the embedding (0), the last one head and norm (L+1, L+2); the first stages
    /// hold one layer more where they do not divide.
    pub(super) fn layers_of(&self, stage: u32) -> std::ops::RangeInclusive<u64> {
        let (layers, stages, stage) = (self.model.layers, u64::from(self.parallelism.pipeline), u64::from(stage));
        let (each, over) = (layers / stages, layers % stages);
        let before = |stage: u64| stage * each + stage.min(over);
        let first = if stage == 0 { 0 } else { before(stage) + 1 };
        let last = if stage + 1 == stages { layers + 2 } else { before(stage + 1) };
        first..=last
    }
    pub(super) fn layer_bytes(&self, layer: u64) -> u64 {
        self.model.tensors(layer).into_iter().map(|tensor| self.held(tensor)).sum::<u64>() * WEIGHT_BYTES
    }
    /// Numbers of each tensor of the optimiser that one rank holds.
    pub(super) fn moment_numbers(&self) -> u64 {
        self.model.parameters() / u64::from(self.parallelism.ranks())
    }
    /// Size of each rank's optimiser object: `4*(3*floor(params/(T*P*D)) + 15h)`.
    pub fn optimizer_bytes(&self) -> u64 {
        MOMENT_BYTES * MOMENTS * (self.moment_numbers() + GROUP_VECTORS * self.model.hidden)
    }
    /// The objects that a rank writes, in the order in which it writes them.
    pub fn objects_of(&self, rank: u32) -> Vec<StateObject> {
        let (tensor, stage, copy) = self.parallelism.place(rank);
        let optimizer = StateObject { kind: ObjectKind::Optimizer, name: optimizer_name(rank), bytes: self.optimizer_bytes(), rank };
        let layers = self.layers_of(stage);
        let mut objects = vec![optimizer];
        match self.zero {
            ZeroStage::Three => {
                let bytes = layers.map(|layer| self.layer_bytes(layer)).sum();
                objects.push(StateObject { kind: ObjectKind::Model, name: model_name(rank), bytes, rank });
            }
            ZeroStage::One if copy == 0 => objects.extend(layers.map(|layer| {
                let name = layer_name(layer, tensor);
                StateObject { kind: ObjectKind::Layer, name, bytes: self.layer_bytes(layer), rank }
            })),
            ZeroStage::One => {}
        }
        objects
    }
    /// Every object of the first `ranks` ranks; of all where it is `None`.
    pub fn objects(&self, ranks: Option<u32>) -> Vec<StateObject> {
        let all = self.parallelism.ranks();
        (0..ranks.unwrap_or(all).min(all)).flat_map(|rank| self.objects_of(rank)).collect()
    }
    /// Bytes of each of the first ranks.
    pub fn bytes_by_rank(&self, ranks: Option<u32>) -> Vec<u64> {
        let all = self.parallelism.ranks();
        (0..ranks.unwrap_or(all).min(all)).map(|rank| self.objects_of(rank).iter().map(|object| object.bytes).sum()).collect()
    }
    /// Bytes of the heaviest rank over the mean rank: how much longer than needed a burst takes that ends at a barrier.
    pub fn skew(&self) -> f64 {
        let ranks = self.bytes_by_rank(None);
        let sum: u64 = ranks.iter().sum();
        ranks.iter().max().map_or(1.0, |most| *most as f64 * ranks.len() as f64 / sum as f64)
    }
    /// What no single number shows.
    ///
    /// # Errors
    /// The reason why no checkpoint has this shape.
    pub fn validate(&self) -> Result<(), String> {
        self.model.validate()?;
        let Parallelism { tensor, pipeline, data } = self.parallelism;
        if [tensor, pipeline, data].contains(&0) {
            return Err("tensor, pipeline and data parallelism must be above 0".to_owned());
        }
        if u64::from(pipeline) > self.model.layers {
            return Err(format!("{pipeline} pipeline stages share {} layers: expected a layer for each", self.model.layers));
        }
        if self.zero == ZeroStage::Three && pipeline > 1 {
            return Err("ZeRO-3 splits the weights among the copies: expected pipeline = 1".to_owned());
        }
        let width = u64::from(tensor) * self.copies_split();
        if self.model.hidden < width || self.moment_numbers() == 0 {
            return Err(format!("{} numbers of width are too few for {}", self.model.hidden, self.parallelism));
        }
        Ok(())
    }
}

/// `T2P2D2 ZeRO-1 h256 L8`.
impl std::fmt::Display for CheckpointShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} h{} L{}", self.parallelism, self.zero, self.model.hidden, self.model.layers)
    }
}

pub(super) fn optimizer_name(rank: u32) -> String {
    format!("optimizer/rank-{rank:05}")
}
pub(super) fn model_name(rank: u32) -> String {
    format!("model/rank-{rank:05}")
}
pub(super) fn layer_name(layer: u64, tensor: u32) -> String {
    format!("model/layer-{layer:05}-of-{tensor:03}")
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
pub(super) mod tests;
