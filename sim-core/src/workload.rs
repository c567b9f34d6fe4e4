//! Generated load: when operations arrive and what they touch. Systems turn each [`Op`] into their own request.

use crate::{Client, Duration, Instant, Move, Node, Outcome, Probability, Rng};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Whether an operation may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It changes nothing.
    Read,
    /// It may.
    Write,
}

/// What a generated operation wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Read a key.
    Get,
    /// Set a key.
    Put,
    /// Add to the end of a key's value.
    Append,
    /// Set a key if it has the value this client last saw there. Which key and which value that is, the system's client
    /// knows; the key that is drawn is for one that has seen nothing yet.
    Cas,
    /// Remove a key.
    Delete,
}

/// A kind of operation that a system names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationKind {
    /// What files call it, in the `mix` of a workload.
    pub name: &'static str,
    /// Whether it may change something.
    pub class: Class,
    /// What it does, in one sentence.
    pub about: &'static str,
}

impl OperationKind {
    /// One that changes nothing.
    #[must_use]
    pub const fn read(name: &'static str, about: &'static str) -> Self {
        Self { name, class: Class::Read, about }
    }

    /// One that may change something.
    #[must_use]
    pub const fn write(name: &'static str, about: &'static str) -> Self {
        Self { name, class: Class::Write, about }
    }
}

/// The operations of a system that names none of its own: those of a key-value store.
pub const VERBS: &[OperationKind] = &[
    OperationKind::read("get", "reads a key"),
    OperationKind::write("put", "sets a key"),
    OperationKind::write("append", "adds to the end of a key's value"),
    OperationKind::write("cas", "sets a key if it has the value this client last saw there"),
    OperationKind::write("delete", "removes a key"),
];

/// One generated operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Which of the system's [`OPERATIONS`](crate::System::OPERATIONS) it is; of [`VERBS`] if it names none.
    pub kind: u16,
    /// What to do; for a system with operations of its own, to get or to put, as the operation's class is.
    pub verb: Verb,
    /// On which key.
    pub key: u64,
    /// A number unique in the run, to write, so that every written value can be told apart.
    pub unique: u64,
    /// How large a written value is, in bytes.
    pub size: u32,
}

/// From a time on, operations arrive at this rate, or at one that grows or falls evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// From when.
    pub from: Instant,
    /// The mean gap between operations; 0 means that none arrive.
    pub gap: Duration,
    /// At which time the rate has evenly become that of which mean gap.
    pub ramp: Option<(Instant, Duration)>,
}

impl From<(Instant, Duration)> for Stage {
    fn from((from, gap): (Instant, Duration)) -> Self {
        Self { from, gap, ramp: None }
    }
}

impl Stage {
    /// The next arrival after `at`, if this stage went on for ever; `None` if it has no more.
    fn next(&self, at: Instant, rng: &mut Rng) -> Option<Instant> {
        match self.ramp {
            None if self.gap == Duration::ZERO => None,
            None => Some(at + crate::network::exponential(self.gap, rng.next_u32())),
            Some((until, end_gap)) => {
                // The expected number of arrivals up to a time is a parabola; the next arrival is where it has grown by
                // an exponential draw. Sums, products and square roots are the same bits on every machine.
                const ONE: u64 = 1 << 40;
                let draw = crate::network::exponential(Duration(ONE), rng.next_u32()).0 as f64 / ONE as f64;
                let rate = |gap: Duration| if gap == Duration::ZERO { 0.0 } else { 1.0 / gap.0 as f64 };
                let slope = (rate(end_gap) - rate(self.gap)) / until.since(self.from).0.max(1) as f64;
                let now = rate(self.gap) + slope * at.since(self.from).0 as f64;
                let square = now * now + 2.0 * slope * draw;
                // A rate that falls to nothing may have no arrival left.
                let gap = if square < 0.0 { return None } else { 2.0 * draw / (now + libm::sqrt(square)) };
                gap.is_finite().then(|| at + Duration((gap as u64).max(1)))
            }
        }
    }
}

