//! The active health checks that a balancer has under way.

/// One round of checks.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    round: u32,
    /// Servers that have not answered.
    silent: Vec<u32>,
}

impl Probes {
    /// Begins a round. Gives its number.
    pub fn begin(&mut self, servers: &[u32]) -> u32 {
        self.round = self.round.wrapping_add(1);
        self.silent = servers.to_vec();
        self.round
    }

    /// `server` answers a check of `round`: whether somebody waits for that.
    pub fn answered(&mut self, server: u32, round: u32) -> bool {
        let place = self.silent.iter().position(|silent| *silent == server).filter(|_| round == self.round);
        place.map(|place| self.silent.swap_remove(place)).is_some()
    }

    /// Those who have not answered this round in time.
    pub fn overdue(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.silent)
    }
}
