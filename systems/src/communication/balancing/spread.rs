//! Who gets how much, over stretches of many requests: each its share in quiet times, and nobody too much who only
//! fails.

use super::checks::{BALANCED, BLACK_HOLE};
use super::fact::BalancingFact;
use super::options::Config;
use super::policy::Policy;
use sim_core::{Duration, Instant};

/// Requests for each server in a stretch that is judged.
const QUIET: u64 = 100;
const HOLE: u64 = 50;
/// Standard deviations of a random count that are still luck: one stretch in a billion has more.
const LUCK: f64 = 6.0;
/// What taking turns may be off by, among several balancers and while servers come and go.
const TURNS: f64 = 1.25;
/// The shortest time after trouble in which nothing is judged: queues that are still long are a reason to go elsewhere.
const SETTLE: Duration = Duration::millis(200);

/// A rule that was broken: its name, about which server, and what was seen.
type Broken = (&'static str, u32, String);

/// The counts of the stretches under way.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    weights: Vec<u32>,
    /// Whether the policy promises shares, and whether in turns rather than in the mean.
    promises: bool,
    turns: bool,
    settle: Duration,
    /// Members, and whether each was one all the time of this stretch.
    member: Vec<bool>,
    steady: Vec<bool>,
    sent: Vec<u64>,
    total: u64,
    /// Faults and gray servers there are now.
    troubles: u32,
    /// Quiet times begin then.
    quiet_from: Instant,
    /// For black holes: what each got, and failed; whether something kept a server from being ejected.
    ejects: bool,
    got: Vec<u64>,
    erred: Vec<u64>,
    all: u64,
    held: bool,
    /// Stretches judged: quiet ones, and ones with a server that failed.
    judged: [u64; 2],
}

impl Spread {
    pub fn new(config: &Config) -> Self {
        use Policy as P;
        let servers = config.servers() as usize;
        let is_even = config.weights.iter().min() == config.weights.iter().max();
        let turns = matches!(config.policy, P::RoundRobin | P::WeightedRoundRobin);
        let promises = match config.policy {
            P::WeightedRandom | P::WeightedRoundRobin => true,
            P::Random | P::RoundRobin => true,
            // With unequal weights, they give each its share only under load.
            P::LeastConnections | P::PowerOfChoices | P::ShortestQueue | P::CentralQueue => is_even,
            P::PeakEwma | P::BoundedHashing => false,
        };
        let counts_weights = matches!(config.policy, P::WeightedRandom | P::WeightedRoundRobin);
        let members = servers - config.spares as usize;
        let member: Vec<bool> = (0..servers).map(|server| server < members).collect();
        Self {
            weights: if counts_weights { config.weights.to_vec() } else { vec![1; servers] },
            promises: promises && config.subset == 0,
            turns,
            settle: config.slow_start.max(config.attempt_timeout.times(2)).max(SETTLE),
            steady: member.clone(),
            member,
            sent: vec![0; servers],
            total: 0,
            troubles: 0,
            quiet_from: Instant::ZERO,
            ejects: config.ejection.is_some(),
            got: vec![0; servers],
            erred: vec![0; servers],
            all: 0,
            held: false,
            judged: [0; 2],
        }
    }

    pub const fn windows(&self) -> [u64; 2] {
        self.judged
    }

    /// A request is sent to `server`, maybe in panic, which asks bad servers too. `is_in` says whom all balancers
    /// trust: who is out gets no share, and that has not changed in a quiet time.
    #[inline]
    pub fn sent(&mut self, at: Instant, server: u32, panics: bool, is_in: impl Fn(usize) -> bool) -> Option<Broken> {
        let mut broken = None;
        if self.ejects {
            self.held |= panics;
            self.got[server as usize] += 1;
            self.all += 1;
            if self.all >= HOLE * self.got.len() as u64 {
                broken = self.judge_holes();
            }
        }
        if self.promises && self.troubles == 0 && at >= self.quiet_from {
            self.sent[server as usize] += 1;
            self.total += 1;
            if self.total >= QUIET * self.sent.len() as u64 {
                broken = self.judge_shares(is_in).or(broken);
            }
        }
        broken
    }

