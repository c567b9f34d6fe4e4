//! Which servers a balancer may ask: members of its subset, trusted by health checks and by what became of requests, or
//! all of them in panic; and none whose circuit is open.

use super::bugs::BalancingBug;
use super::fact::BalancingFact;
use super::host::Host;
use super::options::Config;
use super::subset::subset;
use sim_core::{Duration, LocalInstant};

const MILLION: u64 = 1_000_000;

/// A circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    Closed,
    /// Until then.
    Open(LocalInstant),
    /// Whether somebody is trying it.
    HalfOpen(bool),
}

/// What is known of one server.
#[derive(Clone, Debug)]
struct Endpoint {
    /// What the last health checks said, and how many in a row have said otherwise.
    healthy: bool,
    against: u32,
    /// Failures in a row, for ejection and for the circuit.
    failures: [u32; 2],
    /// Until when it is ejected.
    ejected: Option<LocalInstant>,
    /// How often it was, lately.
    ejections: u32,
    /// Since when it has been in, if it ever was out or unknown.
    since: Option<LocalInstant>,
    circuit: Circuit,
}

impl Endpoint {
    const fn new() -> Self {
        Self {
            healthy: true,
            against: 0,
            failures: [0; 2],
            ejected: None,
            ejections: 0,
            since: None,
            circuit: Circuit::Closed,
        }
    }

    const fn is_in(&self) -> bool {
        self.healthy && self.ejected.is_none()
    }
}

/// The servers as one balancer sees them.
#[derive(Clone, Debug)]
pub struct Endpoints {
    all: Vec<Endpoint>,
    /// Members of the cluster that are in this balancer's subset, in order.
    mine: Vec<u32>,
    panicked: bool,
    /// Something has changed that decides who may be asked.
    stale: bool,
}

impl Endpoints {
    /// All of them, and nobody's.
    pub fn new(config: &Config) -> Self {
        Self { all: vec![Endpoint::new(); config.servers() as usize], mine: Vec::new(), panicked: false, stale: true }
    }

    /// The servers are these now; balancer number `me` uses its part of them.
    pub fn members(&mut self, config: &Config, members: &[u32], me: u32, first: bool, fx: &mut impl Host) {
        let mine = subset(members, me, config.subset);
        if !first {
            for server in self.mine.iter().filter(|server| !mine.contains(server)) {
                fx.note(BalancingFact::Left { server: *server });
                self.all[*server as usize] = Endpoint::new();
            }
            for server in mine.iter().filter(|server| !self.mine.contains(server)) {
                fx.note(BalancingFact::Joined { server: *server });
                self.all[*server as usize] = Endpoint { since: Some(fx.now()), ..Endpoint::new() };
            }
        }
        self.stale |= first || mine != self.mine;
        self.mine = mine;
    }

    /// Whether it uses this server. What one still answers that has left is no news of anybody.
    fn has(&self, server: u32) -> bool {
        self.mine.binary_search(&server).is_ok()
    }

    /// The members this balancer uses.
    pub fn mine(&self) -> &[u32] {
        &self.mine
    }

    /// How many of those are ejected for what became of requests.
    pub fn ejected(&self) -> usize {
        self.mine.iter().filter(|server| self.all[**server as usize].ejected.is_some()).count()
    }

    /// Who may be asked, if that may have changed since the last time.
    pub fn changed(&mut self, config: &Config, fx: &mut impl Host) -> Option<Vec<u32>> {
        if !core::mem::take(&mut self.stale) {
            return None;
        }
        let good: Vec<u32> = self.mine.iter().copied().filter(|server| self.all[*server as usize].is_in()).collect();
        let panic = (good.len() as u64 * MILLION) < u64::from(config.panic_below_ppm) * self.mine.len() as u64
            && !config.has(BalancingBug::NoPanicThreshold);
        if panic != self.panicked {
            self.panicked = panic;
            fx.note(if panic { BalancingFact::Panicked } else { BalancingFact::Calmed });
        }
        let mut usable = if panic { self.mine.clone() } else { good };
        usable
            .retain(|server| matches!(self.all[*server as usize].circuit, Circuit::Closed | Circuit::HalfOpen(false)));
        Some(usable)
    }

    /// Whether open circuits are the only reason why nobody may be asked.
    pub fn is_cut(&self) -> bool {
        let asked = |server: &u32| self.panicked || self.all[*server as usize].is_in();
        self.mine.iter().any(asked)
    }

    /// A request goes to `server`.
    pub fn sent(&mut self, config: &Config, server: u32) {
        if config.breaker.is_none() || !self.has(server) {
            return;
        }
        let endpoint = &mut self.all[server as usize];
        if endpoint.circuit == Circuit::HalfOpen(false) {
            endpoint.circuit = Circuit::HalfOpen(true);
            self.stale = true;
        }
    }

    /// `server` has served a request.
    pub fn served(&mut self, config: &Config, server: u32, fx: &mut impl Host) {
        if (config.breaker.is_none() && config.ejection.is_none()) || !self.has(server) {
            return;
        }
        let endpoint = &mut self.all[server as usize];
        endpoint.failures = [0; 2];
        if matches!(endpoint.circuit, Circuit::HalfOpen(_)) {
            endpoint.circuit = Circuit::Closed;
            self.stale = true;
            fx.note(BalancingFact::Closed { server });
        }
    }

