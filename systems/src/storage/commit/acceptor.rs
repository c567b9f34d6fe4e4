//! Paxos Commit (Gray and Lamport: Consensus on Transaction Commit, 2006): each participant's vote is an instance of
//! consensus. The coordinators are the acceptors; each is the first leader of its own transactions, and any of them can
//! end a transaction whose leader is gone.

use super::coordinator::Coordinator;
use super::message::{Ballot, CommitFact, CommitMessage, CommitRecord, Votes};
use super::node::Fx;
use super::options::Protocols;
use super::txn::{Reason, Shards, TxnId, Vote};
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Replay};

/// What an acceptor has of one transaction.
#[derive(Clone, Debug, Default)]
struct Instance {
    /// It accepts nothing of an older ballot.
    promised: Ballot,
    votes: SortedMap<u32, (Ballot, Vote)>,
    participants: Shards,
}

impl Instance {
    fn votes(&self) -> Votes {
        self.votes.iter().map(|(shard, (ballot, vote))| (*shard, *ballot, *vote)).collect()
    }
}

/// An acceptor.
#[derive(Clone, Debug, Default)]
pub struct Acceptor {
    instances: SortedMap<TxnId, Instance>,
}

impl Acceptor {
    /// How many transactions it knows of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether it knows of none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    pub(super) fn restore(&mut self, disk: Replay<'_, CommitRecord>) {
        for (_, record) in disk.iter() {
            match record {
                Ok(CommitRecord::Promised { txn, ballot }) => {
                    let of = self.instances.entry(*txn).or_default();
                    of.promised = of.promised.max(*ballot);
                }
                Ok(CommitRecord::Accepted { txn, participants, votes }) => {
                    let of = self.instances.entry(*txn).or_default();
                    of.participants = *participants;
                    for (shard, ballot, vote) in votes {
                        of.promised = of.promised.max(*ballot);
                        of.votes.insert(*shard, (*ballot, *vote));
                    }
                }
                _ => {}
            }
        }
    }
}

/// A transaction that this node ends.
#[derive(Clone, Debug)]
pub struct Recovery {
    ballot: Ballot,
    participants: Shards,
    promises: SortedMap<NodeId, Votes>,
    proposed: Option<Votes>,
    accepted: Vec<NodeId>,
    /// When it tries again.
    pub(super) due: LocalInstant,
}

impl Coordinator {
    /// A participant's own vote, in ballot 0.
    pub(super) fn accept_vote(&mut self, txn: TxnId, shard: u32, vote: Vote, of: Shards, fx: &mut Fx<'_>) {
        let instance = self.acceptor.instances.entry(txn).or_default();
        if instance.promised > 0 {
            return;
        }
        instance.participants = of;
        instance.votes.insert(shard, (0, vote));
        let record = CommitRecord::Accepted { txn, participants: of, votes: vec![(shard, 0, vote)] };
        // One message for all of them, once the last has voted.
        let complete = of.iter().all(|shard| instance.votes.contains_key(&shard));
        let message = CommitMessage::Phase2b { txn, ballot: 0, votes: instance.votes() };
        let mut told = Vec::new();
        if complete && self.config.protocol == Protocols::FasterPaxos {
            told.extend(of.iter().flat_map(|shard| self.config.nodes_of(shard)));
            told.extend(Some(self.me).filter(|me| *me == txn.home()));
        } else if complete {
            told.push(txn.home());
        }
        self.say_after(record, told, &message, fx);
    }

    pub(super) fn on_phase1a(&mut self, from: NodeId, txn: TxnId, ballot: Ballot, fx: &mut Fx<'_>) {
        let instance = self.acceptor.instances.entry(txn).or_default();
        if ballot < instance.promised {
            return;
        }
        instance.promised = ballot;
        let (votes, participants) = (instance.votes(), instance.participants);
        let message = CommitMessage::Phase1b { txn, ballot, votes, participants };
        self.say_after(CommitRecord::Promised { txn, ballot }, [from], &message, fx);
    }

    pub(super) fn on_phase2a(
        &mut self,
        from: NodeId,
        txn: TxnId,
        ballot: Ballot,
        (votes, participants): (Votes, Shards),
        fx: &mut Fx<'_>,
    ) {
        let instance = self.acceptor.instances.entry(txn).or_default();
        if ballot < instance.promised {
            return;
        }
        instance.promised = ballot;
        instance.participants = participants;
        votes.iter().for_each(|(shard, of, vote)| _ = instance.votes.insert(*shard, (*of, *vote)));
        let message = CommitMessage::Phase2b { txn, ballot, votes: votes.clone() };
        self.say_after(CommitRecord::Accepted { txn, participants, votes }, [from], &message, fx);
    }

