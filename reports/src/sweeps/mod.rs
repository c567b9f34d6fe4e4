//! Sweeps: many runs of one scenario, drawn and written as pages from `summary.json` and the figures of
//! `results.jsonl`.

mod cell;

pub use cell::{Axis, Cell, Figures, Sweep};

pub(crate) use cell::quantile;
