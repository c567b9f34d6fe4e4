//! Hand-overs of the lead: one that can succeed must, where nothing goes wrong meanwhile.

use super::calm::Calm;
use sim_core::{Duration, Instant, NodeId};

/// A hand-over under way.
#[derive(Clone, Copy, Debug)]
pub struct HandOver {
    /// Who leads.
    pub from: NodeId,
    /// Who is to lead.
    pub to: NodeId,
    /// When it began.
    pub begun: Instant,
    /// Whether the other one had all it needed then, and nothing was late since.
    feasible: bool,
    /// For how long trouble has after-effects.
    trouble: Duration,
}

/// The memory of them.
#[derive(Clone, Debug, Default)]
pub struct HandOvers {
    under_way: Option<HandOver>,
    /// Those that had to succeed, unless something went wrong.
    pub seen: u64,
}

impl HandOvers {
    /// One begins from the first to the second, who has all it needs if it is `feasible`. It need not succeed unless
    /// all was calm for as long as `trouble` has after-effects: what was lost is sent again, and whoever missed
    /// somebody may be about to come forward.
    pub fn begin(
        &mut self,
        begun: Instant,
        (from, to): (NodeId, NodeId),
        (calm, trouble): (&Calm, Duration),
        feasible: bool,
    ) {
        let feasible = feasible && calm.has_lasted(begun, trouble);
        self.seen += u64::from(feasible);
        self.under_way = Some(HandOver { from, to, begun, feasible, trouble });
    }

    /// A message is sent. To or from who is to lead, one that arrives too late is as good as lost.
    #[inline]
    pub fn sent(&mut self, at: Instant, (from, to): (NodeId, NodeId), arrives: Instant) {
        if let Some(handing) = &mut self.under_way
            && (handing.to == from || handing.to == to)
        {
            handing.feasible &= arrives.since(at) < handing.trouble;
        }
    }

    /// The one under way.
    pub const fn under_way(&self) -> Option<HandOver> {
        self.under_way
    }

    /// It has come to an end.
    pub const fn end(&mut self) {
        self.under_way = None;
    }

    /// It has come to an end, and not to what it should. Gives it back if nothing can excuse that.
    pub fn fail(&mut self, calm: &Calm) -> Option<HandOver> {
        self.under_way.take().filter(|handing| handing.feasible && calm.was_since(handing.begun))
    }
}
