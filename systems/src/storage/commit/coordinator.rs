//! A coordinator: it takes a client's transaction through its acts and its votes, decides, and sees to it that all hear
//! of it. How decisions outlive it is in `decide.rs` (its own log) and `acceptor.rs` (Paxos Commit).

use super::acceptor::{Acceptor, Recovery};
use super::decide::{Pending, Telling};
use super::leaders::Leaders;
use super::message::{Answer, Ballot, CommitFact, CommitMessage, CommitRequest, CommitResponse, Finish, Votes};
use super::node::{CLOCK, Fx};
use super::options::{Config, Presumption, Protocols};
use super::plan::{self, Leg};
use super::txn::{Act, Age, Found, Reason, Shards, State, TxnId, Vote};
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Ticket, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// How far a transaction has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A shard carries out acts.
    Executing,
    /// It works, locks in hand.
    Thinking,
    /// Who takes part is on its way to the disk (presumed commit).
    Collecting,
    /// Votes are awaited.
    Voting,
    /// All have voted yes and are told so (three-phase commit).
    Readying,
    /// The decision is on its way to the disk.
    Forcing,
}

/// A transaction that is not decided.
#[derive(Clone, Debug)]
pub struct Running {
    pub(super) ticket: Ticket,
    pub(super) request: CommitRequest,
    pub(super) age: Age,
    pub(super) restarts: u32,
    pub(super) step: Step,
    legs: Vec<Leg>,
    leg: usize,
    /// How many messages with acts each shard has had.
    seqs: SortedMap<u32, u32>,
    pub(super) found: Vec<Found>,
    /// Whether all that it wanted to find is found.
    pub(super) complete: bool,
    /// All shards that it touches.
    all: Shards,
    /// All whose votes decide.
    pub(super) participants: Shards,
    pub(super) contacted: Shards,
    yes: Shards,
    readers: Shards,
    ready: Shards,
    /// Those who help to abort it.
    against: Shards,
    /// As of when it commits.
    pub(super) at: u64,
    snapshot: u64,
    once: Option<(u32, u64)>,
    since: LocalInstant,
    due: LocalInstant,
    /// What acceptors have said of the votes (Paxos Commit).
    pub(super) accepted: SortedMap<NodeId, (Ballot, Votes)>,
    /// The acceptors beside this node that get the votes.
    acceptors: Vec<NodeId>,
}

impl Running {
    /// Whether a shard has been asked to vote.
    pub(super) fn has_asked(&self) -> bool {
        self.leg + 1 == self.legs.len() && !matches!(self.step, Step::Thinking | Step::Collecting)
    }
}

/// A transaction that is to be begun again.
#[derive(Clone, Debug)]
pub(super) struct Again {
    ticket: Ticket,
    request: CommitRequest,
    age: Age,
    restarts: u32,
}

/// A coordinator.
#[derive(Clone, Debug)]
pub struct Coordinator {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    pub(super) epoch: u64,
    /// Whether what it found on its disk is known to be durable.
    pub(super) ready: bool,
    last: u64,
    pub(super) clock: u64,
    pub(super) running: SortedMap<TxnId, Running>,
    pub(super) telling: SortedMap<TxnId, Telling>,
    /// What became of transactions that it has ended and may be asked about (where nothing is presumed).
    pub(super) outcomes: SortedMap<TxnId, Option<u64>>,
    pub(super) writes: VecDeque<(WriteId, Pending)>,
    pub(super) group: Vec<TxnId>,
    pub(super) group_due: Option<LocalInstant>,
    pub(super) leaders: Leaders,
    again: SortedMap<(LocalInstant, u64), Again>,
    pub(super) acceptor: Acceptor,
    pub(super) recoveries: SortedMap<TxnId, Recovery>,
    /// Acceptors that are taken for down, and until when.
    suspects: SortedMap<NodeId, LocalInstant>,
}

impl Coordinator {
    pub(super) fn new(config: &Rc<Config>, me: NodeId) -> Self {
        Self {
            config: Rc::clone(config),
            me,
            epoch: 0,
            ready: false,
            last: 0,
            clock: 0,
            running: SortedMap::new(),
            telling: SortedMap::new(),
            outcomes: SortedMap::new(),
            writes: VecDeque::new(),
            group: Vec::new(),
            group_due: None,
            leaders: Leaders::new(config),
            again: SortedMap::new(),
            acceptor: Acceptor::default(),
            recoveries: SortedMap::new(),
            suspects: SortedMap::new(),
        }
    }

    /// How many transactions it has under way.
    #[must_use]
    pub fn open(&self) -> usize {
        self.running.len()
    }

