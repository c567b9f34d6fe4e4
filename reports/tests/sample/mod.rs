//! Makes records of runs that never happened, with known outages, for tests and the gallery. Deterministic.

#![allow(dead_code)] // each test and the gallery use a part

use sim_core::record::{
    Comparison, Expectation, FaultRecord, Mark, NodeRecord, OpRecord, PhaseRecord, ProbeLoad, Ruling, RunRecord,
    SCHEMA_VERSION, VerdictRecord,
};
use sim_core::{Class, Fate};

pub mod cases;
pub mod measured;

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000_000_000;

/// SplitMix64: enough randomness for made-up latencies.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// Exponential-ish with this mean, by the logarithm of the leading zeros and a uniform part: no libm needed.
    pub fn latency(&mut self, base: u64, mean: u64) -> u64 {
        let halvings = u64::from((self.next() | 1 << 40).leading_zeros());
        base + mean * halvings * 7 / 10 + self.below(mean)
    }
}

/// What to make up.
#[derive(Clone)]
pub struct Sample {
    pub name: &'static str,
    pub title: &'static str,
    pub duration_ns: u64,
    pub warmup_ns: u64,
    /// Workload operations a second.
    pub rate: u64,
    pub probe_every_ns: u64,
    pub timeout_ns: u64,
    /// Fastest read.
    pub base_ns: u64,
    /// What is added on average.
    pub mean_ns: u64,
    pub nodes: u64,
    /// Times in which nothing is served.
    pub outages: Vec<(u64, u64)>,
    /// Kind, label, hit node, start, end, bit.
    pub faults: Vec<(&'static str, &'static str, u32, u64, u64, bool)>,
    pub seed: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            name: "sample",
            title: "A run that never happened",
            duration_ns: 60 * S,
            warmup_ns: 2 * S,
            rate: 400,
            probe_every_ns: 20 * MS,
            timeout_ns: 100 * MS,
            base_ns: MS,
            mean_ns: MS,
            nodes: 5,
            outages: Vec::new(),
            faults: Vec::new(),
            seed: 42,
        }
    }
}

impl Sample {
    /// The record, its operations in order of their end.
    pub fn record(&self) -> RunRecord {
        let mut dice = Dice(self.seed);
        let to = self.duration_ns.saturating_sub(2 * S).max(self.warmup_ns);
        let zones: Vec<String> = ["a", "b", "c"].iter().map(|z| (*z).to_owned()).collect();
        let mut record = RunRecord {
            schema_version: SCHEMA_VERSION,
            scenario: self.name.into(),
            title: self.title.into(),
            system: "raft".into(),
            seed: self.seed,
            digest: format!("{:016x}", Dice(self.seed ^ 99).next()),
            simulated_ns: self.duration_ns,
            measure_from_ns: self.warmup_ns,
            measure_to_ns: to,
            window_ns: 100 * MS,
            timeout_ns: self.timeout_ns,
            probe_every_ns: self.probe_every_ns,
            zones,
            phases: [
                ("undetected", Some("campaign")),
                ("election", Some("elected")),
                ("first commit", Some("committed")),
                ("clients find the leader", None),
            ]
            .map(|(name, end)| PhaseRecord { name: name.into(), ends_with: end.map(str::to_owned) })
            .into(),
            ..RunRecord::default()
        };
        self.operations(&mut dice, &mut record);
        self.cluster(&mut dice, &mut record);
        self.marks(&mut record);
        record.events = record.ops.len() as u64 * 17;
        record
    }

    fn operations(&self, dice: &mut Dice, record: &mut RunRecord) {
        let mut number = 0;
        if self.rate > 0 {
            let step = S.checked_div(self.rate).unwrap_or(S).max(1);
            let mut at = dice.below(step);
            while at < self.duration_ns {
                let class = if dice.below(2) == 0 { Class::Read } else { Class::Write };
                let client = dice.below(20) as u32;
                record.ops.push(self.operation(dice, client, number, at, class, false));
                number += 1;
                at += step / 2 + dice.below(step);
            }
        }
        if self.probe_every_ns > 0 {
            for at in (0..self.duration_ns).step_by(self.probe_every_ns as usize) {
                for zone in 0..3 {
                    for class in [Class::Read, Class::Write] {
                        record.ops.push(self.operation(dice, 20 + zone, number, at, class, true));
                        number += 1;
                    }
                }
            }
        }
        record.ops.sort_by_key(|op| (op.return_ns, op.invoke_ns, op.client, op.op));
    }