    fn judge_shares(&mut self, is_in: impl Fn(usize) -> bool) -> Option<Broken> {
        let compared: Vec<usize> =
            (0..self.sent.len()).filter(|server| self.steady[*server] && is_in(*server)).collect();
        let weight: u64 = compared.iter().map(|server| u64::from(self.weights[*server])).sum();
        let total: u64 = compared.iter().map(|server| self.sent[*server]).sum();
        let most = |server: &usize| {
            let share = total as f64 * f64::from(self.weights[*server]) / weight as f64;
            (share, if self.turns { share * TURNS + 1.0 } else { share + LUCK * libm::sqrt(share) })
        };
        let mut broken = None;
        if compared.len() > 1 {
            self.judged[0] += 1;
            let over = compared.iter().find(|server| self.sent[**server] as f64 > most(server).1);
            broken = over.map(|server| {
                let (got, (share, most)) = (self.sent[*server], most(server));
                let detail = format!(
                    "got {got} of {total} requests in a quiet time; its share is {share:.0}, and {most:.0} could be \
                     luck"
                );
                (BALANCED, *server as u32, detail)
            });
        }
        self.restart();
        broken
    }

    fn judge_holes(&mut self) -> Option<Broken> {
        let hole = (0..self.got.len()).find(|server| {
            let others = self.got.iter().enumerate().filter(|(other, _)| other != server);
            let most = others.map(|(_, got)| *got).max().unwrap_or(0);
            self.erred[*server] * 2 >= self.got[*server] && self.got[*server] > 2 * most
        });
        let failed = self.erred.iter().zip(&self.got).any(|(erred, got)| *erred > 0 && erred * 2 >= *got);
        let mut broken = None;
        if !self.held && failed && self.got.len() > 1 {
            self.judged[1] += 1;
            broken = hole.map(|server| {
                let (got, erred, all) = (self.got[server], self.erred[server], self.all);
                (BLACK_HOLE, server as u32, format!("got {got} of {all} requests, and failed {erred} of them"))
            });
        }
        self.got.fill(0);
        self.erred.fill(0);
        self.all = 0;
        self.held = false;
        broken
    }

    fn restart(&mut self) {
        self.sent.fill(0);
        self.total = 0;
        self.steady.clone_from(&self.member);
    }

    /// There is a reason to treat servers differently.
    fn trouble(&mut self, at: Instant) {
        self.quiet_from = at + self.settle;
        self.restart();
    }

    pub fn fault(&mut self, at: Instant, kind: &str, begins: bool) {
        if kind != "membership" {
            self.troubles = if begins { self.troubles + 1 } else { self.troubles.saturating_sub(1) };
            self.trouble(at);
        }
    }

    pub fn noted(&mut self, at: Instant, fact: BalancingFact) {
        use BalancingFact as F;
        match fact {
            F::Joined { server } | F::Left { server } => {
                let member = matches!(fact, F::Joined { .. });
                self.member[server as usize] = member;
                self.steady[server as usize] = false;
            }
            F::Erred { server } => {
                self.erred[server as usize] += 1;
                self.trouble(at);
            }
            F::EjectionHeld { .. } | F::Panicked => {
                self.held = true;
                self.trouble(at);
            }
            F::GaveUp { .. }
            | F::Rejected { .. }
            | F::Refused
            | F::Shed
            | F::Expired
            | F::TurnedGray(_)
            | F::Ejected { .. }
            | F::Returned { .. }
            | F::Calmed
            | F::Opened { .. }
            | F::HalfOpened { .. }
            | F::Closed { .. } => self.trouble(at),
            F::Worked | F::Retried | F::Hedged | F::OutOfBudget | F::Dropped { .. } => {}
        }
    }
}