    /// Ends a transaction: its own whose votes do not come, or one whose leader does not answer.
    pub(super) fn recover(&mut self, txn: TxnId, participants: Shards, fx: &mut Fx<'_>) {
        let known = self.acceptor.instances.get(&txn).map_or(0, |instance| instance.promised);
        let before = self.recoveries.get(&txn).map_or(0, |recovery| recovery.ballot);
        if before > 0 && self.recoveries.get(&txn).is_some_and(|recovery| recovery.due > fx.now()) {
            return;
        }
        let all = u64::from(self.config.coordinators);
        let ballot = (known.max(before) / all + 1) * all + u64::from(self.me.0);
        fx.note(CommitFact::TakesOver { txn, ballot });
        // Two who try at the same time must not stand in each other's way for ever.
        let pause = Duration(self.config.vote_timeout.0 + fx.rng().below(self.config.vote_timeout.0 + 1));
        let recovery = Recovery {
            ballot,
            participants,
            promises: SortedMap::new(),
            proposed: None,
            accepted: Vec::new(),
            due: fx.now() + pause,
        };
        self.recoveries.insert(txn, recovery);
        self.tell_acceptors(txn, &CommitMessage::Phase1a { txn, ballot }, fx);
    }

    pub(super) fn recover_again(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let due: Vec<(TxnId, Shards)> = (self.recoveries.iter())
            .filter(|(_, recovery)| recovery.due <= now)
            .map(|(txn, recovery)| (*txn, recovery.participants))
            .collect();
        due.into_iter().for_each(|(txn, participants)| self.recover(txn, participants, fx));
    }

    fn tell_acceptors(&mut self, txn: TxnId, message: &CommitMessage, fx: &mut Fx<'_>) {
        for acceptor in self.config.acceptors(txn.home()) {
            if acceptor == self.me {
                self.on_message(acceptor, message.clone(), fx);
            } else {
                fx.send(acceptor, message.clone());
            }
        }
    }

    pub(super) fn on_phase1b(
        &mut self,
        from: NodeId,
        txn: TxnId,
        ballot: Ballot,
        (votes, of): (Votes, Shards),
        fx: &mut Fx<'_>,
    ) {
        let needed = self.config.f as usize + 1;
        let Some(recovery) = self.recoveries.get_mut(&txn).filter(|recovery| recovery.ballot == ballot) else { return };
        recovery.participants = recovery.participants.or(of);
        recovery.promises.insert(from, votes);
        if recovery.proposed.is_some() || recovery.promises.len() < needed {
            return;
        }
        let participants = recovery.participants;
        // Of each what was accepted in the newest ballot; nothing was, so nobody can have seen a yes: it is a no.
        let newest = |shard: u32| {
            let all = recovery.promises.values().flatten().filter(|(of, ..)| *of == shard);
            all.max_by_key(|(_, ballot, _)| *ballot).map_or(Vote::No(Reason::Recovered), |(_, _, vote)| *vote)
        };
        let votes: Votes = participants.iter().map(|shard| (shard, ballot, newest(shard))).collect();
        recovery.proposed = Some(votes.clone());
        self.tell_acceptors(txn, &CommitMessage::Phase2a { txn, ballot, votes, participants }, fx);
    }

    pub(super) fn on_phase2b(&mut self, from: NodeId, txn: TxnId, ballot: Ballot, votes: Votes, fx: &mut Fx<'_>) {
        let needed = self.config.f as usize + 1;
        if ballot == 0 {
            let Some(running) = self.running.get_mut(&txn) else { return };
            running.accepted.insert(from, (ballot, votes));
            let all: Votes = running.accepted.values().flat_map(|(_, votes)| votes.clone()).collect();
            let yes = |shard| all.iter().filter(|(of, _, vote)| *of == shard && matches!(vote, Vote::Yes(_))).count();
            if running.participants.iter().all(|shard| yes(shard) >= needed) {
                running.at = latest(&all);
                self.clock = self.clock.max(latest(&all));
                self.commit(txn, fx);
            }
            return;
        }
        let Some(recovery) = self.recoveries.get_mut(&txn).filter(|recovery| recovery.ballot == ballot) else { return };
        if !recovery.accepted.contains(&from) {
            recovery.accepted.push(from);
        }
        if recovery.accepted.len() >= needed {
            let participants = recovery.participants;
            let yes = votes.iter().all(|(_, _, vote)| matches!(vote, Vote::Yes(_)));
            let at = yes.then(|| latest(&votes));
            self.recoveries.remove(&txn);
            if self.running.contains_key(&txn) {
                return self.adopt(txn, at, fx);
            }
            fx.note(CommitFact::Decides { txn, commit: yes, why: (!yes).then_some(Reason::Recovered) });
            self.spread(txn, at, participants, fx);
        }
    }
}

/// As of when what these votes say commits.
fn latest(votes: &Votes) -> u64 {
    votes.iter().map(|(_, _, vote)| if let Vote::Yes(at) = vote { *at } else { 0 }).max().unwrap_or(0)
}
