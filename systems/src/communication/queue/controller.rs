//! A controller: its member of the group that keeps the metadata, and, while that leads, the brokers' sessions.

use super::message::{QueueFact, QueueMessage, QueueRecord};
use super::metadata::{Alter, Altered, Answer, Command, Image, Metadata, Partition};
use super::node::{CLOCK, Fx, LANE, Machine, TIMERS_FROM};
use super::options::Config;
use crate::consensus::raft::Raft;
use crate::shared::replication::{Council, News, Proposal, Reign, hosts};
use sim_core::sorted::SortedMap;
use sim_core::{Completion, Duration, LocalInstant, NodeId, Replay, Timer};
use std::rc::Rc;

/// A member of the group.
pub(super) type Seat = Raft<Metadata>;

hosts! {
    Machine: Seat => QueueMessage::Council, QueueRecord::Council, QueueFact::Council;
    |node| node.controller().map(|controller| &controller.council)
}

/// What a proposal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    /// The cluster begins, or preferred leaders lead.
    Cluster,
    /// A broker is registered, fenced or unfenced.
    Broker(NodeId),
    /// A leader waits for the answer, for what it asked of this state of a partition.
    Alter(NodeId, Partition, u32),
    /// A broker waits for producer ids.
    Block(NodeId),
}

/// A controller.
#[derive(Clone, Debug)]
pub struct Controller {
    config: Rc<Config>,
    me: NodeId,
    pub(super) council: Council<Seat>,
    /// Since when it is in charge, if it is.
    reign: Option<Reign>,
    /// When each broker was last heard from.
    contacts: SortedMap<NodeId, LocalInstant>,
    pending: SortedMap<Proposal, Pending>,
    /// The image as it was last told.
    told: Rc<Image>,
    /// When it looks after preferred leaders next.
    prefer_at: LocalInstant,
    /// When the cluster begins without the brokers that have not come.
    begin_at: LocalInstant,
}

