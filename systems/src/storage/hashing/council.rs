//! The nodes that keep the directory: a Raft of their own inside the store's nodes, and what its leader does about
//! changes of members.

use super::HashingBug;
use super::directory::{Directory, Step};
use super::message::{HashingFact, HashingMessage, Life, Record};
use super::node::{Fx, Machine};
use crate::consensus::raft::{self, Raft, RaftFact, RaftMessage};
use sim_core::{
    ClientId, Completion, Duration, Embed, LocalInstant, Node, NodeId, NodeSet, Replay, Ticket, Timer, Wrap, node_ids,
};

/// The first timer slot of the Raft inside.
pub(super) const TIMERS_FROM: u16 = 8;
/// The log of the Raft inside, on the same disk.
const LANE: u16 = 1;

/// Whose requests the Raft inside takes its steps for.
pub(super) const PROPOSER: ClientId = ClientId(0);

/// How the Raft's types are those of the store.
struct Inside;

impl Wrap<Raft<Directory>, Machine> for Inside {
    fn message(&self, inner: RaftMessage<Directory>) -> HashingMessage {
        HashingMessage::Directory(inner)
    }

    fn record(&self, inner: raft::Record<Directory>) -> Record {
        Record::Directory(inner)
    }

    fn unwrap_record(&self, outer: &Record) -> Option<raft::Record<Directory>> {
        match outer {
            Record::Directory(inner) => Some(inner.clone()),
            _ => None,
        }
    }

    fn fact(&self, inner: RaftFact) -> Option<HashingFact> {
        Some(HashingFact::Directory(inner))
    }

    fn reply(&self, _: Ticket, _: u64) -> Option<crate::shared::kv::KvResponse> {
        // The steps are the store's own: nobody waits for an answer.
        None
    }
}

/// Whether there is nothing of the Raft on this disk.
pub(super) fn is_empty(disk: Replay<'_, Record>) -> bool {
    disk.lane(LANE).is_empty()
}

/// A keeper of the directory.
#[derive(Clone, Debug)]
pub(super) struct Council {
    raft: Embed<Raft<Directory>>,
    /// Steps it has proposed, so that no two look like one.
    proposed: u64,
    /// The last one: its term and the epoch it was based on.
    last: Option<(u64, u64)>,
    /// Who has copied all in the change of this epoch.
    copied: (u64, NodeSet),
    /// When it learned of the change under way.
    since: LocalInstant,
}

impl Council {
    /// Boots the Raft inside, if this node keeps the directory.
    pub fn boot(config: &super::options::Setup, disk: Replay<'_, Record>, fx: &mut Fx<'_>) -> Option<Self> {
        config.keeps_directory(fx.me()).then(|| {
            let inner = raft::Config::new(config.directory);
            let raft = Embed::boot(&inner, (TIMERS_FROM, LANE), disk, &Inside, fx);
            Self { raft, proposed: 0, last: None, copied: (0, NodeSet::EMPTY), since: fx.now() }
        })
    }

    /// The Raft inside.
    pub const fn raft(&self) -> &Raft<Directory> {
        self.raft.node()
    }

    /// Its term, if it leads.
    pub fn leads(&self) -> Option<u64> {
        let role = self.raft.node().role();
        (role.name == "leader").then_some(role.rank)
    }

    pub(super) fn directory(&self) -> &Directory {
        self.raft.node().machine()
    }

    /// Whether it has proposed a step that follows `epoch`.
    pub(super) fn has_proposed(&self, epoch: u64) -> bool {
        self.last.is_some_and(|(_, after)| after == epoch)
    }

    fn propose(&mut self, step: Step, fx: &mut Fx<'_>) {
        let Some(term) = self.leads() else { return };
        let epoch = self.directory().view.epoch;
        if self.last == Some((term, epoch)) {
            return;
        }
        self.last = Some((term, epoch));
        self.proposed += 1;
        // A term has one leader, so this number is nobody else's, and it is larger than those of earlier terms.
        let op = term << 24 | self.proposed;
        let ticket = Ticket { client: PROPOSER, op, floor: op, attempt: 0 };
        fx.note(HashingFact::Proposed { op });
        self.raft.step(&Inside, fx, |raft, fx| raft.on_request(ticket, step, fx));
    }
}