    /// How many decisions not everybody has acknowledged.
    #[must_use]
    pub fn telling(&self) -> usize {
        self.telling.len()
    }

    pub(super) fn on_request(&mut self, ticket: Ticket, request: CommitRequest, fx: &mut Fx<'_>) {
        if self.ready { self.begin(ticket, request, None, 0, fx) } else { fx.refuse(ticket) }
    }

    fn begin(&mut self, ticket: Ticket, request: CommitRequest, age: Option<Age>, restarts: u32, fx: &mut Fx<'_>) {
        self.last += 1;
        let txn = TxnId { coordinator: self.me.0, number: self.epoch << 32 | self.last };
        let now = fx.now();
        self.clock = (self.clock + 1).max(now.0);
        let age = age.unwrap_or(Age { at: now.0, first: txn });
        let (client, op) = (ticket.client.0, ticket.op);
        let acts = plan::acts(&self.config, &request, txn);
        let writes = acts.iter().any(Act::writes);
        let once = (self.config.idempotency && writes).then_some((client, op));
        let (all, changed) = plan::shards(&self.config, &acts, once.is_some());
        let participants = if self.config.drops_readers() { changed } else { all };
        let running = Running {
            ticket,
            request,
            age,
            restarts,
            step: Step::Executing,
            legs: plan::legs(&self.config, &acts),
            leg: 0,
            seqs: SortedMap::new(),
            found: Vec::new(),
            complete: false,
            all,
            participants,
            contacted: Shards::default(),
            yes: Shards::default(),
            readers: Shards::default(),
            ready: Shards::default(),
            against: Shards::default(),
            at: 0,
            snapshot: if self.config.snapshots() { self.clock } else { 0 },
            once,
            since: now,
            due: now,
            accepted: SortedMap::new(),
            acceptors: self.others(now),
        };
        fx.note(CommitFact::Begins { txn, client, op });
        self.running.insert(txn, running);
        self.next_leg(txn, fx);
    }

    /// The next acts go to their shard; with the last ones it is to vote.
    pub(super) fn next_leg(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let Some(running) = self.running.get_mut(&txn) else { return };
        let last = running.leg + 1 == running.legs.len();
        let participants = running.participants;
        if last && running.step != Step::Collecting {
            let forces = self.config.protocol == Protocols::TwoPhase
                && self.config.presume == Presumption::Commit
                && !participants.is_empty();
            if forces {
                running.step = Step::Collecting;
                return self.collect(txn, participants, fx);
            }
        }
        if last && !participants.is_empty() {
            fx.note(CommitFact::Collects { txn, participants });
        }
        running.step = Step::Executing;
        let shard = running.legs[running.leg].shard;
        *running.seqs.entry(shard).or_insert(0) += 1;
        running.contacted.insert(shard);
        running.since = fx.now();
        self.execute(txn, fx);
    }

    fn execute(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let floor = self.floor();
        let Some(running) = self.running.get_mut(&txn) else { return };
        running.due = fx.now() + self.config.retry;
        let Leg { shard, acts } = running.legs[running.leg].clone();
        let last = running.leg + 1 == running.legs.len();
        let keeps_key = running.legs[0].shard == shard;
        let once = running.once.filter(|_| keeps_key);
        let finish = last.then(|| {
            let once = once.map(|_| running.found.clone());
            Rc::new(Finish { participants: running.participants, acceptors: running.acceptors.clone(), once })
        });
        let (age, snapshot) = (running.age, running.snapshot);
        let seq = running.seqs.get(&shard).copied().unwrap_or(1);
        let message = CommitMessage::Execute { txn, age, seq, acts, once, snapshot, floor, finish };
        fx.send(self.leaders.of(shard), message);
    }

    /// Everything of this coordinator below is over: nobody will ever ask about it. Where nothing is presumed, others
    /// may end what this one has forgotten, so that nothing is over.
    pub(super) fn floor(&self) -> u64 {
        if self.config.protocol != Protocols::TwoPhase {
            return 0;
        }
        let oldest = self.running.keys().next().into_iter().chain(self.telling.keys().next()).min();
        let next = self.epoch << 32 | (self.last + 1);
        oldest.map_or(next, |txn| txn.number)
    }

