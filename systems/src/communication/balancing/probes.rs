//! The active health checks that a balancer has under way.

use super::message::CheckRound;
use crate::shared::number::Counts;

/// One round of checks.
#[derive(Clone, Debug)]
pub(super) struct Probes {
    round: CheckRound,
    /// Servers that have not answered.
    silent: Vec<u32>,
}

impl Probes {
    /// None yet; rounds are numbered from behind `round`, which is random, so that no answer to a check before a crash
    /// counts.
    pub const fn new(round: CheckRound) -> Self {
        Self { round, silent: Vec::new() }
    }

    /// Begins a round. Gives its number.
    pub fn begin(&mut self, servers: &[u32]) -> CheckRound {
        self.silent = servers.to_vec();
        self.round.advance()
    }

    /// `server` answers a check of `round`: whether somebody waits for that.
    pub fn answered(&mut self, server: u32, round: CheckRound) -> bool {
        let place = self.silent.iter().position(|silent| *silent == server).filter(|_| round == self.round);
        place.map(|place| self.silent.swap_remove(place)).is_some()
    }

    /// Those who have not answered this round in time.
    pub fn overdue(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.silent)
    }
}