/// When operations arrive.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// Poisson arrivals whatever the answers, in stages in order of time.
    Open(Arc<[Stage]>),
    /// `outstanding` operations at a time, each `think` after the last answer.
    Closed {
        /// How long after an answer the next one starts.
        think: Duration,
        /// How many are in flight at once.
        outstanding: u32,
    },
    /// One operation at `phase`, `phase + every`, ... : the probe grid.
    Grid {
        /// Between operations.
        every: Duration,
        /// The first one.
        phase: Duration,
    },
}

/// Which keys are touched.
#[derive(Clone, Debug)]
pub enum Keys {
    /// All of `0..count` equally.
    Uniform {
        /// How many keys there are.
        count: u64,
    },
    /// By a table of `count` cumulative weights out of 2^32, the most popular key first (see [`Keys::zipf`]).
    Weighted(Arc<[u32]>),
    /// The first `hot` of `0..count` take `share` of the operations.
    Hotspot {
        /// How many keys there are, hot ones included.
        count: u64,
        /// How many are hot.
        hot: u64,
        /// Share of the operations that go to them.
        share: Probability,
    },
    /// Always this one.
    Single(u64),
    /// One after another, from the first again after the last: what touches every shard in turn.
    InTurn(Arc<[u64]>),
}

impl Keys {
    /// Zipf popularity: the k-th key has weight 1 / k^s. The table is built once, with a libm that is the same
    /// everywhere.
    #[must_use]
    pub fn zipf(count: u64, s: f64) -> Self {
        let weights: Vec<f64> = (1..=count).map(|k| libm::pow(k as f64, -s)).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let table = weights.iter().map(|w| {
            sum += w;
            (sum / total * 4_294_967_295.0) as u32
        });
        Self::Weighted(table.collect())
    }

    /// The key of operation number `number`.
    fn pick(&self, number: u64, rng: &mut Rng) -> u64 {
        match self {
            Self::Uniform { count } => rng.below(*count),
            Self::Weighted(table) => {
                let draw = rng.next_u32();
                (table.partition_point(|w| *w < draw) as u64).min(table.len() as u64 - 1)
            }
            Self::Hotspot { count, hot, share } => {
                let is_hot = rng.chance(*share);
                if is_hot { rng.below(*hot) } else { hot + rng.below(count - hot) }
            }
            Self::Single(key) => *key,
            Self::InTurn(keys) => keys[(number % keys.len() as u64) as usize],
        }
    }
}

/// Which operations are asked for, how often.
#[derive(Clone, Debug)]
pub enum Mix {
    /// Those of a key-value store.
    Verbs {
        /// Share of operations that are reads.
        reads: Probability,
        /// Share of the writes that are appends.
        appends: Probability,
        /// Share of the remaining writes that are compare-and-set.
        cas: Probability,
        /// Share of the writes that are left that are deletes.
        deletes: Probability,
    },
    /// By their weights, each with the sum of those before it and its own.
    Weights(Arc<[(u64, u16, Verb)]>),
}

impl Mix {
    /// Reads, and writes that set a key.
    #[must_use]
    pub const fn reads(reads: Probability) -> Self {
        let never = Probability::NEVER;
        Self::Verbs { reads, appends: never, cas: never, deletes: never }
    }

    /// Operations of a system that names these, [`VERBS`] if none: which, and how much each weighs.
    ///
    /// # Panics
    /// If all weigh nothing, or there is no such operation.
    #[must_use]
    pub fn weighted(operations: &'static [OperationKind], weights: &[(u16, u32)]) -> Self {
        const OF_STORE: [Verb; VERBS.len()] = [Verb::Get, Verb::Put, Verb::Append, Verb::Cas, Verb::Delete];
        let verb = |kind: u16| match operations.get(usize::from(kind)).map(|operation| operation.class) {
            None if operations.is_empty() => OF_STORE[usize::from(kind)],
            None => panic!("operation {kind} of {}", operations.len()),
            Some(Class::Read) => Verb::Get,
            Some(Class::Write) => Verb::Put,
        };
        let mut sum = 0;
        let part = |(kind, weight): &(u16, u32)| {
            sum += u64::from(*weight);
            (sum, *kind, verb(*kind))
        };
        let parts: Arc<[_]> = weights.iter().map(part).collect();
        assert!(sum > 0, "a mix of nothing");
        Self::Weights(parts)
    }

