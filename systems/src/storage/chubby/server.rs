//! A server of the cell: its member of the group, and how it becomes the master and stops being it.

use super::database::{Answer, Command, Database, Epoch, Looks};
use super::master::{Master, Pending, Stage};
use super::message::{ChubbyFact, ChubbyMessage, ChubbyRecord};
use super::node::{CLOCK, Fx, Machine};
use super::options::Config;
use crate::consensus::any::AnyConsensus;
use crate::shared::replication::{Council, News, Proposal, Reign, hosts};
use sim_core::{Completion, Duration, LocalInstant, NodeId, Replay, Timer};
use std::rc::Rc;

/// The first timer slot of the group.
pub(super) const TIMERS_FROM: u16 = 3;
/// Its log on the disk.
pub(super) const LANE: u16 = 1;

/// A member of the group.
pub(super) type Member = AnyConsensus<Database>;

hosts! {
    Machine: Member => ChubbyMessage::Group, ChubbyRecord::Group, ChubbyFact::Group;
    |node| node.server().map(|server| &server.council)
}

/// A server of the cell.
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    pub(super) council: Council<Member>,
    /// What it is beside, while it leads the group.
    pub(super) master: Option<Box<Master>>,
    /// When it heard last that some other master goes on.
    renewed: LocalInstant,
}

