//! A shard: it carries out acts under locks or from snapshots, votes, and hears decisions. What it does while it is in
//! doubt is in `doubt.rs`.

use super::bugs::CommitBug;
use super::doubt::Doubt;
use super::ledger::{Entry, Part};
use super::locks::{Asked, Claim, Locks};
use super::log::{Log, Told};
use super::message::{Answer, CommitFact, CommitMessage, CommitRecord, Finish, Known};
use super::node::{CLOCK, Fx};
use super::options::{Config, Deadlocks};
use super::txn::{Act, Age, Found, Key, Reason, Space, State, TxnId, Vote};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Completion, LocalInstant, NodeId, Replay, Timer};
use std::rc::Rc;

/// How far ahead of the snapshots it serves a shard says that nothing commits, in nanoseconds: the less often it has
/// to.
const AHEAD: u64 = 500_000_000;

/// Acts that are being carried out.
#[derive(Clone, Debug)]
pub(super) struct Job {
    seq: u32,
    acts: Rc<[Act]>,
    at: usize,
    found: Vec<Found>,
    finish: Option<Rc<Finish>>,
    waits: bool,
}

/// What a transaction is going to be prepared as, and with what it is answered then.
#[derive(Clone, Debug)]
pub(super) struct Preparing {
    pub(super) part: Rc<Part>,
    /// The acceptors that get the vote.
    pub(super) acceptors: Vec<NodeId>,
    pub(super) executed: Option<(u32, Vec<Found>)>,
}

/// A transaction that has not voted.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) age: Age,
    pub(super) seq: u32,
    pub(super) snapshot: u64,
    pub(super) reads: Vec<Key>,
    pub(super) writes: Vec<Act>,
    pub(super) once: Option<(u32, u64)>,
    pub(super) job: Option<Job>,
    /// What was answered last.
    pub(super) answer: Option<CommitMessage>,
    pub(super) preparing: Option<Preparing>,
    pub(super) heard: LocalInstant,
    pub(super) asked: u32,
    pub(super) floor: u64,
}

/// The node of a shard, or one of them.
#[derive(Clone, Debug)]
pub struct Shard {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    pub(super) number: u32,
    pub(super) log: Log,
    pub(super) locks: Locks,
    pub(super) active: SortedMap<TxnId, Active>,
    /// Those that it must not begin any more.
    pub(super) ended: SortedSet<TxnId>,
    pub(super) doubts: SortedMap<TxnId, Doubt>,
    /// Decisions that are on their way to the log.
    pub(super) closing: SortedSet<TxnId>,
    /// Who is told where it is in a transaction once an entry about that is carried out.
    pub(super) askers: SortedMap<TxnId, SortedSet<NodeId>>,
    /// What is said once a refusal is in the log.
    pub(super) refusals: SortedMap<TxnId, CommitMessage>,
    /// Readers that vote once the group has said that it follows this node.
    pub(super) confirms: SortedMap<u64, (TxnId, CommitMessage)>,
    pub(super) last_confirm: u64,
    /// No snapshot of this time or earlier sees what is prepared from now on.
    pub(super) clock: u64,
    pub(super) bounding: bool,
    /// When it looks for deadlocks next.
    pub(super) probes: Option<LocalInstant>,
    /// Who was asked about on whose behalf since then: once is enough.
    pub(super) probed: SortedSet<(TxnId, TxnId)>,
    /// Probes that it has sent on in this turn: for whom, and about whom.
    pub(super) sent: SortedSet<(TxnId, TxnId)>,
}

impl Shard {
    pub(super) fn boot(
        config: &Rc<Config>,
        me: NodeId,
        number: u32,
        disk: Replay<'_, CommitRecord>,
        fx: &mut Fx<'_>,
    ) -> Self {
        let mut shard = Self {
            config: Rc::clone(config),
            me,
            number,
            log: Log::boot(config, number, disk, fx),
            locks: Locks::default(),
            active: SortedMap::new(),
            ended: SortedSet::new(),
            doubts: SortedMap::new(),
            closing: SortedSet::new(),
            askers: SortedMap::new(),
            refusals: SortedMap::new(),
            confirms: SortedMap::new(),
            last_confirm: 0,
            clock: 0,
            bounding: false,
            probes: None,
            probed: SortedSet::new(),
            sent: SortedSet::new(),
        };
        shard.follow(Vec::new(), fx);
        shard
    }

    /// Which shard it is.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Its locks, if it speaks for the shard.
    #[must_use]
    pub const fn locks(&self) -> &Locks {
        &self.locks
    }

