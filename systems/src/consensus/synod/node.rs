//! A participant: proposer, acceptor, or both.

use super::message::{SynodFact, SynodMessage, SynodRecord};
use super::options::Config;
use crate::consensus::paxos::Ballot;
use sim_core::{Completion, Duration, Effects, Journal, Node, NodeId, Replay, Ticket, Timer};

type Fx<'a> = Effects<'a, Synod>;

/// Comes due when a proposer tries again.
const RETRY: Timer = Timer(0);
/// How many timer slots a node uses.
pub const TIMERS: u16 = 1;

/// What a proposer waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Promises: who gave one, and the value accepted in the highest ballot among them.
    One {
        from: Vec<NodeId>,
        highest: Option<(Ballot, u64)>,
    },
    /// Acceptances of a value.
    Two {
        from: Vec<NodeId>,
        value: u64,
    },
    /// It knows what is chosen.
    Decided {
        value: u64,
    },
}

/// A participant.
#[derive(Clone, Debug)]
pub struct Synod {
    config: Config,
    me: NodeId,
    /// On disk, of the acceptor: no lower ballot gets its help.
    promised: Ballot,
    /// On disk, of the acceptor.
    accepted: Option<(Ballot, u64)>,
    /// Of the proposer: its newest ballot.
    ballot: Ballot,
    phase: Phase,
    failures: u32,
    /// Its disk, and the messages that wait for it.
    disk: Journal<(NodeId, SynodMessage)>,
}

impl Synod {
    /// The decision, if it knows it.
    #[must_use]
    pub const fn decided(&self) -> bool {
        matches!(self.phase, Phase::Decided { .. })
    }

    /// Who it is.
    #[must_use]
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// The ballot below which it helps none.
    #[must_use]
    pub const fn promised(&self) -> Ballot {
        self.promised
    }

    /// Whether it has a value to propose.
    #[must_use]
    pub fn proposes(&self) -> bool {
        self.config.proposers.contains(&self.me)
    }

    fn quorum(&self) -> usize {
        self.config.acceptors as usize / 2 + 1
    }

    fn write(&mut self, record: SynodRecord, fx: &mut Fx<'_>) {
        self.disk.append(record, fx);
        self.disk.settle(fx);
    }

    /// Sends `message` once everything written is durable.
    fn say(&mut self, to: NodeId, message: SynodMessage, fx: &mut Fx<'_>) {
        if let Some((to, message)) = self.disk.after(self.disk.written(), (to, message)) {
            self.send(to, message, fx);
        }
    }

    /// What it sends itself costs no message.
    fn send(&mut self, to: NodeId, message: SynodMessage, fx: &mut Fx<'_>) {
        if to == self.me {
            self.on_message(to, message, fx);
        } else {
            fx.send(to, message);
        }
    }

    fn say_to_acceptors(&mut self, message: &SynodMessage, fx: &mut Fx<'_>) {
        for to in (0..self.config.acceptors).map(NodeId) {
            self.say(to, message.clone(), fx);
        }
    }

    /// Begins a ballot above every one it has seen.
    fn prepare(&mut self, fx: &mut Fx<'_>) {
        self.ballot = Ballot { round: self.ballot.max(self.promised).round + 1, node: self.me.0 };
        self.phase = Phase::One { from: Vec::new(), highest: None };
        // Durable before anybody hears of it: it must never be used again.
        self.promised = self.ballot;
        self.write(SynodRecord::Promised(self.ballot), fx);
        fx.note(SynodFact::Prepared { ballot: self.ballot });
        fx.arm(RETRY, self.config.patience);
        self.say_to_acceptors(&SynodMessage::Prepare { ballot: self.ballot }, fx);
    }

    /// Its ballot was outbid.
    fn give_way(&mut self, to: Ballot, fx: &mut Fx<'_>) {
        let trying = matches!(self.phase, Phase::One { .. } | Phase::Two { .. });
        if !trying || to <= self.ballot {
            return;
        }
        self.promised = self.promised.max(to);
        self.phase = Phase::Idle;
        let pause = if self.config.back_off {
            let most = self.config.patience.0 << self.failures.min(10);
            Duration(fx.rng().between(0, most))
        } else {
            Duration::ZERO
        };
        self.failures += 1;
        fx.arm(RETRY, pause);
    }
}

impl Node for Synod {
    type Config = Config;
    type Message = SynodMessage;
    type Request = u64;
    type Response = u64;
    type Record = SynodRecord;
    type Fact = SynodFact;