    pub(super) fn on_executed(
        &mut self,
        txn: TxnId,
        shard: u32,
        seq: u32,
        (answer, vote): (Answer, Option<Vote>),
        fx: &mut Fx<'_>,
    ) {
        let Some(running) = self.running.get_mut(&txn) else { return };
        let current = running.step == Step::Executing
            && running.legs[running.leg].shard == shard
            && running.seqs.get(&shard) == Some(&seq);
        if !current {
            return;
        }
        match answer {
            Answer::Found(found) => {
                running.found.extend(found);
                let Some(vote) = vote else {
                    running.leg += 1;
                    if self.config.think == Duration::ZERO {
                        return self.next_leg(txn, fx);
                    }
                    running.step = Step::Thinking;
                    running.due = fx.now() + self.config.think;
                    return;
                };
                running.complete = true;
                running.step = Step::Voting;
                running.since = fx.now();
                self.on_vote(txn, shard, vote, fx);
                if self.running.get(&txn).is_some_and(|running| running.step == Step::Voting && running.all.len() > 1) {
                    fx.note(CommitFact::Asks { txn });
                }
                self.ask_for_votes(txn, fx);
            }
            Answer::No(reason) => self.abort(txn, reason, Some(shard), fx),
            Answer::Repeated(before, found) => self.repeated(txn, shard, before, found, fx),
        }
    }

    /// The operation was done before: that is the answer.
    fn repeated(&mut self, txn: TxnId, shard: u32, before: TxnId, found: Vec<Found>, fx: &mut Fx<'_>) {
        let Some(running) = self.running.get(&txn) else { return };
        let ticket = running.ticket;
        self.end_aborted(txn, Reason::Repeated, Some(shard), fx);
        fx.note(CommitFact::Answers { txn, repeated: true });
        fx.reply(ticket, CommitResponse::Committed { txn: before, found });
    }

    fn ask_for_votes(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let Some(running) = self.running.get_mut(&txn) else { return };
        if running.step != Step::Voting {
            return;
        }
        running.due = fx.now() + self.config.retry;
        let missing = running.all.less(running.yes).less(running.readers);
        for shard in missing.iter() {
            let once = (running.once.is_some() && running.legs[0].shard == shard).then(|| running.found.clone());
            let acceptors = running.acceptors.clone();
            let finish = Rc::new(Finish { participants: running.participants, acceptors, once });
            let seq = running.seqs.get(&shard).copied().unwrap_or(0);
            fx.send(self.leaders.of(shard), CommitMessage::Prepare { txn, seq, finish });
        }
    }

    pub(super) fn on_voted(&mut self, txn: TxnId, shard: u32, vote: Vote, of: Shards, fx: &mut Fx<'_>) {
        if txn.home() != self.me {
            return self.accept_vote(txn, shard, vote, of, fx);
        }
        match self.running.get(&txn).map(|running| running.step) {
            Some(Step::Voting) => self.on_vote(txn, shard, vote, fx),
            // It may have been decided without it, or by another.
            _ if self.config.is_paxos() && !self.outcomes.contains_key(&txn) => {
                self.accept_vote(txn, shard, vote, of, fx)
            }
            _ => {}
        }
    }

    fn on_vote(&mut self, txn: TxnId, shard: u32, vote: Vote, fx: &mut Fx<'_>) {
        let Some(running) = self.running.get_mut(&txn) else { return };
        match vote {
            Vote::No(reason) => return self.abort(txn, reason, Some(shard), fx),
            Vote::ReadOnly => running.readers.insert(shard),
            Vote::Yes(at) => {
                running.yes.insert(shard);
                running.at = running.at.max(at);
                let participants = running.participants;
                if self.config.is_paxos() {
                    return self.accept_vote(txn, shard, vote, participants, fx);
                }
            }
        }
        self.look_at_votes(txn, fx);
    }

    fn look_at_votes(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let Some(running) = self.running.get_mut(&txn) else { return };
        if running.step != Step::Voting || !running.all.less(running.yes).less(running.readers).is_empty() {
            return;
        }
        self.clock = self.clock.max(running.at);
        if running.participants.is_empty() {
            return self.commit(txn, fx);
        }
        if self.config.protocol == Protocols::ThreePhase {
            running.step = Step::Readying;
            return self.ask_to_be_ready(txn, fx);
        }
        running.step = Step::Forcing;
        self.force(txn, fx);
    }

    /// Three-phase commit: all have voted yes, and are told so.
    fn ask_to_be_ready(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let Some(running) = self.running.get_mut(&txn) else { return };
        running.due = fx.now() + self.config.retry;
        let (missing, at) = (running.participants.less(running.ready), running.at);
        for shard in missing.iter() {
            fx.send(self.leaders.of(shard), CommitMessage::Pre { txn, commit: true, at });
        }
    }