    pub(super) fn has(&self, bug: CommitBug) -> bool {
        self.config.has(bug)
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: CommitMessage, fx: &mut Fx<'_>) {
        if let CommitMessage::Group(inner) = message {
            self.log.on_message(from, inner, fx);
        } else if self.log.serves() {
            self.serve(from, message, fx);
        } else if from.0 < self.config.coordinators && self.config.copies > 1 {
            fx.send(from, CommitMessage::NotLeader { shard: self.number, hint: self.log.hint() });
        }
        self.follow(Vec::new(), fx);
    }

    fn serve(&mut self, from: NodeId, message: CommitMessage, fx: &mut Fx<'_>) {
        match message {
            CommitMessage::Execute { txn, age, seq, acts, once, snapshot, floor, finish } => {
                let job = Job { seq, acts, at: 0, found: Vec::new(), finish, waits: false };
                self.on_execute(txn, age, job, (once, snapshot, floor), fx);
            }
            CommitMessage::Prepare { txn, seq, finish } => self.on_prepare(txn, seq, &finish, fx),
            CommitMessage::Decision { txn, commit, at, floor } => {
                self.on_decision(txn, commit.then_some(at), floor, Some(from), fx);
            }
            CommitMessage::Outcome { txn, known, prepared } => match known {
                Known::Commit(at) => self.on_decision(txn, Some(at), 0, None, fx),
                // An answer may have been overtaken by the vote: then it says nothing.
                Known::Abort if !prepared && (self.is_preparing(txn) || !self.active.contains_key(&txn)) => {}
                Known::Abort if !self.active.contains_key(&txn) && !self.doubts.contains_key(&txn) => {}
                Known::Abort => self.on_decision(txn, None, 0, None, fx),
                Known::Working => self.on_working(txn, fx),
            },
            CommitMessage::Inquire { txn, .. } => self.on_inquire(from, txn, fx),
            CommitMessage::Pre { txn, commit, at } => self.on_pre(from, txn, commit, at, fx),
            CommitMessage::Poll { txn, .. } => self.on_poll(from, txn, fx),
            CommitMessage::Stands { txn, shard, state } => self.on_stands(txn, shard, state, fx),
            CommitMessage::Phase2b { txn, ballot, votes } => self.on_phase2b(from, txn, ballot, votes, fx),
            CommitMessage::Probe { origin, youngest, at, hops } => self.on_probe(origin, youngest, at, hops, fx),
            _ => {}
        }
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        if timer == CLOCK {
            self.on_clock(fx);
        } else {
            self.log.on_timer(timer, fx);
        }
        self.follow(Vec::new(), fx);
    }

    pub(super) fn on_disk(&mut self, done: &Completion<CommitRecord>, fx: &mut Fx<'_>) {
        let told = self.log.on_disk(done, fx);
        self.follow(told, fx);
    }

    /// Takes in what has become of the log.
    fn follow(&mut self, told: Vec<Told>, fx: &mut Fx<'_>) {
        for told in told.into_iter().chain(self.log.news(fx)) {
            match told {
                Told::Serves => self.begin_to_serve(fx),
                Told::Found(txn, commit) => fx.note(CommitFact::Applies { txn, shard: self.number, commit }),
                Told::StepsDown => self.step_down(),
                Told::Lost => {
                    self.closing.clear();
                    self.bounding = false;
                }
                Told::Applied(entry, became) => self.on_applied(&entry, became, fx),
                Told::Confirmed(number, follows) => self.on_confirmed(number, follows, fx),
            }
        }
        self.arm(fx);
    }

    /// Locks of what is prepared are taken again, before anybody else can have them.
    fn begin_to_serve(&mut self, fx: &mut Fx<'_>) {
        fx.note(CommitFact::Serves { shard: self.number });
        let ledger = self.log.ledger();
        self.clock = ledger.bound();
        let due = fx.now() + self.config.inquire_after;
        for (txn, part) in ledger.prepared() {
            self.clock = self.clock.max(part.at);
            let shared = part.reads.iter().filter(|_| !self.config.snapshots()).map(|key| (*key, false));
            let written = part.writes.iter().map(|act| (act.key(), true));
            let once = part.once.iter().map(|((client, op), _)| (once_key(*client, *op), true));
            let age = Age { at: 0, first: *txn };
            for (key, exclusive) in written.chain(once).chain(shared) {
                if !self.has(CommitBug::EarlyRelease) {
                    self.locks.ask(key, Claim { txn: *txn, age, exclusive }, Deadlocks::Timeout);
                }
            }
            self.doubts.insert(*txn, Doubt::new(due, part.participants, None));
            fx.note(CommitFact::Prepared { txn: *txn, shard: self.number });
        }
    }

