//! What must hold: what Redlock promises, and what its users want of it.

use super::message::{RedlockFact, RedlockMessage, Value};
use super::node::Machine;
use super::options::Config;
use crate::shared::fenced::Write;
use crate::shared::holders::{self, Holders};
use crate::shared::in_the_end;
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::SortedMap;
use sim_core::track::Track;
use sim_core::{Instant, NodeId, NodeSet, Observed, Observer, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// No two hold one lock within the time for which each was told that it is valid.
    pub const ONE_VALID_HOLDER: &str = "one_valid_holder";
    /// The store takes no write under a lock after one of a later holder.
    pub const NO_LATE_WRITE: &str = "no_late_write";
    /// In the end, nobody waits for a lock.
    pub const LOCKS_ARE_GRANTED: &str = "locks_are_granted";
    /// Who lets go of a lock is done with it once most instances have forgotten it.
    pub const RELEASES_END: &str = "releases_end";
}

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = &[
    holders::OVERLAP,
    holders::TAKEN,
    holders::LATE,
    holders::LATE_TAKEN,
    MetricKind::new("missed_tries", "missed tries", Unit::Number, "tries to take a lock that had no majority in time"),
];

/// A lock as its last holder was given it.
#[derive(Clone, Copy, Debug)]
struct Given {
    value: Value,
    by: NodeId,
    /// Which of all that were given it is: what a token would have been.
    number: u64,
    /// Until when its holder may rely on it, at the least.
    until: Instant,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct RedlockChecks {
    config: Rc<Config>,
    given: SortedMap<u64, Given>,
    numbers: SortedMap<Value, u64>,
    holders: Holders,
    missed: u64,
    serving: Track,
    /// Which instances have told an application that they have forgotten a value since it let go of that.
    forgotten: SortedMap<Value, NodeSet>,
    /// The value that an application was told of in this step.
    told: Option<(NodeId, Value)>,
    releases: u64,
    now: Instant,
    /// What was broken first of each rule. The run goes on: how much harm comes of it is what one wants to know.
    broken: SortedMap<&'static str, Violation>,
}

impl RedlockChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let about = "Whether each instance answered; one that may have lost its keys is silent for a while.";
        Self {
            config: Rc::clone(config),
            given: SortedMap::new(),
            numbers: SortedMap::new(),
            holders: Holders::default(),
            missed: 0,
            serving: Track::new("instances", "Instances", about, "serves").or("silent", true),
            forgotten: SortedMap::new(),
            told: None,
            releases: 0,
            now: Instant::ZERO,
            broken: SortedMap::new(),
        }
    }

    fn breaks(&mut self, rule: &'static str, node: NodeId, detail: String) {
        let violation = Violation { rule: rule.to_owned(), at: self.now, node: Some(node), detail };
        self.broken.entry(rule).or_insert(violation);
    }

    fn on_fact(&mut self, node: NodeId, fact: RedlockFact) {
        let at = self.now;
        match fact {
            RedlockFact::Serves => self.serving.begin_as(0, at, node, ""),
            RedlockFact::Silent => self.serving.begin_as(1, at, node, ""),
            RedlockFact::Missed { .. } => self.missed += 1,
            RedlockFact::Holds { lock, value, valid, works } => self.on_holds(node, (lock, value, valid, works)),
            RedlockFact::LetsGo { lock, value } => {
                self.forgotten.insert(value, NodeSet::EMPTY);
                self.holders.let_go(at, node, lock);
                if let Some(given) = self.given.get_mut(&lock).filter(|given| given.value == value) {
                    given.until = given.until.min(at);
                }
            }
            RedlockFact::Written { write, accepted } => self.on_stored(node, write, accepted),
        }
    }

    fn on_holds(&mut self, node: NodeId, (lock, value, valid, works): (u64, Value, u64, bool)) {
        let at = self.now;
        let fast = u128::from(valid) * u128::from(self.config.max_drift_ppm) / 1_000_000;
        let until = Instant(at.0 + valid - fast as u64);
        let number = self.numbers.len() as u64 + 1;
        self.numbers.insert(value, number);
        let given = Given { value, by: node, number, until };
        if let Some(before) = self.given.insert(lock, given).filter(|before| before.until > at) {
            let (by, more) = (before.by, before.until.since(at));
            let detail = format!("{node} has lock {lock}, and {by} may rely on it for {more} more");
            self.breaks(ONE_VALID_HOLDER, node, detail);
        }
        if works {
            self.holders.take(at, node, (lock, number, value.0, true), |_| true);
        }
    }

    fn on_stored(&mut self, node: NodeId, write: Write, accepted: bool) {
        let number = self.numbers.get(&Value(write.token)).copied().unwrap_or(0);
        let newest = self.given.get(&write.lock);
        let is_held = newest.is_some_and(|given| given.number == number && given.until > self.now);
        let numbered = Write { token: number, ..write };
        if let Some(detail) = self.holders.stored(self.now, numbered, accepted, is_held) {
            self.breaks(NO_LATE_WRITE, node, detail);
        }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let counted = |rule, many: u64, what: &str| match (self.broken.get(rule), many) {
            (Some(violation), _) => Verdict::Fail(violation.clone()),
            (None, 0) => Verdict::Inconclusive { rule, why: format!("there were no {what}") },
            (None, many) => Verdict::Pass { rule, detail: format!("{many} {what}") },
        };
        let apps = in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.app()?)));
        let mut waiting = apps.filter(|(_, app)| app.locks() > 0);
        let waits = waiting.next().map(|(node, app)| (node, format!("{node} waits for {} locks", app.locks())));
        let mut all = vec![
            counted(ONE_VALID_HOLDER, self.numbers.len() as u64, "locks taken"),
            in_the_end::verdict(LOCKS_ARE_GRANTED, self.now, waits),
        ];
        if self.releases > 0 || self.broken.contains_key(RELEASES_END) {
            all.push(counted(RELEASES_END, self.releases, "answers to who lets go"));
        }
        if self.config.stores > 0 {
            all.push(counted(NO_LATE_WRITE, self.holders.writes[0], "writes to the store"));
        }
        all
    }

    /// What a report shows of a run.
    pub(super) fn measures(&self, end: Instant) -> Measures {
        let mut measures = Measures { tracks: vec![self.serving.finish(end)], ..Measures::default() };
        self.holders.measure(end, METRICS, &mut measures);
        measures.set(METRICS, "missed_tries", self.missed as f64);
        measures
    }
}

