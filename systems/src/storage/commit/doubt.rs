//! A participant in doubt: it has voted yes, and may neither commit nor abort before it knows what was decided. Whom it
//! asks, and how those who are left end a transaction by themselves, is the termination protocol.

use super::bugs::CommitBug;
use super::ledger::{Entry, Stage};
use super::message::{Ballot, CommitFact, CommitMessage, Known, Votes};
use super::node::Fx;
use super::options::{Protocols, Termination};
use super::shard::Shard;
use super::txn::{Reason, Shards, State, TxnId, Vote};
use sim_core::sorted::SortedMap;
use sim_core::{LocalInstant, NodeId};

/// A transaction that it is in doubt about.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// When it asks next.
    pub due: LocalInstant,
    /// How often it has asked in vain.
    pub asked: u32,
    /// All whose votes decide.
    pub participants: Shards,
    /// What it has said when it voted.
    pub(super) answer: Option<CommitMessage>,
    /// Where the others are, as far as they have said.
    states: SortedMap<u32, State>,
    /// What acceptors have told it (Faster Paxos Commit).
    accepted: SortedMap<NodeId, (Ballot, Votes)>,
    blocked: bool,
}

impl Doubt {
    pub(super) fn new(due: LocalInstant, participants: Shards, answer: Option<CommitMessage>) -> Self {
        let (states, accepted) = (SortedMap::new(), SortedMap::new());
        Self { due, asked: 0, participants, answer, states, accepted, blocked: false }
    }
}

impl Shard {
    /// Asks about what it is in doubt of and has heard nothing of for long.
    pub(super) fn doubt(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let due: Vec<TxnId> = self.doubts.iter().filter(|(_, doubt)| doubt.due <= now).map(|(txn, _)| *txn).collect();
        for txn in due {
            let Some(doubt) = self.doubts.get_mut(&txn) else { continue };
            doubt.due = now + self.config.inquire_after;
            doubt.asked += 1;
            let (asked, participants) = (doubt.asked, doubt.participants);
            if asked > 1 && !core::mem::replace(&mut doubt.blocked, true) {
                fx.note(CommitFact::Blocked { txn, shard: self.number });
            }
            if self.has(CommitBug::UnilateralAbort) {
                self.on_decision(txn, None, 0, None, fx);
                continue;
            }
            let shard = self.number;
            let inquiry = CommitMessage::Inquire { txn, shard, prepared: true, participants };
            match self.config.protocol {
                Protocols::TwoPhase => {
                    fx.send(txn.home(), inquiry.clone());
                    if self.config.termination == Termination::Cooperative {
                        self.to_others(participants, &inquiry, fx);
                    }
                }
                Protocols::ThreePhase if asked == 1 => fx.send(txn.home(), inquiry),
                Protocols::ThreePhase => self.end_by_vote(txn, fx),
                Protocols::Paxos | Protocols::FasterPaxos => {
                    // The coordinator first; then another acceptor each time, which will end it.
                    let all = 2 * self.config.f as usize + 1;
                    let whom = self.config.acceptors(txn.home()).nth((asked as usize - 1) % all);
                    fx.send(whom.unwrap_or(txn.home()), inquiry);
                }
            }
        }
    }

    fn to_others(&self, participants: Shards, message: &CommitMessage, fx: &mut Fx<'_>) {
        for shard in participants.iter().filter(|shard| *shard != self.number) {
            for node in self.config.nodes_of(shard) {
                fx.send(node, message.clone());
            }
        }
    }

    /// Another participant is in doubt. Who has not voted yet can still abort, and so end it.
    pub(super) fn on_inquire(&mut self, from: NodeId, txn: TxnId, fx: &mut Fx<'_>) {
        let known = match self.log.ledger().state(txn) {
            State::Committed(at) => Known::Commit(at),
            State::Aborted => Known::Abort,
            State::Never if !self.is_voting(txn) => return self.give_up(txn, from, fx),
            _ => return,
        };
        fx.send(from, CommitMessage::Outcome { txn, known, prepared: true });
    }

    fn is_voting(&self, txn: TxnId) -> bool {
        self.closing.contains(&txn) || self.is_preparing(txn)
    }

    /// It will never vote yes: others may rest on that once it is in the log.
    fn give_up(&mut self, txn: TxnId, asker: NodeId, fx: &mut Fx<'_>) {
        self.on_decision(txn, None, 0, None, fx);
        self.askers.entry(txn).or_default().insert(asker);
    }

    /// Three-phase commit: somebody has it take a step towards the end.
    pub(super) fn on_pre(&mut self, from: NodeId, txn: TxnId, commit: bool, at: u64, fx: &mut Fx<'_>) {
        let state = self.log.ledger().state(txn);
        match state {
            State::Uncertain(_) => {
                let stage = if commit { Stage::PreCommitted(at) } else { Stage::PreAborted };
                self.askers.entry(txn).or_default().insert(from);
                self.log.propose(Entry::Pre(txn, stage), fx);
            }
            State::Never if !commit && !self.is_voting(txn) => self.give_up(txn, from, fx),
            State::Never => {}
            _ => fx.send(from, CommitMessage::Stands { txn, shard: self.number, state }),
        }
    }

    /// Somebody who ends a transaction asks where it is.
    pub(super) fn on_poll(&mut self, from: NodeId, txn: TxnId, fx: &mut Fx<'_>) {
        match self.log.ledger().state(txn) {
            State::Never if self.is_voting(txn) => {}
            State::Never => self.give_up(txn, from, fx),
            state => fx.send(from, CommitMessage::Stands { txn, shard: self.number, state }),
        }
    }