    fn step_down(&mut self) {
        self.locks = Locks::default();
        self.active.clear();
        self.ended.clear();
        self.doubts.clear();
        self.closing.clear();
        self.askers.clear();
        self.refusals.clear();
        self.confirms.clear();
        (self.bounding, self.probes) = (false, None);
    }

    fn on_execute(
        &mut self,
        txn: TxnId,
        age: Age,
        job: Job,
        (once, snapshot, floor): (Option<(u32, u64)>, u64, u64),
        fx: &mut Fx<'_>,
    ) {
        let now = fx.now();
        if self.refusals.contains_key(&txn) {
            // It is said once that is in the log.
            return;
        }
        if let Some(doubt) = self.doubts.get(&txn) {
            if let Some(message) = doubt.answer.clone().filter(|_| job.finish.is_some()) {
                fx.send(txn.home(), message);
            }
            return;
        }
        match self.log.ledger().state(txn) {
            State::Never if !self.ended.contains(&txn) => {}
            State::Never | State::Aborted => {
                return self.answer(txn, job.seq, Answer::No(Reason::Forgotten), None, fx);
            }
            // Others have ended it before its coordinator has heard of the vote.
            State::Committed(_) => return self.acknowledge(txn, true, Some(txn.home()), fx),
            _ => return,
        }
        match self.active.get_mut(&txn) {
            None if job.seq == 1 => {
                let active = Active {
                    age,
                    seq: 1,
                    snapshot,
                    reads: Vec::new(),
                    writes: Vec::new(),
                    once,
                    job: Some(job),
                    answer: None,
                    preparing: None,
                    heard: now,
                    asked: 0,
                    floor,
                };
                self.active.insert(txn, active);
                self.run(txn, fx);
            }
            // It has lost what it did before, so nothing of it can be prepared.
            None => self.answer(txn, job.seq, Answer::No(Reason::Forgotten), None, fx),
            Some(active) => {
                (active.heard, active.asked) = (now, 0);
                if job.seq == active.seq + 1 && active.job.is_none() && active.preparing.is_none() {
                    active.seq += 1;
                    active.answer = None;
                    active.job = Some(job);
                    self.run(txn, fx);
                } else if job.seq == active.seq
                    && let Some(message) = active.answer.clone()
                {
                    fx.send(txn.home(), message);
                }
            }
        }
    }

    fn answer(&mut self, txn: TxnId, seq: u32, answer: Answer, vote: Option<Vote>, fx: &mut Fx<'_>) {
        let message = CommitMessage::Executed { txn, shard: self.number, seq, answer, vote };
        if let Some(active) = self.active.get_mut(&txn) {
            active.answer = Some(message.clone());
        }
        fx.send(txn.home(), message);
    }

    /// Carries on with the acts of a transaction, until one has to wait.
    pub(super) fn run(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let Some(active) = self.active.get(&txn) else { return };
        let Some(mut job) = active.job.clone() else { return };
        let (age, snapshot, once, first) = (active.age, active.snapshot, active.once, active.seq == 1);
        if job.at == 0
            && first
            && let Some((client, op)) = once
        {
            if !self.config.snapshots() && !self.take(txn, once_key(client, op), true, age, &mut job, fx) {
                return;
            }
            if let Some(done) = self.log.ledger().done(client, op) {
                let answer = Answer::Repeated(done.txn, done.found.clone());
                let message = CommitMessage::Executed { txn, shard: self.number, seq: job.seq, answer, vote: None };
                return self.refuse(txn, message, false, fx);
            }
        }
        let as_of = if self.config.snapshots() { snapshot } else { u64::MAX };
        if self.config.snapshots() && !self.may_read(txn, snapshot, &job, fx) {
            return self.waits(txn, job);
        }
        while let Some(act) = job.acts.get(job.at).copied() {
            if !self.config.snapshots() && !self.take(txn, act.key(), act.is_exclusive(), age, &mut job, fx) {
                return;
            }
            let mut found = self.log.ledger().read(&self.config, act.key(), as_of);
            let Some(active) = self.active.get_mut(&txn) else { return };
            active.writes.iter().filter(|write| write.key() == act.key()).for_each(|write| overlay(&mut found, *write));
            if let (Act::Add(_, amount), Found::Balance(balance)) = (act, &mut found) {
                *balance += amount;
                if *balance < 0 {
                    let votes = job.finish.is_some();
                    let answer = Answer::No(Reason::Insufficient);
                    let message = CommitMessage::Executed { txn, shard: self.number, seq: job.seq, answer, vote: None };
                    return self.refuse(txn, message, votes, fx);
                }
            }
            if act.writes() {
                active.writes.push(act);
            } else {
                active.reads.push(act.key());
            }
            job.found.push(if matches!(act, Act::Append(..) | Act::Write(..)) { Found::Done } else { found });
            job.at += 1;
        }
        let Some(active) = self.active.get_mut(&txn) else { return };
        active.job = None;
        match job.finish {
            None => self.answer(txn, job.seq, Answer::Found(job.found), None, fx),
            Some(finish) => self.prepare(txn, &finish, Some((job.seq, job.found)), fx),
        }
    }

