//! What nodes owe each other while they work: each rule is seen in the step that breaks it, or soon after, rather than
//! in what may come of that.

use super::log::Offset;
use super::message::{FetchNumber, QueueMessage};
use super::metadata::Partition;
use super::node::Machine;
use super::options::Config;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, Instant, NodeId, Observed};
use std::collections::VecDeque;

sim_core::rules! {
    /// A fetch that has waited as long as fetches may is answered, whether or not there is anything new.
    pub const FETCHES_END: &str = "fetches_end";
    /// Once it is settled which consumer has what, nobody waits to hear of it any more.
    pub const DEALT_ARE_TOLD: &str = "dealt_are_told";
    /// Nothing but a short question is sent to a broker that has not answered in time.
    pub const SILENT_ARE_SPARED: &str = "silent_are_spared";
}

/// How late a fetch may be answered beyond its time, by a machine that is slow.
const LATE: Duration = Duration::millis(600);

/// A fetch: by whom, of what, which of his, and from where on.
type Asked = (NodeId, Partition, FetchNumber, Offset);

/// What a broker was asked for.
#[derive(Clone, Debug, Default)]
struct Open {
    /// In turn. Some are answered.
    all: VecDeque<(Instant, Asked)>,
    /// Those without an answer.
    waiting: SortedMap<(NodeId, Partition, FetchNumber), Instant>,
}

/// A rule that was broken, and what was seen.
pub(super) type Broken = (&'static str, String);

/// The memory of these rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Duties {
    /// By broker.
    asked: SortedMap<NodeId, Open>,
    /// By application: whom it held for silent when its last step was over.
    silent: SortedMap<NodeId, SortedSet<NodeId>>,
    /// Whom an application has sent more than a question in this step.
    burdened: Vec<(NodeId, NodeId)>,
    /// Inputs of this step: one that stood still takes many at a time.
    inputs: u32,
    pub fetches: u64,
    pub generations: u64,
    pub spared: u64,
}

