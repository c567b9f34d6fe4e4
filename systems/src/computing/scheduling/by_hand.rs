//! Moved by hand: a transcript of a worker that is lost and comes back, and what a new leader knows.

use super::job;
use super::message::{SchedulingFact, SchedulingMessage, SchedulingRequest, SchedulingResponse};
use super::node::{Machine, TIMERS};
use super::options::{Config, SchedulingOptions};
use super::system::SchedulingSystem;
use super::task::JobId;
use core::fmt::Write;
use sim_core::fault::OnCrash;
use sim_core::hand::{Table, Told};
use sim_core::units::DurationText;
use sim_core::{ClientId, Fact, LocalInstant, Message, NodeId, Shape, System, Ticket, Timer};
use std::rc::Rc;

/// A scheduler, two workers and the collector.
const SCHEDULER: NodeId = NodeId(0);
const FIRST: NodeId = NodeId(1);
const COLLECTOR: NodeId = NodeId(3);

struct Stage {
    table: Table<Machine, ()>,
    config: Rc<Config>,
    told: String,
    /// Who hears nothing and is not heard.
    cut: Option<NodeId>,
    /// Whether results are made public.
    no_publishing: bool,
}

impl Stage {
    fn new() -> Self {
        let roles: Vec<_> = SchedulingSystem::ROLES.iter().copied().zip([1, 2, 1]).collect();
        let options = SchedulingOptions {
            slots: 1,
            task_time: DurationText::millis(3000),
            lease: DurationText::millis(2000),
            ..SchedulingOptions::default()
        };
        let config = SchedulingSystem::configure(options, &Shape::of_roles(&roles)).expect("options that make sense");
        let table = Table::new(&config, 4, 7, ());
        let mut stage = Self { table, config, told: String::new(), cut: None, no_publishing: false };
        stage.until(1000);
        stage.told.clear();
        stage
    }

    fn ms(&self) -> u64 {
        self.table.now().0 / 1_000_000
    }

    fn say(&mut self, what: &str) {
        let ms = self.ms();
        writeln!(self.told, "{ms:6} ms  {}", what.trim_end()).expect("a string takes everything");
    }

    fn facts(&mut self) {
        for (node, fact) in core::mem::take(&mut self.table.facts) {
            if matches!(fact, SchedulingFact::Group(_) | SchedulingFact::Registered { .. }) {
                continue;
            }
            let mut text = format!("{node}        {} ", fact.kind().name);
            fact.describe(&mut text).expect("a string takes everything");
            self.say(&text);
        }
    }

    /// Disks and messages do what they have to.
    fn settle(&mut self) {
        loop {
            let ids: Vec<NodeId> = self.table.ids().collect();
            // All of them, not as far as the first that had something to do.
            let synced = ids.into_iter().filter(|id| self.table.sync(*id)).count() > 0;
            self.facts();
            if self.table.wire.is_empty() {
                if !synced {
                    return;
                }
                continue;
            }
            let letter = &self.table.wire[0];
            let (from, to) = (letter.from, letter.to);
            let quiet = matches!(
                letter.message,
                SchedulingMessage::Group(_) | SchedulingMessage::Beat { .. } | SchedulingMessage::Heard
            );
            let lost = self.cut.is_some_and(|cut| cut == from || cut == to)
                || self.no_publishing && matches!(letter.message, SchedulingMessage::Publish { .. });
            if !quiet {
                let mut text = format!("{from} -> {to}  {} ", letter.message.kind().name);
                letter.message.describe(&mut text).expect("a string takes everything");
                self.say(&format!("{text}{}", if lost { "  (lost)" } else { "" }));
            }
            if lost {
                self.table.wire.remove(0);
            } else {
                self.table.deliver(0);
            }
            self.facts();
        }
    }

    /// Time passes for all, with every timer that comes due.
    fn until(&mut self, ms: u64) {
        let end = LocalInstant(ms * 1_000_000);
        loop {
            self.settle();
            let mut next: Option<(LocalInstant, NodeId, Timer)> = None;
            for id in self.table.ids() {
                for timer in (0..TIMERS).map(Timer) {
                    let due = self.table.hands[id.index()].due(timer).map(|due| (due, id, timer));
                    next = [next, due].into_iter().flatten().min();
                }
            }
            let Some((due, id, timer)) = next.filter(|(due, ..)| *due <= end) else { break };
            self.all_to(due);
            self.table.fire(id, timer);
        }
        self.all_to(end);
    }

    fn all_to(&mut self, moment: LocalInstant) {
        for hand in &mut self.table.hands {
            hand.now = hand.now.max(moment);
        }
    }

    fn submit(&mut self, number: u64) -> Ticket {
        let ticket = Ticket { client: ClientId(0), op: number, floor: 0, attempt: 0 };
        let spec = job::job(&self.config, JobId(number), 1);
        self.table.request(SCHEDULER, ticket, SchedulingRequest::Submit(spec));
        self.settle();
        ticket
    }
}

#[test]
fn a_worker_that_is_lost_comes_back_too_late() {
    let mut stage = Stage::new();
    stage.say("c1 submits a job of one task of 3 s");
    let ticket = stage.submit(0);
    let answered = |(of, _, told): &(Ticket, NodeId, Told<SchedulingResponse>)| {
        *of == ticket && matches!(told, Told::Done(SchedulingResponse::Accepted))
    };
    assert!(stage.table.answers.iter().any(answered), "the client is told before anything has run");
    stage.until(2000);
    stage.cut = Some(FIRST);
    stage.say("n2 is cut off from all others");
    stage.until(8000);
    stage.cut = None;
    stage.say("n2 is back");
    stage.until(9500);
    let told = stage.told.clone();
    if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/transcripts/scheduling/lost-worker.log");
        std::fs::write(path, &told).expect("a file that can be written");
        return;
    }
    let reviewed = include_str!("../../../../fixtures/transcripts/scheduling/lost-worker.log");
    assert!(told == reviewed, "not as in fixtures/transcripts/scheduling/lost-worker.log:\n{told}");
}

#[test]
fn what_was_done_is_made_public_once_whatever_restarts() {
    let mut stage = Stage::new();
    stage.submit(0);
    // The result is on the collector's disk and in the log; the order to make it public gets lost.
    stage.no_publishing = true;
    stage.until(5000);
    assert_eq!(stage.table.node(COLLECTOR).collector().map(super::Collector::public), Some(0));
    for node in [SCHEDULER, COLLECTOR] {
        stage.table.crash(node, OnCrash::LoseUnsynced);
        stage.table.restart(node);
    }
    stage.no_publishing = false;
    stage.until(9000);
    assert_eq!(stage.table.node(COLLECTOR).collector().map(super::Collector::public), Some(1), "{}", stage.told);
    let left = stage.table.node(SCHEDULER).scheduler().map(|scheduler| scheduler.queue().jobs().count());
    assert_eq!(left, Some(0), "{}", stage.told);
    assert_eq!(stage.told.matches("published").count(), 1, "{}", stage.told);
}
