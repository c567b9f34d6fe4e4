//! A balancer's choice: what it knows of each server, and the policies that look at it.

use super::bugs::BalancingBug;
use super::options::Config;
use super::policy::Policy;
use crate::storage::hashing::key;
use crate::storage::hashing::placement::Placement;
use sim_core::{Duration, LocalInstant, Rng};

/// What a balancer knows of one server.
#[derive(Clone, Debug)]
struct View {
    /// As configured, and as it counts now: less while the server is spared.
    full_weight: u32,
    weight: u32,
    /// Requests sent there and not answered.
    in_flight: u32,
    /// The length of its queue, as it last said, with those it works on.
    told: u32,
    /// The moving average of its answers' times, and when it was last brought up to date.
    average: Duration,
    since: LocalInstant,
    /// How far it is ahead of its turn (smooth weighted round robin).
    credit: i64,
    /// What `in_flight` was when loads were last looked at (only with the bug that looks rarely).
    stale: u32,
}

/// The choice among servers.
#[derive(Clone, Debug)]
pub struct Picker {
    views: Vec<View>,
    /// Servers that may be chosen, in order.
    usable: Vec<u32>,
    /// Whose turn it is: the first usable server from this number on. A number, not a place in the list, which changes.
    turn: u32,
    /// Requests under way, everywhere.
    in_flight: u64,
    /// The sum of the usable servers' weights.
    weight: u64,
    /// Whether they all have the same.
    is_even: bool,
    /// How many turns it takes among the first servers before its first request. Random: balancers that start together
    /// would all begin with the same server.
    head_start: Option<u64>,
    /// How old the loads may be that servers are compared by, and when they were last looked at.
    loads: (Duration, LocalInstant),
}

/// How old loads become with the bug.
const STALE: Duration = Duration::secs(5);

impl Picker {
    pub(super) fn new(config: &Config, now: LocalInstant, rng: &mut Rng) -> Self {
        let view = |weight: &u32| View {
            full_weight: *weight,
            weight: *weight,
            in_flight: 0,
            told: 0,
            average: Duration::ZERO,
            since: now,
            credit: 0,
            stale: 0,
        };
        let age = if config.has(BalancingBug::StaleLoads) { STALE } else { Duration::ZERO };
        Self {
            views: config.weights.iter().map(view).collect(),
            usable: Vec::new(),
            turn: rng.below(u64::from(config.servers()).max(1)) as u32,
            in_flight: 0,
            weight: 0,
            is_even: true,
            head_start: (config.policy == Policy::WeightedRoundRobin).then(|| rng.next_u64()),
            loads: (age, now),
        }
    }

    /// From now on these servers may be chosen, in order, each with this share of its weight in percent.
    pub(super) fn allow(&mut self, config: &Config, usable: Vec<u32>, warmth: impl Fn(u32) -> u64) {
        for server in &usable {
            let view = &mut self.views[*server as usize];
            // Hundredths only where they are needed.
            view.weight = match config.slow_start {
                Duration::ZERO => view.full_weight,
                _ => (u64::from(view.full_weight) * warmth(*server)) as u32,
            };
        }
        let weights = || usable.iter().map(|server| self.views[*server as usize].weight);
        self.weight = weights().map(u64::from).sum();
        self.is_even = weights().min() == weights().max();
        self.usable = usable;
        if let Some(turns) = self.head_start.take_if(|_| !self.usable.is_empty()) {
            let round: u64 = self.usable.iter().map(|server| u64::from(self.views[*server as usize].full_weight)).sum();
            for _ in 0..turns % round {
                self.next_by_weight(None);
            }
        }
        if config.has(BalancingBug::TurnReset) {
            self.turn = 0;
        }
    }

    /// How many servers may be chosen.
    pub(super) const fn choices(&self) -> usize {
        self.usable.len()
    }