impl Duties {
    /// Something happens.
    pub fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        if matches!(what, Observed::Delivered { .. } | Observed::Fired { .. } | Observed::Requested { .. }) {
            self.inputs += 1;
        }
        match what {
            Observed::Delivered {
                from, to, message: QueueMessage::Fetch { number, partition, offset, .. }, ..
            } => {
                let open = self.asked.entry(*to).or_default();
                open.all.push_back((at, (*from, *partition, *number, *offset)));
                open.waiting.insert((*from, *partition, *number), at);
            }
            Observed::Sent { from, to, message: QueueMessage::Fetched(fetched), .. } => {
                if let Some(open) = self.asked.get_mut(from) {
                    open.waiting.remove(&(*to, fetched.partition, fetched.number));
                }
            }
            Observed::Sent { from, to, message, .. } => {
                let is_burden = matches!(
                    message,
                    QueueMessage::Produce { .. }
                        | QueueMessage::Fetch { replica: None, .. }
                        | QueueMessage::AskEnd { .. }
                        | QueueMessage::Commit { .. }
                );
                if is_burden {
                    self.burdened.push((*from, *to));
                }
            }
            Observed::Paused { node, .. } | Observed::Crashed { node, .. } | Observed::Booted { node, .. } => {
                self.asked.remove(node);
                self.silent.remove(node);
            }
            _ => {}
        }
    }

    /// A step of `node` is over.
    pub fn after_step(&mut self, config: &Config, at: Instant, node: NodeId, machine: &Machine) -> Option<Broken> {
        let alone = core::mem::take(&mut self.inputs) == 1;
        let burdened = core::mem::take(&mut self.burdened);
        let silent = match machine {
            Machine::Broker(broker) => {
                let waits = |partition, asked: (NodeId, FetchNumber)| {
                    let is = |copy: &super::Replica| copy.waiting().any(|fetch| (fetch.from, fetch.number) == asked);
                    broker.copy(partition).is_some_and(is)
                };
                return self.check_fetches(config, at, node, waits).or_else(|| self.check_told(broker.untold()));
            }
            Machine::Producer(producer) => producer.silent().collect(),
            Machine::Consumer(consumer) => consumer.silent().collect(),
            Machine::Controller(_) => return None,
        };
        self.check_spared(node, silent, if alone { &burdened } else { &[] })
    }

    /// `waits` says whether a broker still holds a fetch: who leads no longer has nothing to answer.
    fn check_fetches(
        &mut self,
        config: &Config,
        at: Instant,
        node: NodeId,
        waits: impl Fn(Partition, (NodeId, FetchNumber)) -> bool,
    ) -> Option<Broken> {
        let patience = Duration(config.fetch_wait.0 + config.fetch_wait.0 / 16) + LATE;
        let open = self.asked.entry(node).or_default();
        let late = |(since, _): &(Instant, Asked)| at.since(*since) > patience;
        while let Some((since, (from, partition, number, offset))) = open.all.front().copied().filter(late) {
            open.all.pop_front();
            self.fetches += 1;
            let of = (from, partition, number);
            if open.waiting.get(&of).is_none_or(|at| *at != since) {
                continue;
            }
            open.waiting.remove(&of);
            if waits(partition, (from, number)) {
                let detail = format!(
                    "{from} asked for {} from {offset} on {} ago, and has no answer; {} is what it waits for",
                    config.name(partition),
                    at.since(since),
                    config.fetch_wait
                );
                return Some((FETCHES_END, detail));
            }
        }
        None
    }

    /// A group has dealt, and somebody is not told.
    fn check_told(&mut self, untold: Option<(u32, NodeId)>) -> Option<Broken> {
        self.generations += u64::from(untold.is_none());
        let (group, node) = untold?;
        Some((DEALT_ARE_TOLD, format!("group {group} has dealt, and {node}, which waits to hear what, is not told")))
    }

    /// An application holds these brokers for silent now, and has sent some more than a question.
    fn check_spared(&mut self, node: NodeId, now: SortedSet<NodeId>, burdened: &[(NodeId, NodeId)]) -> Option<Broken> {
        let before = if now.is_empty() { self.silent.remove(&node) } else { self.silent.insert(node, now.clone()) };
        self.spared += u64::from(!now.is_empty());
        let before = before.unwrap_or_default();
        let (_, to) = burdened.iter().find(|(_, to)| before.contains(to) && now.contains(to))?;
        Some((SILENT_ARE_SPARED, format!("{node} sends {to} more than a question, which has not answered")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::QueueOptions;
    use super::*;
    use sim_core::Shape;

    const BROKER: NodeId = NodeId(0);
    const CONSUMER: NodeId = NodeId(4);

    #[test]
    fn a_fetch_that_waits_beyond_its_time_is_found() {
        let config = QueueOptions::default().meant(&Shape::plain(3));
        let run = |after: Duration, still_there: bool| {
            let mut duties = Duties::default();
            let (partition, number, offset) = (Partition(0), FetchNumber(7), 30);
            let message =
                &QueueMessage::Fetch { number, partition, offset, replica: None, leader_epoch: 1, last_epoch: 1 };
            duties.observe(Instant(5), &Observed::Delivered { from: CONSUMER, to: BROKER, number: 1, message });
            let waits = |of, asked| still_there && (of, asked) == (partition, (CONSUMER, number));
            duties.check_fetches(&config, Instant(5) + after, BROKER, waits).map(|(rule, _)| rule)
        };
        let late = config.fetch_wait.times(2) + LATE;
        assert_eq!(run(late, true), Some(FETCHES_END));
        assert_eq!((run(late, false), run(config.fetch_wait, true)), (None, None));
    }

    #[test]
    fn a_member_that_is_not_told_what_was_dealt_is_found() {
        let mut duties = Duties::default();
        assert_eq!(duties.check_told(Some((1, CONSUMER))).map(|(rule, _)| rule), Some(DEALT_ARE_TOLD));
        assert_eq!((duties.check_told(None), duties.generations), (None, 1));
    }

    #[test]
    fn work_for_a_broker_that_does_not_answer_is_found() {
        let silent = || SortedSet::from([BROKER]);
        let run = |before: SortedSet<NodeId>, now: SortedSet<NodeId>, burdened: &[(NodeId, NodeId)]| {
            let mut duties = Duties::default();
            duties.check_spared(CONSUMER, before, &[]);
            duties.check_spared(CONSUMER, now, burdened).map(|(rule, _)| rule)
        };
        let burden = [(CONSUMER, BROKER)];
        assert_eq!(run(silent(), silent(), &burden), Some(SILENT_ARE_SPARED));
        assert_eq!(run(SortedSet::new(), silent(), &burden), None, "it was heard from until now");
        assert_eq!(run(silent(), SortedSet::new(), &burden), None, "it has just answered");
        assert_eq!(run(silent(), silent(), &[]), None);
    }
}
