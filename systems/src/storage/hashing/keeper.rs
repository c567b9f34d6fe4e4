//! The nodes that keep the directory: a consensus group inside the store's nodes, and what its leader does about
//! changes of members.

use super::HashingBug;
use super::directory::{Directory, Step};
use super::message::{HashingFact, HashingMessage, Life, Record};
use super::node::{Fx, Machine};
use crate::consensus::raft::{self, Raft};
use crate::shared::replication::{Council, News, hosts};
use sim_core::{Completion, Duration, LocalInstant, NodeId, NodeSet, Replay, Timer, node_ids};

/// The first timer slot of the group.
pub(super) const TIMERS_FROM: u16 = 8;
/// Its log, on the same disk.
pub(super) const LANE: u16 = 1;

/// A member of the group.
pub(super) type Member = Raft<Directory>;

hosts! {
    Machine: Member => HashingMessage::Directory, Record::Directory, HashingFact::Directory;
    |node| node.keeper.as_ref().map(|keeper| &keeper.council)
}

/// Whether there is nothing of the group on this disk.
pub(super) fn is_empty(disk: Replay<'_, Record>) -> bool {
    disk.lane(LANE).is_empty()
}

/// A keeper of the directory.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    council: Council<Member>,
    /// Who has copied all in the change of this epoch.
    copied: (u64, NodeSet),
    /// When it learned of the change under way.
    since: LocalInstant,
}

impl Keeper {
    /// Boots a member of the group, if this node keeps the directory.
    pub fn boot(config: &super::options::Setup, disk: Replay<'_, Record>, fx: &mut Fx<'_>) -> Option<Self> {
        config.keeps_directory(fx.me()).then(|| {
            let council = Council::boot(&raft::Config::new(config.directory), (TIMERS_FROM, LANE), disk, fx);
            Self { council, copied: (0, NodeSet::EMPTY), since: fx.now() }
        })
    }

    /// Its term, if it leads.
    pub fn leads(&self) -> Option<u64> {
        self.council.leads().map(|(term, _)| term)
    }

    pub(super) fn directory(&self) -> &Directory {
        self.council.machine()
    }

    /// Whether it has proposed a step that is not decided.
    pub(super) fn has_proposed(&self) -> bool {
        self.council.is_proposing()
    }

    /// Proposes a step, one at a time: each is based on the epoch that the one before leads to.
    fn propose(&mut self, step: Step, fx: &mut Fx<'_>) {
        if !self.council.is_proposing() {
            self.council.propose(step, fx);
        }
    }
}

impl Machine {
    /// Gives the member an input, and follows what it has decided.
    fn consult(&mut self, fx: &mut Fx<'_>, input: impl FnOnce(&mut Council<Member>, &mut Fx<'_>)) {
        let Some(keeper) = &mut self.keeper else { return };
        input(&mut keeper.council, fx);
        let mut decided = false;
        while let Some(news) = keeper.council.news() {
            decided |= matches!(news, News::Anew | News::Decided(_));
        }
        let view = keeper.council.machine().view.clone();
        if decided && view.epoch > self.view.epoch {
            let leads = keeper.leads().is_some();
            keeper.since = fx.now();
            self.adopt(view.clone(), fx);
            if leads && self.config.announce {
                for node in node_ids(self.config.nodes as usize).filter(|node| *node != self.me) {
                    fx.send(node, HashingMessage::View(view.clone()));
                }
            }
        }
        self.conclude(fx);
    }

    pub(super) fn on_directory_message(
        &mut self,
        from: NodeId,
        message: raft::RaftMessage<Directory>,
        fx: &mut Fx<'_>,
    ) {
        self.consult(fx, |council, fx| council.on_message(from, message, fx));
    }

    pub(super) fn on_directory_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        self.consult(fx, |council, fx| _ = council.on_timer(timer, fx));
    }

    pub(super) fn on_directory_disk(&mut self, done: &Completion<Record>, fx: &mut Fx<'_>) {
        self.consult(fx, |council, fx| council.on_disk(done, fx));
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
        let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.leads().is_some()) else { return };
        // Keys must have as many holders as they are promised.
        if !known || config.stores(members).len() < config.replicas as usize {
            return;
        }
        let view = &keeper.directory().view;
        let epoch = view.epoch;
        match view.next {
            None if view.members(&config) != members => keeper.propose(Step::Begin { epoch, members }, fx),
            // The one under way may never end: who joins, or who has the keys, may be gone.
            Some(next) if next != members && now.since(keeper.since) >= config.give_up => {
                keeper.propose(Step::Cancel { epoch }, fx);
            }
            _ => {}
        }
        self.consult(fx, |_, _| {});
    }

    /// A node has lost its disk.
    pub(super) fn on_wiped(&mut self, from: NodeId, life: Life, fx: &mut Fx<'_>) {
        let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.leads().is_some()) else { return };
        let view = &keeper.directory().view;
        let epoch = view.epoch;
        if !view.fenced.contains(&(from, life)) {
            keeper.propose(Step::Fence { epoch, node: from, life }, fx);
            self.consult(fx, |_, _| {});
        }
    }

    /// A store has all that the change of `epoch` gives it.
    pub(super) fn on_copied(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) {
        let Some(keeper) = &mut self.keeper else { return };
        if keeper.copied.0 != epoch {
            if keeper.copied.0 > epoch {
                return;
            }
            keeper.copied = (epoch, NodeSet::EMPTY);
        }
        keeper.copied.1.insert(from);
        self.conclude(fx);
    }

    /// Ends the change under way once every store that will be there has its keys.
    fn conclude(&mut self, fx: &mut Fx<'_>) {
        let config = self.config.clone();
        let Some(keeper) = &mut self.keeper else { return };
        let view = &keeper.directory().view;
        let (epoch, Some(next)) = (view.epoch, view.next) else { return };
        let copied = keeper.copied.0 == epoch && config.stores(next).minus(keeper.copied.1).is_empty();
        if copied || config.has(HashingBug::SwitchBeforeCopy) {
            keeper.propose(Step::End { epoch }, fx);
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
