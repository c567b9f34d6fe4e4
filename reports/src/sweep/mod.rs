//! Sweeps: many runs of one scenario, drawn and written as pages from `summary.json` and the figures of `results.jsonl`.

mod cell;
mod pages;

pub use cell::{Axis, Cell, Figures, Sweep};
pub use pages::write;

pub(crate) use cell::quantile;

/// Draws the charts of a sweep.
#[must_use]
pub fn draw(sweep: &Sweep) -> Vec<crate::Chart> {
    crate::charts::sweep::draw(sweep)
}