    /// `server` has neither served a request nor failed to: its circuit may be tried with another.
    pub fn undecided(&mut self, server: u32, fx: &mut impl Host) {
        let endpoint = &mut self.all[server as usize];
        if endpoint.circuit == Circuit::HalfOpen(true) {
            endpoint.circuit = Circuit::HalfOpen(false);
            self.stale = true;
            fx.note(BalancingFact::HalfOpened { server });
        }
    }

    /// `server` has not served a request. A full queue is no reason to eject a server: the others would be full soon.
    pub fn failed(&mut self, config: &Config, server: u32, overload: bool, fx: &mut impl Host) {
        if !self.has(server) {
            return;
        }
        let now = fx.now();
        if let Some(breaker) = config.breaker {
            let endpoint = &mut self.all[server as usize];
            endpoint.failures[1] += 1;
            let opens = match endpoint.circuit {
                Circuit::Closed => endpoint.failures[1] >= breaker.failures,
                Circuit::HalfOpen(_) => true,
                Circuit::Open(_) => false,
            };
            if opens {
                endpoint.circuit = Circuit::Open(now + breaker.open);
                endpoint.failures[1] = 0;
                self.stale = true;
                fx.note(BalancingFact::Opened { server });
            }
        }
        let Some(ejection) = config.ejection.filter(|_| !overload) else { return };
        let endpoint = &mut self.all[server as usize];
        endpoint.failures[0] += 1;
        if endpoint.failures[0] < ejection.after || endpoint.ejected.is_some() {
            return;
        }
        endpoint.failures[0] = 0;
        let out = self.ejected() as u64;
        let most = (u64::from(ejection.most_ppm) * self.mine.len() as u64 / MILLION).max(1);
        if out >= most {
            fx.note(BalancingFact::EjectionHeld { server });
            return;
        }
        let endpoint = &mut self.all[server as usize];
        // Good behaviour counts: one ejection is forgotten for each such time without.
        let well = endpoint.since.map_or(0, |since| now.since(since).0 / ejection.lasts.0);
        let before = u64::from(endpoint.ejections).saturating_sub(well);
        endpoint.ejections = before as u32 + 1;
        let lasts = ejection.lasts.times(before + 1).min(ejection.longest);
        let was_in = endpoint.is_in();
        endpoint.ejected = Some(now + lasts);
        self.stale = true;
        if was_in {
            fx.note(BalancingFact::Ejected { server, checked: false });
        }
    }

    /// A health check of `server` went well or did not.
    pub fn checked(&mut self, config: &Config, server: u32, well: bool, fx: &mut impl Host) {
        let Some(checks) = config.health.filter(|_| self.has(server)) else { return };
        let endpoint = &mut self.all[server as usize];
        if endpoint.healthy == well {
            endpoint.against = 0;
            return;
        }
        endpoint.against += 1;
        if endpoint.against < if well { checks.healthy } else { checks.unhealthy } {
            return;
        }
        endpoint.against = 0;
        let was_in = endpoint.is_in();
        endpoint.healthy = well;
        self.stale = true;
        if was_in {
            fx.note(BalancingFact::Ejected { server, checked: true });
        } else if endpoint.is_in() {
            endpoint.since = Some(fx.now());
            endpoint.failures = [0; 2];
            fx.note(BalancingFact::Returned { server });
        }
    }

    /// When something is due next: an ejection ends, a circuit may be tried.
    pub fn next(&self) -> Option<LocalInstant> {
        let due = |endpoint: &Endpoint| {
            let open = if let Circuit::Open(until) = endpoint.circuit { Some(until) } else { None };
            open.into_iter().chain(endpoint.ejected).min()
        };
        self.all.iter().filter_map(due).min()
    }

    /// Does what is due.
    pub fn on_timer(&mut self, fx: &mut impl Host) {
        let now = fx.now();
        for (server, endpoint) in (0..).zip(&mut self.all) {
            if endpoint.ejected.is_some_and(|until| until <= now) {
                endpoint.ejected = None;
                endpoint.failures[0] = 0;
                self.stale = true;
                if endpoint.is_in() {
                    endpoint.since = Some(now);
                    fx.note(BalancingFact::Returned { server });
                }
            }
            if let Circuit::Open(until) = endpoint.circuit
                && until <= now
            {
                endpoint.circuit = Circuit::HalfOpen(false);
                self.stale = true;
                fx.note(BalancingFact::HalfOpened { server });
            }
        }
    }

    /// What share of its weight a server has by now, in percent: it is spared for a while after it came (back).
    pub fn warmth(&self, server: u32, slow_start: Duration, now: LocalInstant) -> u64 {
        let Some(since) = self.all[server as usize].since else { return 100 };
        let passed = now.since(since);
        if passed >= slow_start { 100 } else { (passed.0 * 100 / slow_start.0).max(10) }
    }

    /// The weights of servers that are being spared are to be looked at again.
    pub const fn warm(&mut self) {
        self.stale = true;
    }

    /// Servers that are being spared.
    pub fn is_warming(&self, slow_start: Duration, now: LocalInstant) -> bool {
        slow_start != Duration::ZERO && self.mine.iter().any(|server| self.warmth(*server, slow_start, now) < 100)
    }
}