impl Controller {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, QueueRecord>, fx: &mut Fx<'_>) -> Self {
        let council = Council::boot(&config.council(), (TIMERS_FROM, LANE), disk, fx);
        let mut this = Self {
            config: Rc::clone(config),
            me,
            council,
            reign: None,
            contacts: SortedMap::new(),
            pending: SortedMap::new(),
            told: Rc::default(),
            prefer_at: fx.now(),
            begin_at: fx.now(),
        };
        this.follow(fx);
        this
    }

    /// What is known of the cluster.
    #[must_use]
    pub fn image(&self) -> &Rc<Image> {
        &self.council.machine().0
    }

    /// Since which term it is in charge, if it is.
    #[must_use]
    pub fn in_charge(&self) -> Option<u64> {
        self.reign.map(|reign| reign.0)
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: QueueMessage, fx: &mut Fx<'_>) {
        match message {
            QueueMessage::Council(inner) => self.council.on_message(from, inner, fx),
            _ if self.reign.is_none() => {
                let leader = self.council.led_by().map(|(leader, _)| leader).filter(|leader| *leader != self.me);
                fx.send(from, QueueMessage::NotController { leader });
            }
            QueueMessage::Register { life } => self.on_register(from, life, fx),
            QueueMessage::Heartbeat { epoch, version } => self.on_heartbeat(from, epoch, version, fx),
            QueueMessage::Alter(alter) => self.on_alter(from, &alter, fx),
            QueueMessage::AskBlock => self.propose(Command::Block { node: from }, Pending::Block(from), fx),
            _ => {}
        }
        self.follow(fx);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        if timer == CLOCK {
            self.fence_the_silent(fx);
        } else {
            self.council.on_timer(timer, fx);
        }
        self.follow(fx);
    }

    pub(super) fn on_disk(&mut self, done: &Completion<QueueRecord>, fx: &mut Fx<'_>) {
        self.council.on_disk(done, fx);
        self.follow(fx);
    }

    fn propose(&mut self, command: Command, what: Pending, fx: &mut Fx<'_>) {
        if matches!(what, Pending::Broker(_) | Pending::Cluster) && self.pending.values().any(|other| *other == what) {
            return;
        }
        if let Some(proposal) = self.council.propose(command, fx) {
            self.pending.insert(proposal, what);
        }
    }

    fn on_register(&mut self, node: NodeId, life: u64, fx: &mut Fx<'_>) {
        self.contacts.insert(node, fx.now());
        if self.image().brokers.get(&node).is_some_and(|broker| broker.life == life) {
            fx.send(node, QueueMessage::Image(Rc::clone(self.image())));
        } else {
            self.propose(Command::Register { node, life }, Pending::Broker(node), fx);
        }
    }

    fn on_heartbeat(&mut self, node: NodeId, epoch: u64, version: u64, fx: &mut Fx<'_>) {
        let image = Rc::clone(self.image());
        let Some(broker) = image.brokers.get(&node).filter(|broker| broker.epoch == epoch) else {
            return fx.send(node, QueueMessage::Image(image));
        };
        self.contacts.insert(node, fx.now());
        // One that has seen its own registration knows what it leads.
        if broker.fenced && version >= epoch {
            self.propose(Command::Unfence { node, epoch }, Pending::Broker(node), fx);
        }
        if version < image.version {
            fx.send(node, QueueMessage::Image(image));
        } else {
            fx.send(node, QueueMessage::Heard);
        }
    }

    fn on_alter(&mut self, from: NodeId, alter: &Alter, fx: &mut Fx<'_>) {
        let what = Pending::Alter(from, alter.partition, alter.epoch);
        self.propose(Command::Alter(alter.clone()), what, fx);
    }

    /// When the session of a broker that may serve ends, unless it is heard from.
    fn sessions(&self) -> impl Iterator<Item = (NodeId, u64, LocalInstant)> {
        let image = self.image();
        self.contacts.iter().filter_map(|(node, heard)| {
            let broker = image.brokers.get(node).filter(|broker| !broker.fenced)?;
            Some((*node, broker.epoch, *heard + self.config.broker_session))
        })
    }

    fn fence_the_silent(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let silent: Vec<_> = self.sessions().filter(|(_, _, until)| *until <= now).collect();
        for (node, epoch, _) in silent {
            self.propose(Command::Fence { node, epoch }, Pending::Broker(node), fx);
        }
        if self.prefer_at <= now && self.reign.is_some() {
            self.prefer_at = now + self.config.leader_rebalance;
            let wants = |state: &super::metadata::State| {
                let preferred = state.replicas[0];
                state.leader != Some(preferred) && state.isr.has(preferred) && self.image().serves(preferred)
            };
            if self.image().partitions.iter().any(wants) {
                self.propose(Command::Prefer, Pending::Cluster, fx);
            }
        }
    }

    /// Takes in what the group has decided, and whether this member is in charge.
    fn follow(&mut self, fx: &mut Fx<'_>) {
        loop {
            while let Some(news) = self.council.news() {
                match news {
                    News::Anew => self.told = Rc::clone(self.image()),
                    News::Decided(_) => self.tell(fx),
                    News::Settled(proposal, answer) => self.on_settled(proposal, answer, fx),
                    News::Answer(..) => {}
                }
            }
            let leads = self.council.leads();
            if leads == self.reign {
                break;
            }
            if self.reign.take().is_some() {
                fx.note(QueueFact::OutOfCharge);
                self.pending.clear();
            }
            if let Some(reign) = leads {
                self.take_charge(reign, fx);
            }
        }
        self.begin(fx);
        let begins = if self.image().layout.is_none() { self.begin_at } else { self.prefer_at };
        let first = self.prefer_at.min(begins);
        let next = self.reign.map(|_| self.sessions().map(|(_, _, until)| until).fold(first, Ord::min));
        match next {
            // A proposal to fence may be under way.
            Some(due) => fx.arm(CLOCK, Duration(due.0.saturating_sub(fx.now().0).max(1_000_000))),
            None => fx.disarm(CLOCK),
        }
    }

    /// It is in charge: every broker is as good as heard from.
    fn take_charge(&mut self, reign: Reign, fx: &mut Fx<'_>) {
        self.reign = Some(reign);
        let now = fx.now();
        (self.prefer_at, self.begin_at) = (now + self.config.leader_rebalance, now + self.config.broker_session);
        self.contacts = (0..self.config.brokers).map(|node| (NodeId(node), now)).collect();
        fx.note(QueueFact::InCharge { term: reign.0 });
        self.told = Rc::clone(self.image());
        self.spread(fx);
    }

    /// The cluster begins once all brokers have come, or those that have not had time enough.
    fn begin(&mut self, fx: &mut Fx<'_>) {
        if self.reign.is_none() || self.image().layout.is_some() {
            return;
        }
        let all = (0..self.config.brokers).all(|node| self.image().serves(NodeId(node)));
        if all || self.begin_at <= fx.now() {
            self.propose(Command::Begin(self.config.layout()), Pending::Cluster, fx);
        }
    }

    /// Who is in charge tells all brokers what is new.
    fn tell(&mut self, fx: &mut Fx<'_>) {
        let (old, new) = (Rc::clone(&self.told), Rc::clone(self.image()));
        if self.reign.is_none() || old.version >= new.version {
            return;
        }
        for (broker, state) in &new.brokers {
            let before = old.brokers.get(broker);
            if before.is_none_or(|before| before.fenced) != state.fenced {
                fx.note(QueueFact::Fenced { broker: *broker, fenced: state.fenced });
            }
        }
        for (partition, state) in new.partitions.iter().enumerate() {
            let before = old.partitions.get(partition);
            if before.is_none_or(|before| before.isr != state.isr || before.leader_epoch != state.leader_epoch) {
                fx.note(QueueFact::State {
                    partition: Partition(partition as u32),
                    leader: state.leader,
                    epoch: state.leader_epoch,
                    isr: state.isr,
                    before: before.map_or(state.isr, |before| before.isr).len() as u32,
                });
            }
        }
        self.told = new;
        self.spread(fx);
    }

    fn spread(&self, fx: &mut Fx<'_>) {
        for broker in self.image().brokers.keys() {
            fx.send(*broker, QueueMessage::Image(Rc::clone(self.image())));
        }
    }

    fn on_settled(&mut self, proposal: Proposal, answer: Option<Answer>, fx: &mut Fx<'_>) {
        let Some(what) = self.pending.remove(&proposal) else { return };
        match (what, answer) {
            (Pending::Alter(node, partition, of), answer) => {
                let altered = match answer {
                    Some(Answer::Altered(altered)) => altered,
                    _ => Altered::Refused,
                };
                fx.send(node, QueueMessage::AlterDone { partition, of, altered });
            }
            (Pending::Block(node), Some(Answer::Block(first))) => fx.send(node, QueueMessage::Block { first }),
            _ => {}
        }
    }
}