    /// Requests under way, everywhere.
    pub(super) const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// A server for a request with this key, or none that may be chosen now. Not `but`, if there is another.
    pub(super) fn pick(
        &mut self,
        config: &Config,
        key: u64,
        but: Option<u32>,
        now: LocalInstant,
        rng: &mut Rng,
    ) -> Option<u32> {
        let n = self.usable.len();
        if n == 0 {
            return None;
        }
        let (age, looked) = self.loads;
        if age != Duration::ZERO && now.since(looked) >= age {
            self.loads.1 = now;
            self.views.iter_mut().for_each(|view| view.stale = view.in_flight);
        }
        match config.policy {
            Policy::Random => Some(self.usable[self.other(self.avoided(but), rng)]),
            Policy::RoundRobin => {
                let at = self.usable.partition_point(|server| *server < self.turn) % n;
                let at = if Some(at) == self.avoided(but) { (at + 1) % n } else { at };
                let server = self.usable[at];
                self.turn = server + 1;
                Some(server)
            }
            Policy::WeightedRandom => Some(self.usable[self.heavy(self.avoided(but).as_slice(), rng)]),
            Policy::WeightedRoundRobin => self.next_by_weight(but),
            Policy::LeastConnections => self.least(but, rng, |view| u64::from(self.load(view))),
            Policy::ShortestQueue => self.least(but, rng, |view| u64::from(view.told)),
            Policy::PowerOfChoices => {
                let cost = |view: &View| u128::from(((u64::from(self.load(view)) + 1) << 32) / u64::from(view.weight));
                self.drawn(config.choices, but, rng, cost)
            }
            Policy::PeakEwma => {
                let cost = |view: &View| view.wait(now, config.half_life) / u128::from(view.weight);
                self.drawn(config.choices, but, rng, cost)
            }
            Policy::BoundedHashing => {
                let ring = config.ring.as_ref()?;
                let key = key::of_number(key);
                let share = u128::from(1_000_000 + u64::from(config.slack_ppm)) * u128::from(self.in_flight + 1);
                let all = 1_000_000 * u128::from(self.weight);
                let mut found = None;
                ring.prefer(key, |node| {
                    let server = node.0;
                    let view = &self.views[server as usize];
                    let most = (share * u128::from(view.weight)).div_ceil(all);
                    let fits = u128::from(view.in_flight) < most && (n == 1 || Some(server) != but);
                    if fits && self.usable.binary_search(&server).is_ok() {
                        found = Some(server);
                    }
                    found.is_none()
                });
                found
            }
            Policy::CentralQueue => {
                let free = |server: &u32| self.views[*server as usize].in_flight < config.workers;
                self.one_of(|server| free(server) && (n == 1 || Some(*server) != but), rng)
            }
        }
    }

    /// The requests under way to a server, as far as this balancer looks.
    fn load(&self, view: &View) -> u32 {
        if self.loads.0 == Duration::ZERO { view.in_flight } else { view.stale }
    }

    /// The place of the server to be avoided, if there is another.
    fn avoided(&self, but: Option<u32>) -> Option<usize> {
        but.filter(|_| self.usable.len() > 1).and_then(|server| self.usable.binary_search(&server).ok())
    }

    /// Any place but that one. The next one instead would have the load of two.
    fn other(&self, avoided: Option<usize>, rng: &mut Rng) -> usize {
        let at = rng.below((self.usable.len() - usize::from(avoided.is_some())) as u64) as usize;
        at + usize::from(avoided.is_some_and(|avoided| at >= avoided))
    }

    /// One of the servers that fit, each as likely as any other. (The first from a random place on would not do: who
    /// comes behind servers that do not fit would have their share as well.)
    fn one_of(&self, fits: impl Fn(&u32) -> bool, rng: &mut Rng) -> Option<u32> {
        let fitting = self.usable.iter().filter(|server| fits(server)).count();
        let chosen = if fitting > 1 { rng.below(fitting as u64) as usize } else { 0 };
        self.usable.iter().copied().filter(|server| fits(server)).nth(chosen)
    }

    /// Whose turn it is by weight: everybody gets its weight in credit, and the one with the most pays for all.
    fn next_by_weight(&mut self, but: Option<u32>) -> Option<u32> {
        for server in &self.usable {
            let view = &mut self.views[*server as usize];
            view.credit += i64::from(view.weight);
        }
        let others = self.usable.iter().copied().filter(|server| self.usable.len() == 1 || Some(*server) != but);
        let best = others.max_by_key(|server| (self.views[*server as usize].credit, core::cmp::Reverse(*server)))?;
        self.views[best as usize].credit -= self.weight as i64;
        Some(best)
    }