impl Machine {
    /// Gives the Raft inside an input, and follows what it has decided.
    fn consult(&mut self, fx: &mut Fx<'_>, input: impl FnOnce(&mut Embed<Raft<Directory>>, &mut Fx<'_>)) {
        let Some(council) = &mut self.council else { return };
        input(&mut council.raft, fx);
        let view = council.directory().view.clone();
        if view.epoch > self.view.epoch {
            let leads = council.leads().is_some();
            council.since = fx.now();
            self.adopt(view.clone(), fx);
            if leads && self.config.announce {
                for node in node_ids(self.config.nodes as usize).filter(|node| *node != self.me) {
                    fx.send(node, HashingMessage::View(view.clone()));
                }
            }
        }
        self.conclude(fx);
    }

    pub(super) fn on_directory_message(&mut self, from: NodeId, message: RaftMessage<Directory>, fx: &mut Fx<'_>) {
        self.consult(fx, |raft, fx| raft.on_message(from, message, &Inside, fx));
    }

    pub(super) fn on_directory_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        self.consult(fx, |raft, fx| {
            if let Some(inner) = raft.timer(timer, raft::TIMERS) {
                raft.step(&Inside, fx, |node, fx| node.on_timer(inner, fx));
            }
        });
    }

    pub(super) fn on_directory_disk(&mut self, done: &Completion<Record>, fx: &mut Fx<'_>) {
        self.consult(fx, |raft, fx| raft.on_disk(done, &Inside, fx));
    }

    /// A message to a node, which may be this one.
    pub(super) fn tell(&mut self, node: NodeId, message: HashingMessage, fx: &mut Fx<'_>) {
        match message {
            HashingMessage::Copied { epoch } if node == self.me => self.on_copied(node, epoch, fx),
            message => fx.send(node, message),
        }
    }

    /// The operator wants the members to be these. Asked again until they are.
    pub(super) fn on_members_wanted(&mut self, members: NodeSet, fx: &mut Fx<'_>) {
        let (config, now) = (self.config.clone(), fx.now());
        let known = members.iter().all(|node| node.0 < config.nodes);
        let Some(council) = self.council.as_mut().filter(|council| council.leads().is_some()) else { return };
        // Keys must have as many holders as they are promised.
        if !known || config.stores(members).len() < config.replicas as usize {
            return;
        }
        let view = &council.directory().view;
        let epoch = view.epoch;
        match view.next {
            None if view.members(&config) != members => council.propose(Step::Begin { epoch, members }, fx),
            // The one under way may never end: who joins, or who has the keys, may be gone.
            Some(next) if next != members && now.since(council.since) >= config.give_up => {
                council.propose(Step::Cancel { epoch }, fx);
            }
            _ => {}
        }
        self.consult(fx, |_, _| {});
    }

    /// A node has lost its disk.
    pub(super) fn on_wiped(&mut self, from: NodeId, life: Life, fx: &mut Fx<'_>) {
        let Some(council) = self.council.as_mut().filter(|council| council.leads().is_some()) else { return };
        let view = &council.directory().view;
        let epoch = view.epoch;
        if !view.fenced.contains(&(from, life)) {
            council.propose(Step::Fence { epoch, node: from, life }, fx);
            self.consult(fx, |_, _| {});
        }
    }

    /// A store has all that the change of `epoch` gives it.
    pub(super) fn on_copied(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) {
        let Some(council) = &mut self.council else { return };
        if council.copied.0 != epoch {
            if council.copied.0 > epoch {
                return;
            }
            council.copied = (epoch, NodeSet::EMPTY);
        }
        council.copied.1.insert(from);
        self.conclude(fx);
    }

    /// Ends the change under way once every store that will be there has its keys.
    fn conclude(&mut self, fx: &mut Fx<'_>) {
        let config = self.config.clone();
        let Some(council) = &mut self.council else { return };
        let view = &council.directory().view;
        let (epoch, Some(next)) = (view.epoch, view.next) else { return };
        let copied = council.copied.0 == epoch && config.stores(next).minus(council.copied.1).is_empty();
        if copied || config.has(HashingBug::SwitchBeforeCopy) {
            council.propose(Step::End { epoch }, fx);
        }
    }

    /// How long the next question for a newer view may wait.
    pub(super) fn refresh(&mut self, fx: &mut Fx<'_>) {
        let epoch = self.view.epoch;
        let keeper = NodeId(fx.rng().below(u64::from(self.config.directory)) as u32);
        if keeper != self.me {
            fx.send(keeper, HashingMessage::Seek { epoch });
        }
        fx.arm(super::node::REFRESH, self.config.view_refresh.max(Duration::millis(1)));
    }
}
