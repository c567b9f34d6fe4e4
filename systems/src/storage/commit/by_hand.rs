//! Recovery paths, each driven by hand: who loses what at which moment, and how it ends. The transcripts lie in
//! `fixtures/transcripts/commit/`; `SPLITBRAIN_UPDATE=1` writes them anew.

use super::message::{CommitMessage, CommitRequest, What};
use super::node::{CLOCK, Machine};
use super::options::{CommitOptions, Config, Presumption, Protocols, Termination};
use sim_core::fault::OnCrash;
use sim_core::hand::{Table, Told};
use sim_core::{ClientId, Duration, Fact, Message, NodeId, Shape, System, Ticket};
use std::fmt::Write;
use std::path::Path;
use std::rc::Rc;

struct Story {
    table: Table<Machine, ()>,
    text: String,
}

const COORDINATORS: u32 = 3;

fn config(options: CommitOptions) -> Rc<Config> {
    let roles = super::CommitSystem::ROLES;
    let shape = Shape::of_roles(&[(roles[0], COORDINATORS), (roles[1], 3)]);
    Rc::new(
        CommitOptions { keys: 30, steps: 2, spread: 2, reads_percent: 0, idempotency: false, ..options }
            .validate(&shape)
            .expect("makes sense"),
    )
}

impl Story {
    fn new(title: &str, options: CommitOptions) -> Self {
        let table = Table::new(&config(options), 6, 7, ());
        Self { table, text: format!("{title}\n\n") }
    }

    fn say(&mut self, what: &str) {
        writeln!(self.text, "-- {what}").expect("a string takes everything");
    }

    /// What was announced since, and what clients were told.
    fn tell(&mut self) {
        const TOLD: [&str; 15] = [
            "begins",
            "collects",
            "asks",
            "prepared",
            "refused",
            "blocked",
            "commits",
            "aborts",
            "applies_commit",
            "applies_abort",
            "takes_over",
            "recovers",
            "answers",
            "locks",
            "unlocks",
        ];
        for (node, fact) in std::mem::take(&mut self.table.facts) {
            if TOLD.contains(&fact.kind().name) {
                let mut words = String::new();
                fact.describe(&mut words).expect("a string takes everything");
                writeln!(self.text, "   {node}  {}: {words}", fact.kind().name).expect("a string takes everything");
            }
        }
        for (_, node, told) in std::mem::take(&mut self.table.answers) {
            let what = match told {
                Told::Done(response) => format!("{response:?}").split_whitespace().next().unwrap_or("").to_owned(),
                Told::Elsewhere(_) => "not done".to_owned(),
            };
            writeln!(self.text, "   {node} tells its client: {what}").expect("a string takes everything");
        }
    }

    /// A client asks the first coordinator for a transaction over two shards.
    fn ask(&mut self) {
        let ticket = Ticket { client: ClientId(0), op: 0, floor: 0, attempt: 0 };
        self.table.request(NodeId(0), ticket, CommitRequest { what: What::Append, key: 0, unique: 5 });
    }

    /// Messages are delivered and disks synced in order, until one of this kind is on the wire.
    fn until(&mut self, kind: &str) {
        for _ in 0..200 {
            self.tell();
            if self.table.wire.iter().any(|letter| letter.message.kind().name == kind) {
                return;
            }
            self.step();
        }
        panic!("no {kind} comes:\n{}", self.text);
    }

    fn step(&mut self) {
        if !self.table.wire.is_empty() {
            self.deliver(0);
            return;
        }
        for id in self.table.ids() {
            if self.table.is_up(id) && self.table.sync(id) {
                return;
            }
        }
    }

    fn deliver(&mut self, at: usize) {
        let letter = self.table.wire[at].clone();
        let (is_up, name) = (self.table.is_up(letter.to), letter.message.kind().name);
        let mut words = String::new();
        letter.message.describe(&mut words).expect("a string takes everything");
        let lost = if is_up { "" } else { "  (down: lost)" };
        writeln!(self.text, "   {} -> {}  {name} {words}{lost}", letter.from, letter.to).expect("takes everything");
        if is_up {
            self.table.deliver(at);
        } else {
            self.table.wire.remove(at);
        }
        self.tell();
    }

    /// Everything that is on its way arrives, or is lost at who is down; every disk is synced.
    fn settle(&mut self) {
        for _ in 0..400 {
            self.tell();
            let before = (self.table.wire.len(), self.table.sent);
            self.step();
            self.tell();
            let idle = self.table.wire.is_empty() && before == (0, self.table.sent);
            if idle && !self.table.ids().any(|id| self.table.is_up(id) && self.table.hands[id.index()].has_disk_work())
            {
                return;
            }
        }
    }

    fn lose(&mut self, wanted: impl Fn(&CommitMessage) -> bool) {
        self.table.wire.retain(|letter| !wanted(&letter.message));
    }

    fn crash(&mut self, node: u32) {
        self.say(&format!("{} loses power", NodeId(node)));
        self.table.crash(NodeId(node), OnCrash::LoseUnsynced);
    }

    fn restart(&mut self, node: u32) {
        self.say(&format!("{} is back", NodeId(node)));
        self.table.restart(NodeId(node));
        self.settle();
    }