    /// A participant says where it is.
    pub(super) fn on_stands(&mut self, txn: TxnId, shard: u32, state: State, fx: &mut Fx<'_>) {
        let Some(running) = self.running.get_mut(&txn) else { return };
        match state {
            State::PreCommitted(_) => running.ready.insert(shard),
            State::Committed(at) => return self.adopt(txn, Some(at), fx),
            State::Aborted => return self.adopt(txn, None, fx),
            State::PreAborted => {
                // Somebody took it for dead meanwhile. Enough of these, and no others can ever be enough.
                running.against.insert(shard);
                if running.against.len() >= self.config.abort_quorum(running.participants.len()) {
                    self.adopt(txn, None, fx);
                }
                return;
            }
            _ => return,
        }
        let quorum = self.config.commit_quorum(running.participants.len());
        if running.step == Step::Readying && running.ready.len() >= quorum {
            self.commit(txn, fx);
        }
    }

    /// Somebody else has decided it.
    pub(super) fn adopt(&mut self, txn: TxnId, at: Option<u64>, fx: &mut Fx<'_>) {
        match (self.running.get_mut(&txn), at) {
            (None, _) => {}
            (Some(running), Some(at)) => {
                running.at = at;
                self.commit(txn, fx);
            }
            (Some(_), None) => self.abort(txn, Reason::Recovered, None, fx),
        }
    }

    /// An older one wants its lock, or it is the one of a circle that has to go.
    pub(super) fn give_way(&mut self, txn: TxnId, why: Reason, fx: &mut Fx<'_>) {
        if self.running.get(&txn).is_some_and(|running| matches!(running.step, Step::Executing | Step::Thinking)) {
            self.give_up(txn, why, fx);
        }
    }

    /// It is aborted, unless a participant may have voted yes already and nobody else has a say: then acceptors may
    /// know of it, and it is ended like one whose coordinator is gone.
    fn give_up(&mut self, txn: TxnId, why: Reason, fx: &mut Fx<'_>) {
        let Some(running) = self.running.get(&txn) else { return };
        if running.step == Step::Voting && why == Reason::NoVote {
            // An acceptor that has not said anything in all this time may be down: others take its place for a while.
            let silent = running.acceptors.iter().filter(|other| !running.accepted.contains_key(other));
            let until = fx.now() + self.config.vote_timeout.times(10);
            self.suspects.extend(silent.map(|other| (*other, until)).collect::<Vec<_>>());
        }
        let asked = running.step == Step::Voting || (running.has_asked() && running.participants.len() == 1);
        if self.config.is_paxos() && asked {
            let participants = running.participants;
            self.recover(txn, participants, fx);
        } else {
            self.abort(txn, why, None, fx);
        }
    }

    /// It is tried again, with the age that it had, or its client is told.
    pub(super) fn after_abort(&mut self, running: &Running, why: Reason, fx: &mut Fx<'_>) {
        let Running { ticket, request, age, restarts, .. } = *running;
        if why.is_worth_a_try() && restarts < self.config.restarts {
            let most = self.config.restart_pause.times(1 << restarts.min(6)).0;
            let due = fx.now() + Duration(fx.rng().below(most + 1));
            self.last += 1;
            self.again.insert((due, self.last), Again { ticket, request, age, restarts: restarts + 1 });
        } else if matches!(why, Reason::TimedOut | Reason::NoVote | Reason::Forgotten | Reason::Recovered) {
            // It is sure that nothing of it is there; whether it can be served is another question.
            fx.refuse(ticket);
        } else {
            fx.reply(ticket, CommitResponse::Aborted(why));
        }
    }

    pub(super) fn on_not_leader(&mut self, shard: u32, from: NodeId, hint: Option<NodeId>, fx: &mut Fx<'_>) {
        if self.leaders.redirected(shard, from, hint, fx.now()) {
            self.repeat(shard, fx);
        }
    }

    /// Says again what a shard has not answered.
    fn repeat(&mut self, shard: u32, fx: &mut Fx<'_>) {
        let waits = |running: &Running| match running.step {
            Step::Executing => running.legs[running.leg].shard == shard,
            Step::Voting => running.all.has(shard) && !running.yes.or(running.readers).has(shard),
            Step::Readying => running.participants.has(shard) && !running.ready.has(shard),
            _ => false,
        };
        let all: Vec<TxnId> = self.running.iter().filter(|(_, running)| waits(running)).map(|(txn, _)| *txn).collect();
        all.into_iter().for_each(|txn| self.say_again(txn, fx));
        let told: Vec<TxnId> =
            self.telling.iter().filter(|(_, telling)| telling.unacked.has(shard)).map(|(txn, _)| *txn).collect();
        told.into_iter().for_each(|txn| self.tell(txn, fx));
    }