    /// Ends a transaction whose coordinator is silent: asks all where they are, and goes by what they said.
    fn end_by_vote(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let Some(doubt) = self.doubts.get(&txn) else { return };
        let (participants, asked) = (doubt.participants, doubt.asked);
        if asked == 2 {
            fx.note(CommitFact::TakesOver { txn, ballot: 0 });
        }
        if asked > 2 && self.has(CommitBug::NoQuorum) {
            return self.end_by_those_who_answer(txn, fx);
        }
        self.to_others(participants, &CommitMessage::Poll { txn, shard: self.number }, fx);
        self.weigh(txn, fx);
    }

    pub(super) fn on_stands(&mut self, txn: TxnId, shard: u32, state: State, fx: &mut Fx<'_>) {
        match state {
            // It waits for who asked, too.
            State::Committed(at) => return self.tell_all(txn, Some(at), fx),
            State::Aborted => return self.tell_all(txn, None, fx),
            _ => {}
        }
        if let Some(doubt) = self.doubts.get_mut(&txn) {
            doubt.states.insert(shard, state);
            if doubt.asked > 1 && !self.has(CommitBug::NoQuorum) {
                self.weigh(txn, fx);
            }
        }
    }

    /// Whether a quorum is ready to commit, or to abort, or can be made so (Skeen 1982).
    fn weigh(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let Some(doubt) = self.doubts.get_mut(&txn) else { return };
        doubt.states.insert(self.number, self.log.ledger().state(txn));
        let all = doubt.participants.len();
        let count = |is: fn(&State) -> bool| doubt.states.values().filter(|state| is(state)).count() as u32;
        let ready = count(|state| matches!(state, State::PreCommitted(_)));
        let uncertain = count(|state| matches!(state, State::Uncertain(_)));
        let against = count(|state| matches!(state, State::PreAborted));
        let at = doubt.states.values().find_map(|s| if let State::PreCommitted(at) = s { Some(*at) } else { None });
        let open: Vec<u32> =
            doubt.states.iter().filter(|(_, s)| matches!(s, State::Uncertain(_))).map(|(shard, _)| *shard).collect();
        let (commits, aborts) = (self.config.commit_quorum(all), self.config.abort_quorum(all));
        match at {
            Some(at) if ready >= commits => self.tell_all(txn, Some(at), fx),
            _ if against >= aborts => self.tell_all(txn, None, fx),
            Some(at) if ready + uncertain >= commits => self.prompt(txn, &open, true, at, fx),
            _ if uncertain + against >= aborts => self.prompt(txn, &open, false, 0, fx),
            _ => {}
        }
    }

    fn prompt(&mut self, txn: TxnId, shards: &[u32], commit: bool, at: u64, fx: &mut Fx<'_>) {
        for shard in shards {
            if *shard == self.number {
                let me = self.me;
                self.on_pre(me, txn, commit, at, fx);
            } else {
                for node in self.config.nodes_of(*shard) {
                    fx.send(node, CommitMessage::Pre { txn, commit, at });
                }
            }
        }
    }

    /// The rule of those who take silence for death: somebody is ready to commit, so all commit; nobody is, so all
    /// abort.
    fn end_by_those_who_answer(&mut self, txn: TxnId, fx: &mut Fx<'_>) {
        let own = self.log.ledger().state(txn);
        let Some(doubt) = self.doubts.get(&txn) else { return };
        let states = doubt.states.values().copied().chain([own]);
        let at = states.into_iter().find_map(|s| if let State::PreCommitted(at) = s { Some(at) } else { None });
        self.tell_all(txn, at, fx);
    }

    /// It is decided: here, and wherever it can be told.
    fn tell_all(&mut self, txn: TxnId, at: Option<u64>, fx: &mut Fx<'_>) {
        let Some(doubt) = self.doubts.get(&txn) else { return };
        if self.closing.contains(&txn) {
            return;
        }
        let participants = doubt.participants;
        let (commit, why) = (at.is_some(), at.is_none().then_some(Reason::Recovered));
        fx.note(CommitFact::Decides { txn, commit, why });
        let known = at.map_or(Known::Abort, Known::Commit);
        self.to_others(participants, &CommitMessage::Outcome { txn, known, prepared: true }, fx);
        self.on_decision(txn, at, 0, None, fx);
    }

    /// Faster Paxos Commit: acceptors say what they have accepted; as many as are needed make it a decision.
    pub(super) fn on_phase2b(&mut self, from: NodeId, txn: TxnId, ballot: Ballot, votes: Votes, fx: &mut Fx<'_>) {
        let needed = self.config.f as usize + 1;
        let Some(doubt) = self.doubts.get_mut(&txn) else { return };
        doubt.accepted.insert(from, (ballot, votes));
        let participants = doubt.participants;
        let mut at = 0;
        for shard in participants.iter() {
            let has = |votes: &Votes| votes.iter().any(|(of, b, v)| *of == shard && *b == ballot && is_yes(*v));
            if doubt.accepted.values().filter(|(of, votes)| *of == ballot && has(votes)).count() < needed {
                return;
            }
        }
        for (_, votes) in doubt.accepted.values() {
            votes.iter().for_each(|(_, _, vote)| at = at.max(if let Vote::Yes(at) = vote { *at } else { 0 }));
        }
        fx.note(CommitFact::Decides { txn, commit: true, why: None });
        self.on_decision(txn, Some(at), 0, Some(txn.home()), fx);
    }
}

const fn is_yes(vote: Vote) -> bool {
    matches!(vote, Vote::Yes(_))
}
