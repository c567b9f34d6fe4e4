//! The arbiter as a quorum of its own: who is the primary is kept by a consensus group of the last
//! nodes.
//!
//! What is agreed on is a [`Seat`]: the primary, its epoch, and who is in sync. A primary renews its claim through the
//! log; an arbiter that leads lets others claim the seat only when it has seen no renewal for a lease. The claim
//! carries how many renewals it rests on, so that one that was under way meanwhile wins.

use super::message::{FailoverFact, FailoverMessage, PetitionNumber, Record};
use super::node::{Failover, Fx, SEAT, TIMERS_OF_ITS_OWN};
use crate::consensus::raft::{Raft, RaftProtocol};
use crate::shared::number::Counts;
use crate::shared::replication::{Asker, Council, Group, News, Protocol, hosts};
use serde::Serialize;
use sim_core::{Duration, LocalInstant, NodeId, NodeSet, Replay, StateMachine, hash};

/// Which log of the disk is the group's.
pub(super) const LANE: u16 = 1;

/// A member of the group.
pub(super) type Member = Raft<Seat>;

/// Who leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Hash)]
pub struct Seat {
    /// The newest epoch.
    pub epoch: u64,
    /// Its primary; `None` if it has given up.
    pub primary: Option<NodeId>,
    /// Counts claims and renewals.
    pub renewals: u64,
    /// Who is in sync; empty if nobody has said anything yet.
    #[serde(skip)]
    pub in_sync: NodeSet,
}

/// What is asked of the arbiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Petition {
    /// May this node lead the next epoch?
    Claim {
        /// The node.
        node: NodeId,
        /// The newest epoch it knows of.
        epoch: u64,
        /// Renewals that the arbiter had seen.
        renewals: u64,
        /// Whether the primary itself wants it.
        transfer: bool,
        /// Whether it may although it is not in sync.
        unclean: bool,
    },
    /// The primary of this epoch goes on.
    Renew {
        /// The epoch.
        epoch: u64,
    },
    /// The primary of this epoch says who is in sync.
    SetInSync {
        /// The epoch.
        epoch: u64,
        /// Those.
        #[serde(skip)]
        nodes: NodeSet,
    },
    /// The node that was given this epoch does not want it.
    Release {
        /// The epoch.
        epoch: u64,
    },
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Hash)]
pub struct Ruling {
    /// Whether it is so.
    pub granted: bool,
    /// The seat after that.
    pub seat: Seat,
}

impl StateMachine for Seat {
    type Command = Petition;
    type Response = Ruling;
    type Snapshot = Self;

    fn start() -> Self {
        Self::default()
    }

    fn apply(&mut self, petition: &Petition) -> Ruling {
        let granted = match *petition {
            Petition::Claim { node, epoch, renewals, unclean, .. } => {
                let fits = unclean || self.in_sync.is_empty() || self.in_sync.has(node);
                let granted = (epoch, renewals) == (self.epoch, self.renewals) && fits;
                // It asks again, because it was asked twice to take over or has not heard: it is given the same.
                let again = (epoch + 1, Some(node)) == (self.epoch, self.primary);
                if granted {
                    (self.epoch, self.primary) = (self.epoch + 1, Some(node));
                }
                granted || again
            }
            Petition::Renew { epoch } => epoch == self.epoch && self.primary.is_some(),
            Petition::SetInSync { epoch, nodes } => {
                let granted = epoch == self.epoch && self.primary.is_some();
                if granted {
                    self.in_sync = nodes;
                }
                granted
            }
            Petition::Release { epoch } => {
                let granted = epoch == self.epoch;
                if granted {
                    self.primary = None;
                }
                granted
            }
        };
        self.renewals += u64::from(granted);
        Ruling { granted, seat: *self }
    }

    fn read(&self, _: &Petition) -> Ruling {
        Ruling { granted: false, seat: *self }
    }

    fn is_read(_: &Petition) -> bool {
        false
    }

    fn snapshot(&self) -> Self {
        *self
    }

    fn restore(snapshot: &Self) -> Self {
        *snapshot
    }

    fn command_bytes(_: &Petition) -> u32 {
        24
    }

    fn response_bytes(_: &Ruling) -> u32 {
        32
    }

    fn snapshot_bytes(_: &Self) -> u64 {
        32
    }

    fn digest(&self) -> u64 {
        hash::of(&[self.epoch, self.renewals, self.primary.map_or(0, |node| u64::from(node.0) + 1)])
    }
}

hosts! {
    Failover: Member => FailoverMessage::Arbiter, Record::Arbiter, FailoverFact::Arbiter;
    |node| node.arbiter.as_ref().map(|arbiter| &arbiter.council)
}

/// An arbiter.
#[derive(Clone, Debug)]
pub(super) struct Arbiter {
    council: Council<Member>,
    /// How many renewals it has seen, and when it saw the last.
    renewals: u64,
    renewed: LocalInstant,
}

impl Arbiter {
    /// Boots a member of the group.
    pub fn boot(config: &super::Config, disk: Replay<'_, Record>, fx: &mut Fx<'_>) -> Self {
        let heartbeat = config.heartbeat;
        let group = Group {
            nodes: config.nodes,
            first: config.data(),
            heartbeat,
            election: (heartbeat.times(3), heartbeat.times(6)),
            snapshot_every: 1_000,
            snapshot_keep: 100,
            ..Group::of(config.arbiters)
        };
        let council = Council::boot(&RaftProtocol::group(&group), (TIMERS_OF_ITS_OWN, LANE), disk, fx);
        Self { council, renewals: 0, renewed: fx.now() }
    }

    /// Whether it leads the arbiters.
    pub fn leads(&self) -> bool {
        self.council.leads().is_some()
    }