    /// Whether there are compare-and-sets among them.
    #[must_use]
    pub fn compares(&self) -> bool {
        match self {
            Self::Verbs { cas, .. } => !cas.is_never(),
            Self::Weights(parts) => parts.iter().any(|(.., verb)| *verb == Verb::Cas),
        }
    }

    /// The next operation: its kind, and the verb.
    fn pick(&self, rng: &mut Rng) -> (u16, Verb) {
        match self {
            Self::Verbs { reads, appends, cas, .. } => {
                // The same draws whatever the mix, so that changing one share does not shift the others' luck.
                let (is_read, is_append, is_cas) = (rng.chance(*reads), rng.chance(*appends), rng.chance(*cas));
                let verb = match (is_read, is_append, is_cas) {
                    (true, ..) => Verb::Get,
                    (false, true, _) => Verb::Append,
                    (false, false, true) => Verb::Cas,
                    (false, false, false) => Verb::Put,
                };
                (verb as u16, verb)
            }
            Self::Weights(parts) => {
                let draw = rng.below(parts.last().map_or(0, |(sum, ..)| *sum));
                let (_, kind, verb) = parts[parts.partition_point(|(sum, ..)| *sum <= draw)];
                (kind, verb)
            }
        }
    }
}

/// One group of clients' load, shared by its clients.
#[derive(Clone, Debug)]
pub struct Load {
    /// When operations arrive, per client.
    pub arrival: Arrival,
    /// Which operations.
    pub mix: Mix,
    /// Which keys.
    pub keys: Keys,
    /// Size of written values, in bytes.
    pub value_size: u32,
    /// No operation starts before this.
    pub start: Instant,
    /// No operation starts at or after this.
    pub stop: Instant,
    /// Makes `Op::unique` unique over all clients: the client's number in the upper 24 bits.
    pub tag: u64,
}

/// A client that draws its operations from a [`Load`], and asks `request` to make a system's request of each.
#[derive(Clone, Debug)]
pub struct Generated<N: Node> {
    load: Load,
    request: fn(&Op) -> N::Request,
    issued: u64,
    outstanding: u32,
    /// When the next operation is due; `None` before the first draw.
    due: Option<Instant>,
    /// Completions whose think time is running: when each slot may issue again, soonest first.
    thinking: VecDeque<Instant>,
}

impl<N: Node> Generated<N> {
    /// A client with `load`.
    #[must_use]
    pub const fn new(load: Load, request: fn(&Op) -> N::Request) -> Self {
        Self { load, request, issued: 0, outstanding: 0, due: None, thinking: VecDeque::new() }
    }

    fn op(&mut self, rng: &mut Rng) -> Op {
        let load = &self.load;
        let (kind, verb) = load.mix.pick(rng);
        let mut op = Op {
            kind,
            verb,
            key: load.keys.pick(self.issued, rng),
            unique: load.tag << 40 | self.issued,
            size: load.value_size,
        };
        // Drawn last and only where there are any, so that a load without deletes is what it was before there were
        // some.
        if let Mix::Verbs { deletes, .. } = load.mix
            && !deletes.is_never()
            && rng.chance(deletes)
            && verb == Verb::Put
        {
            (op.kind, op.verb) = (Verb::Delete as u16, Verb::Delete);
        }
        self.issued += 1;
        self.outstanding += 1;
        op
    }

    /// The next Poisson arrival strictly after `now`, under the stage that holds at each moment.
    fn arrival(stages: &[Stage], now: Instant, rng: &mut Rng) -> Option<Instant> {
        let mut at = now;
        loop {
            let stage = stages.partition_point(|stage| stage.from <= at).checked_sub(1);
            let end = stages.get(stage.map_or(0, |s| s + 1)).map_or(Instant::FAR, |stage| stage.from);
            if let Some(next) = stage.and_then(|s| stages[s].next(at, rng))
                && next < end
            {
                return Some(next);
            }
            if end == Instant::FAR {
                return None;
            }
            // Memorylessness: an arrival that falls past the stage's end is drawn afresh from there.
            at = end;
        }
    }
}

