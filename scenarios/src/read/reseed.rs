//! `reseed` of `[scenario]`: where a run gets fresh luck.

use super::measure;
use super::section::Reader;
use crate::scenario::Reseed;
use sim_core::{Duration, Instant};

/// The moments, of a run that lasts for `length`.
pub fn read(tables: &[Reader<'_>], length: Option<Duration>) -> Vec<Reseed> {
    let mut all: Vec<Reseed> = Vec::new();
    for table in tables {
        let (at, seed) = (table.must("at", measure::duration), table.must("seed", measure::seed));
        let Some(at) = at.map(|at| Instant(at.0)) else { continue };
        if let Some(end) = length.map(|length| Instant(length.0)).filter(|end| at >= *end) {
            table.wrong("at", format!("the run is over at {end}"), "nothing is drawn any more: leave this one out");
        }
        if let Some(before) = all.last().filter(|before| at <= before.at) {
            table.wrong("at", format!("this does not come after {}", before.at), "write them in order of time");
        }
        all.extend(seed.map(|seed| Reseed { at, seed }));
    }
    all
}