    /// Gives the member an input, and passes on what it answers.
    pub fn consult(&mut self, fx: &mut Fx<'_>, input: impl FnOnce(&mut Council<Member>, &mut Fx<'_>)) {
        input(&mut self.council, fx);
        while let Some(news) = self.council.news() {
            let News::Answer(Asker::Node(to, number), answer) = news else { continue };
            let number = PetitionNumber(number);
            let message = match answer {
                Ok(ruling) => FailoverMessage::Ruled { number, ruling },
                Err(hint) => FailoverMessage::NotHere { number, hint },
            };
            fx.send(to, message);
        }
        let renewals = self.council.machine().renewals;
        if renewals != self.renewals {
            (self.renewals, self.renewed) = (renewals, fx.now());
        }
    }

    /// A data node asks something.
    pub fn on_petition(
        &mut self,
        from: NodeId,
        number: PetitionNumber,
        mut petition: Petition,
        lease: Duration,
        fx: &mut Fx<'_>,
    ) {
        let seat = *self.council.machine();
        if let Petition::Claim { renewals, transfer, .. } = &mut petition {
            *renewals = seat.renewals;
            let taken = seat.primary.is_some() && fx.now().since(self.renewed) < lease;
            if taken && !*transfer && self.leads() {
                return fx.send(from, FailoverMessage::Ruled { number, ruling: Ruling { granted: false, seat } });
            }
        }
        self.consult(fx, |council, fx| council.on_request(Asker::Node(from, number.0), petition, fx));
    }
}

/// What a data node has asked of the arbiter and not heard yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    number: PetitionNumber,
    petition: Petition,
    /// When it was asked first.
    since: LocalInstant,
    /// Whom it asked last.
    whom: NodeId,
}

impl Failover {
    /// Asks the arbiter, unless something is asked already that is as urgent.
    pub(super) fn petition(&mut self, petition: Petition, fx: &mut Fx<'_>) {
        let whom = self.spokesman;
        self.asked = Some(Asked { number: self.petitions.advance(), petition, since: fx.now(), whom });
        self.send_petition(whom, fx);
    }

    fn send_petition(&mut self, whom: NodeId, fx: &mut Fx<'_>) {
        let Some(asked) = &mut self.asked else { return };
        asked.whom = whom;
        let message = FailoverMessage::Petition { number: asked.number, petition: asked.petition };
        self.answer(whom, message, fx);
        fx.arm(SEAT, self.config.heartbeat);
    }

    /// Nobody has answered: asks the next one.
    pub(super) fn on_seat_due(&mut self, fx: &mut Fx<'_>) {
        let Some(asked) = self.asked else { return };
        let (first, count) = (self.config.data(), self.config.arbiters);
        self.send_petition(NodeId(first + (asked.whom.0 + 1 - first) % count), fx);
    }

    /// The one that was asked does not lead the arbiters.
    pub(super) fn on_not_here(&mut self, from: NodeId, number: PetitionNumber, hint: Option<NodeId>, fx: &mut Fx<'_>) {
        if let Some(hint) = hint
            && self.asked.is_some_and(|asked| asked.number == number && asked.whom == from)
        {
            self.send_petition(hint, fx);
        }
    }

    /// The arbiter has spoken.
    pub(super) fn on_ruled(&mut self, from: NodeId, number: PetitionNumber, ruling: Ruling, fx: &mut Fx<'_>) {
        let Some(asked) = self.asked.filter(|asked| asked.number == number) else { return };
        self.asked = None;
        self.spokesman = from;
        fx.disarm(SEAT);
        self.seat_epoch = ruling.seat.epoch;
        match asked.petition {
            Petition::Claim { transfer, .. } => self.on_claimed(ruling, asked.since, transfer, fx),
            Petition::Renew { epoch } | Petition::SetInSync { epoch, .. } if self.leads_in(epoch) => {
                if !ruling.granted {
                    return self.step_down("the arbiter knows a newer epoch", None, fx);
                }
                if let Some(lead) = &mut self.lead {
                    lead.renewed = asked.since;
                    if let Petition::SetInSync { nodes, .. } = asked.petition
                        && let Some(change) = lead.change.as_mut().filter(|change| change.nodes == nodes)
                    {
                        change.written.insert(from);
                    }
                }
                self.note_in_sync(fx);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_that_was_under_way_beats_a_claim() {
        let claim = |node, epoch, renewals| Petition::Claim { node, epoch, renewals, transfer: false, unclean: true };
        let mut seat = Seat::start();
        assert!(seat.apply(&claim(NodeId(0), 0, 0)).granted);
        let seen = seat.renewals;
        assert!(seat.apply(&Petition::Renew { epoch: 1 }).granted);
        assert!(!seat.apply(&claim(NodeId(1), 1, seen)).granted, "it rests on renewals that are not the last");
        assert_eq!(seat.primary, Some(NodeId(0)));
        assert!(!seat.apply(&claim(NodeId(1), 0, seat.renewals)).granted, "nor on an epoch that is over");
        assert!(seat.apply(&claim(NodeId(1), 1, seat.renewals)).granted);
        assert!(!seat.apply(&Petition::Renew { epoch: 1 }).granted, "the old primary is too late");
        assert_eq!((seat.epoch, seat.primary), (2, Some(NodeId(1))));
        assert!(seat.apply(&claim(NodeId(1), 1, seat.renewals)).granted, "it asks again for what it was given");
        assert!(!seat.apply(&claim(NodeId(0), 1, seat.renewals)).granted);
        assert_eq!((seat.epoch, seat.primary), (2, Some(NodeId(1))));
    }
}