impl<N: Node> Client<N> for Generated<N> {
    fn next(&mut self, now: Instant, rng: &mut Rng) -> Move<N::Request> {
        if now >= self.load.stop {
            return Move::Stop;
        }
        if now < self.load.start {
            return Move::Sleep(self.load.start);
        }
        match &self.load.arrival {
            Arrival::Open(stages) => {
                let due = self.due.or_else(|| Self::arrival(stages, now, rng));
                self.due = due;
                match due {
                    None => Move::Await,
                    Some(due) if due > now => Move::Sleep(due),
                    Some(due) => {
                        self.due = Self::arrival(stages, due, rng);
                        Move::Issue((self.request)(&self.op(rng)))
                    }
                }
            }
            &Arrival::Closed { outstanding, .. } => {
                if self.outstanding >= outstanding {
                    return Move::Await;
                }
                // Each free slot beyond those still thinking may issue at once.
                let free = outstanding - self.outstanding;
                if (self.thinking.len() as u32) < free {
                    return Move::Issue((self.request)(&self.op(rng)));
                }
                match self.thinking.front().copied() {
                    Some(ready) if ready > now => Move::Sleep(ready),
                    _ => {
                        self.thinking.pop_front();
                        Move::Issue((self.request)(&self.op(rng)))
                    }
                }
            }
            &Arrival::Grid { every, phase } => {
                let first = Instant::ZERO + phase;
                let due = *self.due.get_or_insert_with(|| {
                    let behind = now.since(first).0.div_ceil(every.0);
                    first + every.times(behind)
                });
                if due > now {
                    return Move::Sleep(due);
                }
                self.due = Some(due + every);
                Move::Issue((self.request)(&self.op(rng)))
            }
        }
    }

    fn done(&mut self, now: Instant, _op: u64, _outcome: &Outcome<N::Response>) {
        self.outstanding -= 1;
        if let Arrival::Closed { think, .. } = self.load.arrival
            && think != Duration::ZERO
        {
            // Thinks all last equally long, so the newest ends last.
            self.thinking.push_back(now + think);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Purpose;

    #[test]
    fn weights_are_kept_and_verbs_follow_the_class() {
        const OF_LOCKS: &[OperationKind] =
            &[OperationKind::write("acquire", "takes"), OperationKind::read("holder", "tells who has it")];
        let mut rng = Rng::stream(7, Purpose::Client, 0);
        let mut count = |mix: &Mix| {
            let mut counts = [0_u32; 5];
            for _ in 0..10_000 {
                let (kind, verb) = mix.pick(&mut rng);
                counts[usize::from(kind)] += 1;
                assert!(kind != 1 || matches!(mix, Mix::Weights(parts) if parts.len() > 2) || verb == Verb::Get);
            }
            counts
        };
        let [acquire, holder, ..] = count(&Mix::weighted(OF_LOCKS, &[(1, 1), (0, 3)]));
        assert!((7_300..7_700).contains(&acquire) && acquire + holder == 10_000, "{acquire} of 10,000");
        let [get, put, append, cas, delete] = count(&Mix::weighted(&[], &[(0, 1), (1, 0), (4, 1), (2, 2)]));
        assert_eq!((put, cas, get + append + delete), (0, 0, 10_000));
        assert!((4_800..5_200).contains(&append), "{append} of 10,000");
        assert_eq!(VERBS[Verb::Delete as usize].name, "delete");
    }

    #[test]
    fn hot_keys_take_their_share_and_no_more() {
        let keys = Keys::Hotspot { count: 1000, hot: 10, share: Probability::per_billion(900_000_000) };
        let mut rng = Rng::stream(7, Purpose::Client, 0);
        let mut counts = vec![0_u32; 1000];
        (0..100_000).for_each(|_| counts[keys.pick(0, &mut rng) as usize] += 1);
        let hot: u32 = counts[..10].iter().sum();
        assert!((89_500..90_500).contains(&hot), "{hot} of 100,000");
        // 9,000 each of the hot, 10 each of the cold.
        assert!(counts[..10].iter().all(|n| (8_500..9_500).contains(n)), "{:?}", &counts[..10]);
        assert!(counts[10..].iter().all(|n| *n < 40), "a cold key is hot");
    }
}