    fn boot(config: &Config, me: NodeId, disk: Replay<'_, SynodRecord>, fx: &mut Fx<'_>) -> Self {
        let mut node = Self {
            config: config.clone(),
            me,
            promised: Ballot::ZERO,
            accepted: None,
            ballot: Ballot::ZERO,
            phase: Phase::Idle,
            failures: 0,
            disk: Journal::default(),
        };
        for (id, record) in disk.iter() {
            match record {
                Ok(SynodRecord::Promised(ballot)) => node.promised = node.promised.max(*ballot),
                Ok(SynodRecord::Accepted(ballot, value)) => {
                    node.promised = node.promised.max(*ballot);
                    node.accepted = Some((*ballot, *value));
                }
                Err(_) => {
                    fx.halt("its disk can not be read: what it has promised is unknown");
                    return node;
                }
            }
            node.disk.replayed(id);
        }
        node.disk.restarted(false);
        node.disk.settle(fx);
        if config.proposers.contains(&me) {
            node.prepare(fx);
        }
        node
    }

    fn on_message(&mut self, from: NodeId, message: SynodMessage, fx: &mut Fx<'_>) {
        match message {
            SynodMessage::Prepare { ballot } | SynodMessage::Accept { ballot, .. } if ballot < self.promised => {
                fx.send(from, SynodMessage::Outbid { promised: self.promised });
            }
            SynodMessage::Prepare { ballot } => {
                // A proposer that is an acceptor too sees who outbids it.
                self.give_way(ballot, fx);
                if from != self.me {
                    self.promised = ballot;
                    self.write(SynodRecord::Promised(ballot), fx);
                }
                self.say(from, SynodMessage::Promise { ballot, accepted: self.accepted }, fx);
            }
            SynodMessage::Accept { ballot, value } => {
                self.give_way(ballot, fx);
                self.promised = ballot;
                self.accepted = Some((ballot, value));
                self.write(SynodRecord::Accepted(ballot, value), fx);
                self.say(from, SynodMessage::Accepted { ballot }, fx);
            }
            SynodMessage::Promise { ballot, accepted } if ballot == self.ballot => {
                let quorum = self.quorum();
                let Phase::One { from: given, highest } = &mut self.phase else { return };
                if !given.contains(&from) {
                    given.push(from);
                }
                *highest = (*highest).max(accepted);
                if given.len() >= quorum {
                    // What may have been chosen already, it must propose itself (P2c).
                    let value = highest.map_or(u64::from(self.me.0) + 1, |(_, value)| value);
                    self.phase = Phase::Two { from: Vec::new(), value };
                    self.say_to_acceptors(&SynodMessage::Accept { ballot, value }, fx);
                }
            }
            SynodMessage::Accepted { ballot } if ballot == self.ballot => {
                let quorum = self.quorum();
                let Phase::Two { from: given, value } = &mut self.phase else { return };
                if !given.contains(&from) {
                    given.push(from);
                }
                if given.len() >= quorum {
                    let value = *value;
                    fx.note(SynodFact::Decided { ballot, value });
                    self.phase = Phase::Decided { value };
                    fx.disarm(RETRY);
                }
            }
            SynodMessage::Outbid { promised } => self.give_way(promised, fx),
            SynodMessage::Promise { .. } | SynodMessage::Accepted { .. } => {}
        }
    }

    fn on_timer(&mut self, _: Timer, fx: &mut Fx<'_>) {
        if !self.decided() {
            self.prepare(fx);
        }
    }

    /// A client proposes a value, and is told which one is decided: proposers have values of their own already.
    fn on_request(&mut self, ticket: Ticket, _: u64, fx: &mut Fx<'_>) {
        match self.phase {
            Phase::Decided { value } => fx.reply(ticket, value),
            _ => fx.redirect(ticket, self.config.proposers.iter().copied().find(|proposer| *proposer != self.me)),
        }
    }

    fn on_disk(&mut self, done: Completion<SynodRecord>, fx: &mut Fx<'_>) {
        match done {
            Completion::Synced { upto } => {
                self.disk.synced(upto);
                while let Some((to, message)) = self.disk.due() {
                    self.send(to, message, fx);
                }
            }
            Completion::SyncFailed { .. } => fx.halt("a sync failed: what is on the disk is unknown"),
            Completion::Read { .. } => {}
        }
    }

    fn request_bytes(_: &u64) -> u32 {
        8
    }

    fn response_bytes(_: &u64) -> u32 {
        8
    }
}