    /// So much time goes by at a node, and what is due there happens.
    fn wait(&mut self, node: u32, ms: u64) {
        self.table.pass(NodeId(node), Duration::millis(ms));
        self.table.fire(NodeId(node), CLOCK);
        self.settle();
    }

    fn compare(mut self, name: &str, expected: &str) {
        self.tell();
        for id in self.table.ids() {
            if self.table.is_up(id)
                && let Some(shard) = self.table.node(id).shard()
            {
                let (doubts, locks) = (shard.log().ledger().prepared().len(), shard.locks().len());
                writeln!(self.text, "in the end {id} is in doubt about {doubts}, and has {locks} keys locked")
                    .expect("a string takes everything");
            }
        }
        if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
            let here = Path::new(file!());
            let root = if here.is_absolute() { here.to_path_buf() } else { Path::new("..").join(here) };
            let folder = root.parent().expect("a folder").join("../../../../fixtures/transcripts/commit");
            std::fs::write(folder.join(format!("{name}.txt")), &self.text).expect("writes");
            return;
        }
        assert_eq!(self.text, expected, "{name}: as reviewed?");
    }
}

macro_rules! reviewed {
    ($story:ident, $name:literal) => {
        $story.compare($name, include_str!(concat!("../../../../fixtures/transcripts/commit/", $name, ".txt")))
    };
}

#[test]
fn two_phase_commit_blocks_until_its_coordinator_is_back() {
    let mut story = Story::new("Presumed abort: all have voted, nothing is decided.", CommitOptions::default());
    story.ask();
    story.until("Vote");
    story.crash(0);
    story.settle();
    story.say("both ask: the coordinator is down, and each other they can not help");
    story.wait(3, 400);
    story.wait(4, 400);
    story.wait(3, 400);
    story.restart(0);
    story.say("it knows nothing of the transaction, which is as good as an abort");
    story.wait(3, 400);
    story.wait(4, 400);
    reviewed!(story, "presumed-abort-blocks");
}

#[test]
fn a_forced_decision_outlives_its_coordinator() {
    let mut story =
        Story::new("Presumed abort: the decision is on the disk, and told to nobody.", CommitOptions::default());
    story.ask();
    story.until("Commit");
    story.lose(|message| matches!(message, CommitMessage::Decision { .. }));
    story.crash(0);
    story.settle();
    story.restart(0);
    reviewed!(story, "presumed-abort-recovers");
}

#[test]
fn presumed_commit_aborts_what_it_was_collecting_votes_for() {
    let options = CommitOptions { presume: Presumption::Commit, ..CommitOptions::default() };
    let mut story = Story::new("Presumed commit: who takes part is on the disk, the decision is not.", options);
    story.ask();
    story.until("Vote");
    story.crash(0);
    story.settle();
    story.restart(0);
    reviewed!(story, "presumed-commit-recovers");
}

#[test]
fn participants_end_what_one_of_them_has_not_voted_on() {
    let options = CommitOptions { termination: Termination::Cooperative, ..CommitOptions::default() };
    let mut story = Story::new("Cooperative termination: the second participant was never asked.", options);
    story.ask();
    story.until("Prepare");
    story.lose(|message| matches!(message, CommitMessage::Prepare { .. }));
    story.crash(0);
    story.settle();
    story.say("whoever is in doubt asks the other");
    story.wait(3, 400);
    story.wait(4, 400);
    reviewed!(story, "cooperative-termination");
}

#[test]
fn three_phase_commit_goes_on_without_its_coordinator() {
    let options = CommitOptions { protocol: Protocols::ThreePhase, ..CommitOptions::default() };
    let mut story = Story::new("Three-phase commit: one participant knows that all have voted yes.", options);
    story.ask();
    story.until("PreCommit");
    story.deliver(0);
    story.lose(|message| matches!(message, CommitMessage::Pre { .. }));
    story.crash(0);
    story.settle();
    for _ in 0..3 {
        story.wait(3, 400);
        story.wait(4, 400);
    }
    reviewed!(story, "three-phase-ends-by-quorum");
}

#[test]
fn acceptors_end_what_the_leader_of_paxos_commit_has_left() {
    let options = CommitOptions { protocol: Protocols::Paxos, ..CommitOptions::default() };
    let mut story =
        Story::new("Paxos Commit, F = 1: the leader is gone when the votes are with the acceptors.", options);
    story.ask();
    story.until("Phase2b");
    story.crash(0);
    story.settle();
    for _ in 0..2 {
        story.wait(3, 400);
        story.wait(4, 400);
    }
    reviewed!(story, "paxos-commit-takes-over");
}

#[test]
fn an_acceptor_closes_a_vote_that_never_came() {
    let options = CommitOptions { protocol: Protocols::Paxos, ..CommitOptions::default() };
    let mut story =
        Story::new("Paxos Commit, F = 1: the leader is gone before it has asked the second participant.", options);
    story.ask();
    story.until("Prepare");
    story.lose(|message| matches!(message, CommitMessage::Prepare { .. }));
    story.crash(0);
    story.settle();
    for _ in 0..2 {
        story.wait(3, 400);
        story.wait(4, 400);
    }
    reviewed!(story, "paxos-commit-closes-a-vote");
}