impl Server {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, ChubbyRecord>, fx: &mut Fx<'_>) -> Self {
        let council = Council::boot(&config.group(), (TIMERS_FROM, LANE), disk, fx);
        let renewed = fx.now();
        let mut server = Self { config: Rc::clone(config), me, council, master: None, renewed };
        server.follow(fx);
        server
    }

    /// The database, as far as it has carried out what was decided.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.council.machine()
    }

    /// The epoch in which it is the master and serves.
    #[must_use]
    pub fn serves(&self) -> Option<Epoch> {
        self.master.as_ref().filter(|master| master.stage == Stage::Serving).map(|master| master.epoch)
    }

    /// The epoch in which it is the master, whether or not it serves yet.
    #[must_use]
    pub fn leads(&self) -> Option<Epoch> {
        self.master.as_ref().filter(|master| master.stage != Stage::Claiming).map(|master| master.epoch)
    }

    /// Whether it serves, and all have had time to tell it what they have open.
    #[must_use]
    pub fn has_swept(&self) -> bool {
        self.master.as_ref().is_some_and(|master| master.stage == Stage::Serving && master.sweep.is_none())
    }

    /// Puts a command into the log, and remembers what for.
    pub(super) fn propose(&mut self, command: Command, what: Pending, fx: &mut Fx<'_>) {
        if let Some(proposal) = self.council.propose(command, fx)
            && let Some(master) = &mut self.master
        {
            master.pending.insert(proposal, what);
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: ChubbyMessage, fx: &mut Fx<'_>) {
        match message {
            ChubbyMessage::Group(inner) => self.council.on_message(from, inner, fx),
            message => self.on_client(from, fx.now(), message, fx),
        }
        self.follow(fx);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        if timer == CLOCK {
            self.on_clock(fx);
        } else {
            self.council.on_timer(timer, fx);
        }
        self.follow(fx);
    }

    pub(super) fn on_disk(&mut self, done: &Completion<ChubbyRecord>, fx: &mut Fx<'_>) {
        self.council.on_disk(done, fx);
        self.follow(fx);
    }

    /// Takes in what the group has decided, and what that makes of this server.
    fn follow(&mut self, fx: &mut Fx<'_>) {
        loop {
            while let Some(news) = self.council.news() {
                match news {
                    // Whatever a master has said may be in it.
                    News::Anew => self.renewed = fx.now(),
                    News::Decided(decided) => {
                        let (number, command, answer) = (decided.number, decided.command, decided.response);
                        fx.note(ChubbyFact::Decided { number, command, answer });
                        self.on_decided(command, answer, fx);
                    }
                    News::Settled(proposal, answer) => self.on_settled(proposal, answer, fx),
                    News::Answer(..) => {}
                }
            }
            if !self.come_or_go(fx) {
                break;
            }
        }
        self.arm_clock(fx);
    }

    /// Begins to be the master, or stops. Whether there may be more to take in.
    fn come_or_go(&mut self, fx: &mut Fx<'_>) -> bool {
        let reign = self.council.leads();
        if let Some(master) = &self.master {
            let replaced = master.stage != Stage::Claiming && self.database().epoch != master.epoch;
            if reign != Some(master.reign) || replaced {
                self.step_down(fx);
            }
        }
        match (reign, &self.master) {
            (Some(reign), None) => {
                self.claim(reign, fx);
                true
            }
            _ => false,
        }
    }

    /// The first of nine steps (section 2.9): a new epoch.
    fn claim(&mut self, reign: Reign, fx: &mut Fx<'_>) {
        self.master = Some(Box::new(Master::new(reign, fx.now())));
        let looks = Looks::with(self.config.bug);
        let at = fx.now();
        self.propose(Command::Master { node: self.me, looks }, Pending::Claim { at }, fx);
    }

    fn step_down(&mut self, fx: &mut Fx<'_>) {
        let Some(master) = self.master.take() else { return };
        if master.stage != Stage::Claiming {
            fx.note(ChubbyFact::SteppedDown { epoch: master.epoch });
        }
        let hint = self.council.led_by().map(|(leader, _)| leader).filter(|leader| *leader != self.me);
        for client in master.clients() {
            fx.send(client, ChubbyMessage::NotMaster { hint });
        }
    }

    fn on_decided(&mut self, command: Command, answer: Answer, fx: &mut Fx<'_>) {
        match (command, answer) {
            (Command::Master { node, .. }, _) if node != self.me => self.renewed = fx.now(),
            (Command::Renew { .. }, Answer::Done) => self.renewed = fx.now(),
            (Command::Expire { session, .. }, Answer::Done) => self.on_expired(session, fx),
            _ => {}
        }
    }

    fn on_settled(&mut self, proposal: Proposal, answer: Option<Answer>, fx: &mut Fx<'_>) {
        let Some(what) = self.master.as_mut().and_then(|master| master.pending.remove(&proposal)) else { return };
        match (what, answer) {
            // Nobody knows whether it was decided, or it was by a newer master: this one begins anew, if it leads.
            (_, None | Some(Answer::OldEpoch)) => self.step_down(fx),
            (Pending::Claim { at }, Some(Answer::Epoch(epoch))) => self.on_claimed(epoch, at, fx),
            (what, Some(answer)) => self.on_done(what, answer, fx),
        }
    }

    /// It is the master. The one before may count on its lease still.
    fn on_claimed(&mut self, epoch: Epoch, at: LocalInstant, fx: &mut Fx<'_>) {
        let lease = self.config.master_lease;
        let waits_until = LocalInstant(self.renewed.0 + lease.0);
        let Some(master) = &mut self.master else { return };
        master.epoch = epoch;
        master.stage = Stage::Waiting;
        master.waits_until = waits_until;
        master.lease_until = LocalInstant(at.0 + self.config.surely(lease).0);
        master.renew_at = LocalInstant(at.0 + lease.0 / 3);
        fx.note(ChubbyFact::Claimed { epoch });
        self.replay(fx);
        self.on_clock(fx);
    }

    /// Wakes up when the master has to do something next.
    fn arm_clock(&self, fx: &mut Fx<'_>) {
        let next = self.master.as_ref().and_then(|master| master.next_due(fx.now(), self.config.answer_before));
        match next {
            Some(due) => fx.arm(CLOCK, Duration(due.0.saturating_sub(fx.now().0).max(1))),
            None => fx.disarm(CLOCK),
        }
    }
}