impl Observer<Machine> for RedlockChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Delivered { from, to, message: RedlockMessage::Deleted { value, .. }, .. } => {
                if let Some(forgotten) = self.forgotten.get_mut(value) {
                    forgotten.insert(*from);
                    self.told = Some((*to, *value));
                }
            }
            Observed::Crashed { node, .. } => {
                self.serving.end(at, *node);
                self.holders.crash(at, *node);
                // Who is down relies on nothing.
                for given in self.given.values_mut().filter(|given| given.by == *node) {
                    given.until = given.until.min(at);
                }
            }
            _ => {}
        }
    }
    fn after_step(&mut self, _: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        if let Some((node, value)) = self.told.take().filter(|(node, _)| *node == stepped)
            && let Some(app) = nodes[node.index()].as_ref().and_then(Machine::app)
            && self.forgotten.get(&value).is_some_and(|forgotten| forgotten.len() as u32 > self.config.instances / 2)
        {
            self.releases += 1;
            if app.leaves(value) {
                let detail = "it lets go of a lock that most instances have forgotten, and waits for more".to_owned();
                self.breaks(RELEASES_END, node, detail);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::RedlockRequest;
    use super::super::options::RedlockOptions;
    use super::*;
    use sim_core::hand::{Hand, sent};
    use sim_core::{ClientId, Ticket};

    #[test]
    fn who_waits_for_more_than_most_instances_to_forget_a_lock_is_found() {
        let valid = RedlockOptions::default().validate(&sim_core::Shape::plain(4)).expect("sound options");
        let config = Rc::new(Config { instances: 3, ..valid });
        let me = NodeId(3);
        let mut app = Hand::<Machine>::down(&config, me, 1);
        app.boot();
        let ticket = Ticket { client: ClientId(0), op: 1, floor: 0, attempt: 0 };
        let asked = sent(app.ask(ticket, RedlockRequest::Lock { lock: 5 }));
        let Some((_, RedlockMessage::Set { value, .. })) = asked.first() else { panic!("it asks: {asked:?}") };
        let value = *value;
        for instance in [0, 1].map(NodeId) {
            app.tell(instance, RedlockMessage::SetDone { value, set: true });
        }
        app.run(config.hold);
        let waits = app.node().clone();
        for instance in [0, 1].map(NodeId) {
            app.tell(instance, RedlockMessage::Deleted { value, held: true });
        }
        let rests = app.node().clone();
        let run = |app: &Machine, forgotten: u32| {
            let mut checks = RedlockChecks::new(&config);
            let fact = RedlockFact::LetsGo { lock: 5, value };
            checks.observe(Instant(7), &Observed::Noted { node: me, fact });
            for from in (0..forgotten).map(NodeId) {
                let message = &RedlockMessage::Deleted { value, held: true };
                checks.observe(Instant(8), &Observed::Delivered { from, to: me, number: 1, message });
            }
            checks.after_step(Instant(8), me, &[None, None, None, Some(app.clone())]).expect("the run goes on");
            checks.broken.into_keys().next()
        };
        assert_eq!(run(&waits, 2), Some(RELEASES_END));
        assert_eq!((run(&waits, 1), run(&rests, 2)), (None, None));
    }
}
