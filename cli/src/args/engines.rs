//! The flags of `sweep` for engines of many machines.

use clap::{Args, ValueEnum};
use sim_core::units::DurationText;
use std::path::PathBuf;

/// Flags of `sweep` for many machines.
#[derive(Debug, Args)]
pub struct EmitArgs {
    /// Run nothing: print the sweep as jobs in shards, with the merge after them
    #[arg(long, value_enum, value_name = "ENGINE", conflicts_with = "watch")]
    pub emit: Option<Emit>,
    /// In so many shards
    #[arg(long, value_name = "N", requires = "emit", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub shards: u64,
    /// So many cores a shard
    #[arg(long, value_name = "N", requires = "emit", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub cpus: u16,
    /// So much memory a shard, MiB
    #[arg(long, value_name = "MIB", requires = "emit", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(64..))]
    pub memory: u32,
    /// How often a shard that was killed is tried again
    #[arg(long, value_name = "N", requires = "emit", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=100))]
    pub retries: u32,
    /// Kubernetes: an image with splitbrain and a shell in it
    #[arg(long, value_name = "IMAGE", requires = "emit", default_value = concat!("splitbrain:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// Kubernetes: the claim of a volume that all nodes may write to
    #[arg(long, value_name = "CLAIM", requires = "emit", default_value = "splitbrain-results")]
    pub claim: String,
    /// Run nothing: tell how far the shards in DIR/<name> are until all have finished
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    pub watch: Option<PathBuf>,
    /// Give up when no shard moves for so long
    #[arg(long, value_name = "TIME", requires = "watch", default_value = "10m")]
    pub patience: DurationText,
}

/// What `sweep --emit` writes jobs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// A script that submits a job array to Slurm
    Slurm,
    /// An Indexed Job for Kubernetes
    Kubernetes,
    /// One command a line
    List,
}