    /// The one with the least of something for its weight once it has this request too; ties are fair.
    fn least(&self, but: Option<u32>, rng: &mut Rng, of: impl Fn(&View) -> u64) -> Option<u32> {
        let avoided = self.avoided(but);
        // One without load cannot be beaten where all weigh the same, and this one is as likely as any.
        let first = self.usable[self.other(avoided, rng)];
        if self.is_even && of(&self.views[first as usize]) == 0 {
            return Some(first);
        }
        // Its load with this request, and its weight.
        let costs = |server: u32| {
            let view = &self.views[server as usize];
            (of(view) + 1, u64::from(view.weight))
        };
        let others = self.usable.iter().enumerate().filter(|(at, _)| Some(*at) != avoided);
        // load / weight compared without a division.
        let least = others.map(|(_, server)| costs(*server)).min_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)))?;
        let fits = |server: &u32| {
            let (load, weight) = costs(*server);
            load * least.1 == least.0 * weight && (avoided.is_none() || Some(*server) != but)
        };
        self.one_of(fits, rng)
    }

    /// The cheapest of `count` different ones, drawn at random: each as likely as its weight says.
    fn drawn(&self, count: u32, but: Option<u32>, rng: &mut Rng, cost: impl Fn(&View) -> u128) -> Option<u32> {
        // The places that are taken, in order: first the one to be avoided. Drawn one after the other, so that the
        // first is any of them: the first wins ties, and without load all tie.
        let (mut taken, mut len) = ([0_usize; MOST_CHOICES + 1], 0);
        if let Some(avoided) = self.avoided(but) {
            (taken[0], len) = (avoided, 1);
        }
        let mut best: Option<(u128, u32)> = None;
        for _ in 0..(count as usize).min(self.usable.len() - len).min(MOST_CHOICES) {
            let at = if self.is_even {
                let free = rng.below((self.usable.len() - len) as u64) as usize;
                taken[..len].iter().fold(free, |at, taken| at + usize::from(at >= *taken))
            } else {
                self.heavy(&taken[..len], rng)
            };
            let place = taken[..len].partition_point(|taken| *taken < at);
            taken.copy_within(place..len, place + 1);
            (taken[place], len) = (at, len + 1);
            let server = self.usable[at];
            let cost = cost(&self.views[server as usize]);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, server));
            }
        }
        best.map(|(_, server)| server)
    }

    /// A place drawn by weight, other than those `drawn` already.
    fn heavy(&self, drawn: &[usize], rng: &mut Rng) -> usize {
        let weight = |at: usize| u64::from(self.views[self.usable[at] as usize].weight);
        let rest = self.weight - drawn.iter().map(|at| weight(*at)).sum::<u64>();
        let mut draw = rng.below(rest);
        let mut others = (0..self.usable.len()).filter(|at| !drawn.contains(at));
        let found = others.find(|at| {
            let found = draw < weight(*at);
            draw = draw.wrapping_sub(weight(*at));
            found
        });
        found.expect("the draw is below the sum of the weights")
    }

    /// A request goes to `server`.
    pub(super) fn sent(&mut self, server: u32) {
        self.views[server as usize].in_flight += 1;
        self.in_flight += 1;
    }

    /// One that went there has been answered, or given up.
    pub(super) fn ended(&mut self, server: u32) {
        self.views[server as usize].in_flight -= 1;
        self.in_flight -= 1;
    }

    /// `server` took this long to answer.
    pub(super) fn took(&mut self, config: &Config, server: u32, time: Duration, now: LocalInstant) {
        // Averages are long divisions: not where nobody asks for them.
        if config.policy == Policy::PeakEwma {
            self.views[server as usize].took(time, now, config.half_life);
        }
    }

    /// `server` says how long its queue is.
    pub(super) fn told(&mut self, server: u32, queue: u32) {
        self.views[server as usize].told = queue;
    }
}

/// Servers drawn for one request, at most.
pub const MOST_CHOICES: usize = 16;

impl View {
    /// `average` as it has faded since: halved each half-life, along a straight line between.
    fn faded(&self, now: LocalInstant, half_life: Duration) -> Duration {
        let passed = now.since(self.since).0;
        let half_life = half_life.0.max(1);
        let halves = (passed / half_life).min(63);
        let (from, part) = (self.average.0 >> halves, passed % half_life);
        Duration(from - (u128::from(from / 2) * u128::from(part) / u128::from(half_life)) as u64)
    }

    /// Jumps up to a longer time at once, comes down to a shorter one slowly.
    fn took(&mut self, time: Duration, now: LocalInstant, half_life: Duration) {
        self.average = self.faded(now, half_life).max(time);
        self.since = now;
    }

    /// How long a request would wait there, in nanoseconds, as far as one can guess.
    fn wait(&self, now: LocalInstant, half_life: Duration) -> u128 {
        u128::from(self.faded(now, half_life).0) * u128::from(self.in_flight + 1)
    }
}