    fn waits(&mut self, txn: TxnId, job: Job) {
        if let Some(active) = self.active.get_mut(&txn) {
            active.job = Some(Job { waits: true, ..job });
        }
    }

    /// Takes a lock, or waits for it, or dies.
    fn take(&mut self, txn: TxnId, key: Key, exclusive: bool, age: Age, job: &mut Job, fx: &mut Fx<'_>) -> bool {
        let had = self.locks.has(txn);
        match self.locks.ask(key, Claim { txn, age, exclusive }, self.config.deadlocks) {
            Asked::Granted => {
                if !had {
                    fx.note(CommitFact::Locks { txn, shard: self.number });
                }
                if core::mem::take(&mut job.waits) {
                    fx.note(CommitFact::Waited { txn, granted: true });
                }
                true
            }
            Asked::Waits { before, wounded } => {
                if !had {
                    fx.note(CommitFact::Locks { txn, shard: self.number });
                }
                if let Some(holder) = before.first().copied() {
                    let in_doubt = self.doubts.contains_key(&holder);
                    fx.note(CommitFact::Waits { txn, key, holder, in_doubt });
                }
                // Who has voted can not be wounded, and waits for nobody any more.
                for victim in wounded.into_iter().filter(|victim| self.active.contains_key(victim)) {
                    fx.send(victim.home(), CommitMessage::Wound { txn: victim, by: txn });
                }
                self.waits(txn, job.clone());
                false
            }
            Asked::Dies => {
                let votes = job.finish.is_some();
                let answer = Answer::No(Reason::Died);
                let message = CommitMessage::Executed { txn, shard: self.number, seq: job.seq, answer, vote: None };
                self.refuse(txn, message, votes, fx);
                false
            }
        }
    }

    /// Whether all that a snapshot has to see is there: nothing that is prepared may commit as of an earlier time, and
    /// nothing that will be.
    fn may_read(&mut self, txn: TxnId, snapshot: u64, job: &Job, fx: &mut Fx<'_>) -> bool {
        self.clock = self.clock.max(snapshot);
        if self.log.ledger().bound() < snapshot {
            if !self.bounding {
                self.bounding = true;
                self.log.propose(Entry::Bound(snapshot + AHEAD), fx);
            }
            return false;
        }
        let keys = |act: &Act| job.acts.iter().any(|mine| mine.key() == act.key());
        let in_the_way = |part: &Part| part.at <= snapshot && part.writes.iter().any(keys);
        let prepared = self.log.ledger().prepared().iter().find(|(_, part)| in_the_way(part)).map(|(other, _)| *other);
        let preparing = || {
            let of = |active: &Active| active.preparing.as_ref().is_some_and(|preparing| in_the_way(&preparing.part));
            self.active.iter().find(|(_, active)| of(active)).map(|(other, _)| *other)
        };
        let Some(holder) = prepared.or_else(preparing) else {
            if job.waits {
                fx.note(CommitFact::Waited { txn, granted: true });
            }
            return true;
        };
        if !job.waits {
            let key = job.acts[0].key();
            fx.note(CommitFact::Waits { txn, key, holder, in_doubt: self.doubts.contains_key(&holder) });
        }
        false
    }

    /// Lets its locks go; whoever waited for them goes on.
    pub(super) fn release(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        if !self.locks.has(txn) {
            return;
        }
        if !self.locks.waits_for(txn).is_empty() {
            fx.note(CommitFact::Waited { txn, granted: false });
        }
        fx.note(CommitFact::Unlocks { txn, shard: self.number });
        let mut granted = self.locks.release(txn);
        granted.dedup();
        for next in granted {
            self.run(next, fx);
        }
    }

