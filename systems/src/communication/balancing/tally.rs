//! How operations ended, counted by the time they began, so that the measured part of a run can be told from the rest.

use super::fact::Reason;
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Duration, Instant};

/// The length of one count.
const SLICE: Duration = Duration::millis(100);

/// Operations that began in one slice of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    pub ended: u64,
    pub served: u64,
    /// What those that were served took together, in nanoseconds.
    pub took: u128,
    /// Those that were not served, by reason; `None` if no balancer has said why.
    pub errors: SortedMap<Option<Reason>, u64>,
}

/// All operations.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    slices: Vec<Slice>,
    /// What balancers last said of operations that have not ended.
    refused: SortedMap<(ClientId, u64), Reason>,
}

impl Tally {
    /// A balancer gave up a try of this operation.
    pub fn refused(&mut self, client: ClientId, op: u64, why: Reason) {
        self.refused.insert((client, op), why);
    }

    /// An operation has ended.
    pub fn returned(&mut self, client: ClientId, op: u64, invoked: Instant, at: Instant, served: bool) {
        let why = if self.refused.is_empty() { None } else { self.refused.remove(&(client, op)) };
        let slice = (invoked.0 / SLICE.0) as usize;
        if slice >= self.slices.len() {
            self.slices.resize_with(slice + 1, Slice::default);
        }
        let slice = &mut self.slices[slice];
        slice.ended += 1;
        if served {
            slice.served += 1;
            slice.took += u128::from(at.since(invoked).0);
        } else {
            *slice.errors.entry(why).or_default() += 1;
        }
    }

    /// Everything that began from `from` up to `to`, to a tenth of a second.
    pub fn between(&self, from: Instant, to: Instant) -> Slice {
        let (from, to) = ((from.0 / SLICE.0) as usize, to.0.div_ceil(SLICE.0) as usize);
        let slices = self.slices.iter().take(to).skip(from);
        slices.fold(Slice::default(), |mut sum, slice| {
            sum.ended += slice.ended;
            sum.served += slice.served;
            sum.took += slice.took;
            for (why, count) in &slice.errors {
                *sum.errors.entry(*why).or_default() += count;
            }
            sum
        })
    }
}