    fn operation(&self, dice: &mut Dice, client: u32, op: u64, at: u64, class: Class, probe: bool) -> OpRecord {
        let slower = if class == Class::Write { self.base_ns / 2 } else { 0 };
        let latency = dice.latency(self.base_ns + slower, self.mean_ns);
        let mut done = OpRecord {
            client,
            op,
            class,
            probe,
            zone: (client % 3) as u16,
            shard: 0,
            invoke_ns: at,
            return_ns: at + latency,
            outcome: Fate::Ok,
            node: Some((at / S % self.nodes.max(1)) as u32),
            attempts: 1,
        };
        // In flight when an outage begins, or begun in it: retried until it ends or the client gives up.
        if let Some((_, end)) = self.outages.iter().find(|(start, end)| at + latency > *start && at < *end) {
            done.return_ns = end.max(&at) + latency;
            done.attempts = 2 + dice.below(3) as u32;
            if done.return_ns - at > self.timeout_ns {
                done.return_ns = at + self.timeout_ns;
                done.outcome = if class == Class::Write { Fate::Unknown } else { Fate::Failed };
                done.node = None;
            }
        }
        done
    }

    fn cluster(&self, dice: &mut Dice, record: &mut RunRecord) {
        let measured = record.measure_to_ns - record.measure_from_ns;
        let work = record.ops.len() as u64;
        record.nodes = (0..self.nodes)
            .map(|i| {
                let share = if i == 0 { work / 2 } else { work / 2 / self.nodes + dice.below(work / 20 + 1) };
                NodeRecord {
                    carries: true,
                    name: format!("n{}", i + 1),
                    zone: (i % 3) as u16,
                    requests: share,
                    answered: share - share / 50,
                    bytes_in: share * 210,
                    bytes_out: share * 340,
                    messages_in: share * 4,
                    messages_out: share * 4,
                    keys: 0,
                    busy_ns: measured / 100 * (2 + share * 40 / (work + 1)),
                    disk_busy_ns: measured / 100 * (5 + share * 20 / (work + 1)),
                    syncs: share / 3,
                    down_ns: 0,
                    probes: ProbeLoad::default(),
                }
            })
            .collect();
        record.faults = self
            .faults
            .iter()
            .map(|(kind, label, node, start, end, bit)| FaultRecord {
                kind: (*kind).into(),
                label: (*label).into(),
                target: "leader".into(),
                resolved: vec![format!("n{node}")],
                start_ns: *start,
                end_ns: *end,
                bit: *bit,
                touched: if *bit { 3 + dice.below(400) } else { 0 },
                must_bite: true,
                held: 0,
            })
            .collect();
        for (kind, per) in [
            ("append_entries", 8),
            ("append_reply", 8),
            ("vote_request", 0),
            ("vote_reply", 0),
            ("heartbeat", 3),
            ("heartbeat_reply", 3),
            ("install_snapshot", 0),
        ] {
            record.messages.by_kind.insert(kind.into(), work * per / 4 + dice.below(40));
        }
        record.messages.sent = record.messages.by_kind.values().sum();
        record.messages.lost = record.messages.sent / 5000;
        record.messages.lost_by.insert("loss".into(), record.messages.lost);
        record.messages.delivered = record.messages.sent - record.messages.lost;
    }

    fn marks(&self, record: &mut RunRecord) {
        for (number, (start, end)) in self.outages.iter().enumerate() {
            let length = end - start;
            for (kind, permille) in [("campaign", 520), ("elected", 700), ("committed", 860)] {
                record.marks.push(Mark {
                    at_ns: start + length / 1000 * permille,
                    node: number as u32 % 5,
                    kind: kind.into(),
                    detail: format!("{kind} term {}", number + 2),
                    why: None,
                });
                *record.facts.entry(kind.into()).or_default() += 1;
            }
        }
    }
}

/// A verdict of a rule.
pub fn rule(name: &str, verdict: Ruling, detail: &str) -> VerdictRecord {
    VerdictRecord { rule: name.into(), verdict, detail: detail.into(), broken_as_expected: false, at_ns: None }
}

/// An expectation.
pub fn expect(metric: &str, comparison: Comparison, bound: f64, text: &str) -> Expectation {
    Expectation { metric: metric.into(), comparison, bound, text: text.into() }
}