    /// A decision, from whoever knows it: `from` wants to hear that it is carried out.
    pub(super) fn on_decision(
        &mut self,
        txn: TxnId,
        at: Option<u64>,
        floor: u64,
        from: Option<NodeId>,
        fx: &mut Fx<'_>,
    ) {
        let commit = at.is_some();
        match self.log.ledger().state(txn) {
            State::Committed(_) | State::Aborted | State::Unknown => {
                // Its coordinator may have forgotten it before this shard has heard that it is over.
                if self.active.remove(&txn).is_some() {
                    self.ended.insert(txn);
                    self.release(txn, fx);
                }
                self.acknowledge(txn, commit, from, fx);
            }
            State::Never if commit && !self.is_preparing(txn) => self.acknowledge(txn, commit, from, fx),
            state => {
                if state == State::Never && !commit {
                    if !self.active.contains_key(&txn) && self.has(CommitBug::NoTombstone) {
                        fx.note(CommitFact::Refused { txn, shard: self.number });
                        return self.acknowledge(txn, commit, from, fx);
                    }
                    self.ended.insert(txn);
                    self.active.remove(&txn);
                    fx.note(CommitFact::Refused { txn, shard: self.number });
                    self.release(txn, fx);
                }
                if let Some(from) = from.filter(|_| self.config.wants_ack(commit)) {
                    self.askers.entry(txn).or_default().insert(from);
                }
                if self.closing.insert(txn) {
                    self.log.propose(Entry::Decide(txn, commit, at.unwrap_or(0), floor), fx);
                }
            }
        }
    }

    pub(super) fn is_preparing(&self, txn: TxnId) -> bool {
        self.active.get(&txn).is_some_and(|active| active.preparing.is_some())
    }

    pub(super) fn acknowledge(&self, txn: TxnId, commit: bool, from: Option<NodeId>, fx: &mut Fx<'_>) {
        if let Some(from) = from.filter(|_| self.config.wants_ack(commit)) {
            let at = if let State::Committed(at) = self.log.ledger().state(txn) { at } else { 0 };
            fx.send(from, CommitMessage::Ack { txn, shard: self.number, commit, at });
        }
    }

    fn on_applied(&mut self, entry: &Entry, became: Option<bool>, fx: &mut Fx<'_>) {
        let serves = self.log.serves();
        match entry {
            Entry::Barrier | Entry::Confirm => {}
            Entry::Bound(_) => {
                self.bounding = false;
                self.run_waiting(fx);
            }
            Entry::Prepare(txn, part, _) if serves => self.on_prepared(*txn, part, fx),
            Entry::Pre(txn, _) if serves => self.tell_askers(*txn, fx),
            Entry::Decide(txn, ..) => {
                if let Some(commit) = became {
                    fx.note(CommitFact::Applies { txn: *txn, shard: self.number, commit });
                }
                if serves {
                    self.on_decided(*txn, fx);
                }
            }
            Entry::Prepare(..) | Entry::Pre(..) => {}
        }
    }

    fn on_decided(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        self.closing.remove(&txn);
        self.doubts.remove(&txn);
        self.active.remove(&txn);
        if let Some(message) = self.refusals.remove(&txn) {
            fx.send(txn.home(), message);
        }
        self.release(txn, fx);
        self.tell_askers(txn, fx);
        if self.ended.len() > 10_000 {
            self.ended.pop_first();
        }
        self.run_waiting(fx);
    }

    /// Readers of snapshots may have waited for it.
    fn run_waiting(&mut self, fx: &mut Fx<'_>) {
        if !self.config.snapshots() {
            return;
        }
        let waits = |active: &Active| active.job.as_ref().is_some_and(|job| job.waits);
        let waiting: Vec<TxnId> = self.active.iter().filter(|(_, active)| waits(active)).map(|(txn, _)| *txn).collect();
        for txn in waiting {
            self.run(txn, fx);
        }
    }

    fn tell_askers(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let state = self.log.ledger().state(txn);
        for asker in self.askers.remove(&txn).unwrap_or_default() {
            match state {
                State::Committed(_) | State::Aborted if asker.0 < self.config.coordinators => {
                    self.acknowledge(txn, state != State::Aborted, Some(asker), fx);
                }
                _ => fx.send(asker, CommitMessage::Stands { txn, shard: self.number, state }),
            }
        }
    }
}

/// The key of an idempotency key.
pub(super) const fn once_key(client: u32, op: u64) -> Key {
    Key { space: Space::Once, id: (client as u64) << 40 | op }
}

/// What a transaction has written itself it sees.
fn overlay(found: &mut Found, write: Act) {
    match (found, write) {
        (Found::List(marks), Act::Append(_, mark)) => marks.push(mark),
        (Found::Register(value), Act::Write(_, mark)) => *value = Some(mark),
        (Found::Balance(balance), Act::Add(_, amount)) => *balance += amount,
        _ => {}
    }
}
