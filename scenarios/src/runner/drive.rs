//! Drives the engine through a run's phases: at full speed, or step by step when evidence is kept, alone or beside a
//! twin.

use super::evidence::{Evidence, TwinParted};
use super::sampler::Sampler;
use super::{Watch, line};
use crate::scenario::Reseed;
use sim_core::{Engine, FlightRecorder, Instant, NodeStats, System, Violation};

/// Events a flight recorder keeps.
pub(super) const FLIGHT: usize = 512;
/// Lines shown of them when a rule is broken.
const SHOWN: usize = 40;
/// Steps made after the twins have parted, for what comes after.
const STEPS_AFTER: u64 = 4;

pub(super) type EngineOf<'a, S> = Engine<<S as System>::Node, <S as System>::Client, Watch<'a, S>>;

/// A run of which evidence may be kept.
pub(super) struct Drive<'a, S: System> {
    pub engine: EngineOf<'a, S>,
    pub twin: Option<EngineOf<'a, S>>,
    pub evidence: Option<&'a mut Evidence>,
    /// What the flight recorder had seen when the events that are wanted began.
    seen_before: u64,
    /// Samples the nodes over time, where a chart is to show them.
    pub sampler: Option<Sampler<S>>,
    /// Where fresh luck is still to come, in order of time.
    reseed: Vec<Reseed>,
}

impl<'a, S: System> Drive<'a, S> {
    pub const fn new(
        engine: EngineOf<'a, S>,
        twin: Option<EngineOf<'a, S>>,
        evidence: Option<&'a mut Evidence>,
        reseed: Vec<Reseed>,
    ) -> Self {
        Self { engine, twin, evidence, seen_before: 0, sampler: None, reseed }
    }

    fn step_until(&mut self, until: Instant) {
        let Some(evidence) = &mut self.evidence else { return };
        loop {
            let events = self.engine.events();
            if events >= evidence.stop_after {
                return;
            }
            if events == evidence.stop_from {
                self.seen_before = flight::<S>(&self.engine).map_or(0, FlightRecorder::seen);
            }
            let more = self.engine.step(until);
            let digest = self.engine.digest();
            if let Some(twin) = &mut self.twin {
                let twin_more = twin.step(until);
                let same = (more, digest, self.engine.now()) == (twin_more, twin.digest(), twin.now());
                if !same && evidence.parted.is_none() {
                    evidence.parted = Some(TwinParted { events, run: Vec::new(), twin: Vec::new() });
                }
                // A few steps more, for what comes after.
                if let Some(parted) = &mut evidence.parted {
                    (parted.run, parted.twin) = from_the_same_event::<S>(&self.engine, twin);
                    if events >= parted.events + STEPS_AFTER {
                        self.twin = None;
                    }
                }
            }
            if !more {
                return;
            }
            evidence.checkpoints.event(events + 1, digest);
        }
    }
}

impl<S: System> Drive<'_, S> {
    pub fn now(&self) -> Instant {
        self.engine.now()
    }

    /// Whether it was to stop before its end, and has.
    pub fn is_stopped(&self) -> bool {
        self.evidence.as_ref().is_some_and(|evidence| self.engine.events() >= evidence.stop_after)
    }

    /// Takes the fresh luck that is due, and says when the next is.
    pub fn reseed(&mut self) -> Option<Instant> {
        let now = self.now();
        while let Some(next) = self.reseed.first() {
            if next.at > now {
                return Some(next.at);
            }
            let Reseed { seed, .. } = self.reseed.remove(0);
            self.engine.reseed(seed);
            if let Some(twin) = &mut self.twin {
                twin.reseed(seed);
            }
        }
        None
    }

    /// Runs until `until`.
    pub fn advance(&mut self, until: Instant) -> Result<(), Violation> {
        if self.evidence.is_none() {
            return self.engine.run_until(until);
        }
        self.step_until(until);
        if self.is_stopped() {
            let seen = self.seen_before;
            let lines = last::<S>(&self.engine, seen);
            if let Some(evidence) = &mut self.evidence {
                evidence.last = lines;
            }
            return Ok(());
        }
        // Nothing is due any more: this tells whether a rule has been broken.
        let broken = self.engine.run_until(until);
        if broken.is_err() {
            let mut lines = last::<S>(&self.engine, 0);
            lines.drain(..lines.len().saturating_sub(SHOWN));
            if let Some(evidence) = &mut self.evidence {
                evidence.last = lines;
            }
        }
        broken
    }

    pub fn stats(&self) -> Vec<NodeStats> {
        self.engine.stats()
    }

    /// Samples the nodes, where somebody wants that.
    pub fn sample(&mut self) {
        if let Some(sampler) = &mut self.sampler {
            let streams = self.engine.bytes_in_streams().unwrap_or_default();
            sampler.sample(self.engine.now(), self.engine.stats(), self.engine.nodes(), &streams);
        }
    }

    /// Ends every fault.
    pub fn heal(&mut self) {
        self.engine.heal();
        if let Some(twin) = &mut self.twin {
            twin.heal();
        }
    }

    /// Ends every operation.
    pub fn abandon_operations(&mut self) {
        self.engine.abandon_operations();
        if let Some(twin) = &mut self.twin {
            twin.abandon_operations();
        }
    }
}

/// What was seen last of both, from the same event on, however much either saw after it.
fn from_the_same_event<S: System>(engine: &EngineOf<'_, S>, twin: &EngineOf<'_, S>) -> (Vec<String>, Vec<String>) {
    let from = |engine: &EngineOf<'_, S>| flight::<S>(engine).map_or(0, |f| f.seen() - f.iter().count() as u64);
    let first = from(engine).max(from(twin));
    (last::<S>(engine, first), last::<S>(twin, first))
}

fn flight<'e, S: System>(engine: &'e EngineOf<'_, S>) -> Option<&'e FlightRecorder<S::Node>> {
    let (_, (_, (_, flight))) = engine.observer();
    flight.0.as_ref()
}

/// What the flight recorder kept from its entry number `from` on, as lines of a trace.
pub(super) fn last<S: System>(engine: &EngineOf<'_, S>, from: u64) -> Vec<String> {
    let Some(flight) = flight::<S>(engine) else { return Vec::new() };
    let first = flight.seen() - flight.iter().count() as u64;
    let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
    let of = |(at, what): &(Instant, sim_core::Flight<S::Node>)| {
        let mut line = Vec::new();
        line::observed(&mut line, *at, &what.observed());
        String::from_utf8_lossy(&line).trim_end().to_owned()
    };
    flight.iter().skip(skipped).map(of).collect()
}