    fn say_again(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        match self.running.get(&txn).map(|running| running.step) {
            Some(Step::Executing) => self.execute(txn, fx),
            Some(Step::Voting) => self.ask_for_votes(txn, fx),
            Some(Step::Readying) => self.ask_to_be_ready(txn, fx),
            _ => {}
        }
    }

    /// Whom a probe for deadlocks is about waits at a shard: that knows for whom.
    pub(super) fn on_probe(&mut self, message: CommitMessage, at: TxnId, fx: &mut Fx<'_>) {
        if let Some(running) = self.running.get(&at).filter(|running| running.step == Step::Executing) {
            fx.send(self.leaders.of(running.legs[running.leg].shard), message);
        }
    }

    /// The acceptors beside itself that votes go to: as many as may fail.
    fn others(&self, now: LocalInstant) -> Vec<NodeId> {
        if !self.config.is_paxos() {
            return Vec::new();
        }
        let all: Vec<NodeId> = self.config.acceptors(self.me).skip(1).collect();
        let is_suspect = |node: &NodeId| self.suspects.get(node).is_some_and(|until| *until > now);
        let (down, up): (Vec<NodeId>, Vec<NodeId>) = all.into_iter().partition(is_suspect);
        up.into_iter().chain(down).take(self.config.f as usize).collect()
    }

    pub(super) fn on_clock(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        while let Some(entry) = self.again.first_entry().filter(|entry| entry.key().0 <= now) {
            let Again { ticket, request, age, restarts } = entry.remove();
            self.begin(ticket, request, Some(age), restarts, fx);
        }
        if self.group_due.is_some_and(|due| due <= now) {
            self.write_group(fx);
        }
        let idle = |step| matches!(step, Step::Collecting | Step::Forcing);
        let due: Vec<(TxnId, Step, LocalInstant)> = (self.running.iter())
            .filter(|(_, running)| running.due <= now && !idle(running.step))
            .map(|(txn, running)| (*txn, running.step, running.since))
            .collect();
        for (txn, step, since) in due {
            let waited = now.since(since);
            match step {
                Step::Thinking => self.next_leg(txn, fx),
                Step::Executing if waited >= self.config.lock_timeout => self.give_up(txn, Reason::TimedOut, fx),
                Step::Voting if waited >= self.config.vote_timeout => self.give_up(txn, Reason::NoVote, fx),
                _ => {
                    self.turn_from_the_silent(txn, now);
                    self.say_again(txn, fx);
                }
            }
            if let Some(running) = self.running.get_mut(&txn) {
                running.due = running.due.max(now + self.config.retry);
            }
        }
        let told: Vec<TxnId> =
            self.telling.iter().filter(|(_, telling)| telling.due <= now).map(|(txn, _)| *txn).collect();
        for txn in told {
            if let Some(telling) = self.telling.get(&txn).filter(|_| self.config.copies > 1) {
                telling.unacked.iter().for_each(|shard| self.leaders.turn_if_silent(shard, now));
            }
            self.tell(txn, fx);
        }
        self.recover_again(fx);
    }

    /// A node of a group that was not heard of for a while may be down.
    fn turn_from_the_silent(&mut self, txn: TxnId, now: LocalInstant) {
        let Some(running) = self.running.get(&txn).filter(|_| self.config.copies > 1) else { return };
        let silent: Vec<u32> = match running.step {
            Step::Executing => vec![running.legs[running.leg].shard],
            Step::Voting => running.all.less(running.yes).less(running.readers).iter().collect(),
            Step::Readying => running.participants.less(running.ready).iter().collect(),
            _ => Vec::new(),
        };
        silent.into_iter().for_each(|shard| self.leaders.turn_if_silent(shard, now));
    }

    pub(super) fn arm(&self, fx: &mut Fx<'_>) {
        let idle = |step| matches!(step, Step::Collecting | Step::Forcing);
        let running = self.running.values().filter(|running| !idle(running.step)).map(|running| running.due);
        let telling = self.telling.values().map(|telling| telling.due);
        let again = self.again.keys().next().map(|(due, _)| *due);
        let recoveries = self.recoveries.values().map(|recovery| recovery.due);
        let next = running.chain(telling).chain(again).chain(recoveries).chain(self.group_due).min();
        match next {
            Some(due) => fx.arm(CLOCK, Duration(due.0.saturating_sub(fx.now().0).max(1))),
            None => fx.disarm(CLOCK),
        }
    }
}
