//! The cron table at its leader: what is due by its clock, and what of that is under way.

use super::bugs::SchedulingBug;
use super::command::Change;
use super::message::Kick;
use super::options::{Config, CronMode};
use super::queue::Queue;
use sim_core::sorted::SortedMap;
use sim_core::{LocalInstant, NodeId, Rng};

/// What a node's clock shows when the run begins, if it is right.
const BEGINS: u64 = 1 << 60;

/// What a clock on the wall beside this one would show, in milliseconds since the run began.
#[must_use]
pub fn wall(now: LocalInstant) -> u64 {
    now.0.saturating_sub(BEGINS) / 1_000_000
}

/// A firing that was launched, and is not known to have run.
#[derive(Clone, Copy, Debug)]
struct Launched {
    kick: Kick,
    again_at: LocalInstant,
    ran: bool,
}

/// The firings of a leader.
#[derive(Clone, Debug, Default)]
pub struct Firings {
    /// Of each entry, what it was due when it was last looked at.
    last: Vec<u64>,
    launched: SortedMap<(u8, u64), Launched>,
    launches: u64,
    term: u64,
}

impl Firings {
    /// A leader begins: what was fired is in the log.
    pub fn begin(&mut self, config: &Config, queue: &Queue, term: u64, now: LocalInstant) {
        self.term = term;
        let last = |entry: usize| {
            let logged = queue.fired(entry as u8);
            if config.has(SchedulingBug::CronCountsTwice) {
                return logged.saturating_sub(1);
            }
            if config.has(SchedulingBug::CronCountsFromNow) { logged.max(wall(now)) } else { logged }
        };
        self.last = (0..config.table.entries.len()).map(last).collect();
    }

    fn next(&self, config: &Config, entry: usize) -> u64 {
        let last = self.last[entry];
        let naive = config.has(SchedulingBug::NaiveWallClock);
        if naive { config.table.naive_next(entry, last) } else { config.table.next(entry, last) }
    }

    /// When the next is due, in milliseconds since the run began.
    #[must_use]
    pub fn due(&self, config: &Config) -> Option<u64> {
        (0..self.last.len()).map(|entry| self.next(config, entry)).min()
    }

    /// What is due by now: changes for the log, and launches.
    pub fn look(&mut self, config: &Config, now: LocalInstant, out: &mut Vec<Change>) -> Vec<Kick> {
        let mut kicks = Vec::new();
        let shown = wall(now);
        for entry in 0..self.last.len() {
            loop {
                let due = self.next(config, entry);
                if due > shown {
                    break;
                }
                self.last[entry] = if config.has(SchedulingBug::CronCountsFromNow) { shown } else { due };
                let entry = entry as u8;
                match config.cron_mode {
                    CronMode::Once => out.push(Change::Fire { entry, due, work: Some(config.cron_time) }),
                    CronMode::AtMostOnce => out.push(Change::Fire { entry, due, work: None }),
                    CronMode::AtLeastOnce => {
                        let kick = self.launch(entry, due);
                        self.launched.insert((entry, due), Launched { kick, again_at: now, ran: false });
                    }
                }
            }
        }
        for launched in self.launched.values_mut().filter(|launched| !launched.ran && launched.again_at <= now) {
            launched.again_at = now + config.lease;
            kicks.push(launched.kick);
        }
        kicks
    }

    /// A number that no other launch has.
    pub fn launch(&mut self, entry: u8, due: u64) -> Kick {
        self.launches += 1;
        Kick { entry, due, launch: self.term << 32 | self.launches }
    }

    /// A launch has run: what may be logged now. An entry is logged in the order of its firings, so that a later leader
    /// misses none.
    pub fn ran(&mut self, kick: Kick, out: &mut Vec<Change>) {
        if let Some(launched) = self.launched.get_mut(&(kick.entry, kick.due)) {
            launched.ran = true;
        }
        while let Some(((entry, due), launched)) = self.launched.range((kick.entry, 0)..).next()
            && *entry == kick.entry
            && launched.ran
        {
            let (entry, due) = (*entry, *due);
            out.push(Change::Fire { entry, due, work: None });
            self.launched.remove(&(entry, due));
        }
    }

    /// Whom a launch goes to.
    pub fn worker(workers: &[NodeId], rng: &mut Rng) -> Option<NodeId> {
        rng.pick(workers).copied()
    }
}
