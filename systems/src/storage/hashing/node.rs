//! A node of the store: its whole state, how it boots from its disk, and where each input goes.

use super::HashingBug;
use super::coordinate::Op;
use super::directory::View;
use super::exchange::Exchange;
use super::hints::Deliveries;
use super::keeper::Keeper;
use super::message::{Behalf, HashingFact, HashingMessage, HintNumber, Life, OpNumber, Record};
use super::options::Config;
use super::rule::Rule;
use super::store::{Answer, Store};
use super::version::Held;
use crate::shared::kv::{Kv, KvCommand, KvResponse};
use sim_core::sorted::SortedMap;
use sim_core::{
    Completion, Duration, Effects, Node, NodeId, NodeSet, Order, Replay, Role, StateMachine, Ticket, Timer,
};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// A coordinator looks after its operations.
pub const COORDINATE: Timer = Timer(0);
/// A node asks for a newer view.
pub const REFRESH: Timer = Timer(1);
/// A store takes over keys, or repairs.
pub const EXCHANGE: Timer = Timer(2);
/// A node brings what it keeps for others to them.
pub const HINTS: Timer = Timer(3);
/// How many timer slots a node uses.
pub const TIMERS: u16 = super::keeper::TIMERS_FROM + crate::consensus::raft::TIMERS;

/// A router, a store, or both; the first few keep the directory too.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) config: Config,
    pub(super) me: NodeId,
    /// On disk: the members as it knows them.
    pub(super) view: View,
    /// The placement of the members.
    pub(super) rule: Rc<Rule>,
    /// That of the members there will be, while they change.
    pub(super) next_rule: Option<Rc<Rule>>,
    /// On disk.
    pub(super) store: Store,
    /// Operations of clients that it coordinates.
    pub(super) ops: SortedMap<OpNumber, Op>,
    /// Random at first, so that answers to those before a crash are not taken for others.
    pub(super) newest_op: OpNumber,
    /// The newest version it has given out by a clock.
    pub(super) clock: u64,
    pub(super) exchange: Exchange,
    pub(super) deliveries: Deliveries,
    pub(super) keeper: Option<Keeper>,
    /// It has read its disk, and takes no part before a sync has covered what it has read.
    pub(super) opening: bool,
}

impl Machine {
    /// The members as it knows them.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// How many keys it holds.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.store.keys()
    }

    /// All keys it holds as one of their holders.
    pub fn held(&self) -> impl Iterator<Item = (u64, &Held)> {
        self.store.iter()
    }

    /// What it keeps for others.
    pub fn hinted(&self) -> impl Iterator<Item = (u64, &Held)> {
        self.store.hints()
    }

    /// The holders of a key, the owner first: of those there were, and while the members change of those there will be.
    #[must_use]
    pub fn holders(&self, key: u64) -> (Vec<NodeId>, Option<Vec<NodeId>>) {
        let hash = super::key::of_number(key);
        let of = |rule: &Rc<Rule>| rule.holders(&self.config, hash);
        (of(&self.rule), self.next_rule.as_ref().map(of))
    }

    /// All holders of a key, under both sets of members while they change.
    pub(super) fn holders_of(&self, key: u64) -> NodeSet {
        holders_of(&self.config, &self.rule, self.next_rule.as_ref(), super::key::of_number(key))
    }

    /// Goes by a newer view from now on.
    pub(super) fn adopt(&mut self, view: View, fx: &mut Fx<'_>) {
        if view.epoch <= self.view.epoch {
            return;
        }
        let setup = self.config.clone();
        let (known, told) = (self.view.past.len(), view.past.len());
        if told == known + 1 && self.view.next == view.past.last().copied() {
            // The change it knew of is over.
            self.rule = self.next_rule.take().expect("it knew of one");
        } else if told != known {
            self.rule = Rule::replay(&setup, setup.first(), &view.past);
        }
        self.next_rule = view.next.map(|members| self.rule.after(&setup, members));
        if self.keeper.is_some() {
            fx.note(match view.next {
                _ if view.fenced != self.view.fenced => HashingFact::Fenced { epoch: view.epoch },
                Some(_) => HashingFact::Changing { epoch: view.epoch },
                None => HashingFact::Changed { epoch: view.epoch },
            });
        }
        fx.note(HashingFact::Viewed { epoch: view.epoch });
        self.view = view.clone();
        self.store.view(view, fx);
        self.regroup();
        self.restart_ops(fx);
        self.restart_hints();
        self.restart_exchange(fx);
    }

    /// Begins to take part.
    fn open(&mut self, fx: &mut Fx<'_>) {
        self.restart_exchange(fx);
        self.refresh(fx);
        if self.config.sloppy {
            fx.arm(HINTS, self.config.resend);
        }
    }

    /// Forgets the tombstones that are old enough.
    fn collect(&mut self, fx: &mut Fx<'_>) {
        let at_once = self.config.has(HashingBug::DeleteRemoves);
        let grace = if at_once { Duration::ZERO } else { self.config.tombstone_grace };
        self.store.collect(grace, fx);
    }

    fn regroup(&mut self) {
        let (config, rule, next, me) = (&self.config, &self.rule, self.next_rule.as_ref(), self.me);
        self.store.regroup(me, |hash| holders_of(config, rule, next, hash));
    }

    fn on_store(
        &mut self,
        from: NodeId,
        (behalf, epoch): (Behalf, u64),
        key: u64,
        held: Held,
        hint: bool,
        fx: &mut Fx<'_>,
    ) {
        // A store whose disk was wiped takes nothing before all know of it: in the epoch before, acknowledgements of
        // its earlier life may be under way. It is the new epoch that makes those void; what it took here sooner would
        // be on its disk all the same, so nothing would be lost by that. Waiting leaves one thing less to reason about.
        if !self.admits(from, behalf, epoch, fx) || !self.is_fenced() {
            return;
        }
        fx.worked(Some(held.version.writer()), Duration::ZERO);
        let ours = if hint { self.store.get(key) } else { self.store.own(key) };
        if ours.is_some_and(|ours| ours.version >= held.version) {
            return fx.send(from, HashingMessage::Stored { behalf, epoch });
        }
        let answer = Some(Answer { to: from, behalf, epoch });
        if hint {
            fx.note(HashingFact::Hinted { key });
            self.store.hint(key, held, answer, fx);
        } else {
            self.store.put(key, held, answer, fx);
        }
    }

    fn on_synced(&mut self, upto: sim_core::WriteId, fx: &mut Fx<'_>) {
        let (config, rule, next, me) = (&self.config, &self.rule, self.next_rule.as_ref(), self.me);
        let durable = self.store.synced(upto, me, |hash| holders_of(config, rule, next, hash), fx);
        for Answer { to, behalf, epoch } in durable.answers {
            fx.send(to, HashingMessage::Stored { behalf, epoch });
        }
        if durable.piece {
            self.on_piece_durable(fx);
        }
        self.store.compact(self.config.compact_every, &self.view, fx);
    }
}

fn holders_of(config: &Config, rule: &Rc<Rule>, next: Option<&Rc<Rule>>, hash: u64) -> NodeSet {
    let of = |rule: &Rc<Rule>| rule.holders(config, hash).into_iter().collect::<NodeSet>();
    next.map_or(NodeSet::EMPTY, of).union(of(rule))
}

impl Node for Machine {
    type Config = Config;
    type Message = HashingMessage;
    type Request = KvCommand;
    type Response = KvResponse;
    type Record = Record;
    type Fact = HashingFact;

    fn boot(config: &Config, me: NodeId, disk: Replay<'_, Record>, fx: &mut Fx<'_>) -> Self {
        let holders = |view: &View| {
            let rule = Rule::replay(config, config.first(), &view.past);
            let next = view.next.map(|members| rule.after(config, members));
            move |hash| holders_of(config, &rule, next.as_ref(), hash)
        };
        let wiped = disk.is_empty()
            && super::keeper::is_empty(disk)
            && fx.device_was_used()
            && !config.is_router(me)
            && !config.has(HashingBug::WipedServesAtOnce);
        let replayed = Store::replay(disk, me, holders);
        if replayed.is_err() {
            fx.note(HashingFact::Unreadable);
            fx.halt("its disk can not be read: what it has acknowledged is unknown");
        }
        let (store, view) = replayed.unwrap_or_default();
        let view = view.unwrap_or_else(View::first);
        let rule = Rule::replay(config, config.first(), &view.past);
        let next_rule = view.next.map(|members| rule.after(config, members));
        let numbered = fx.rng().next_u64();
        let mut node = Self {
            config: config.clone(),
            me,
            view,
            rule,
            next_rule,
            store,
            ops: SortedMap::new(),
            newest_op: OpNumber(numbered),
            clock: 0,
            exchange: Exchange::default(),
            deliveries: Deliveries::new(HintNumber(numbered)),
            keeper: Keeper::boot(config, disk, fx),
            opening: false,
        };
        if wiped {
            let life = Life(fx.rng().next_u64());
            node.store.wiped(life, fx);
        }
        node.regroup();
        let new = disk.is_empty() && super::keeper::is_empty(disk);
        if new || config.has(HashingBug::RestartTrustsPageCache) {
            node.open(fx);
        } else {
            // Where the process died alone, what it has read may stand in the page cache only.
            node.opening = true;
            fx.sync();
        }
        node
    }

    fn on_message(&mut self, from: NodeId, message: HashingMessage, fx: &mut Fx<'_>) {
        if self.opening {
            return;
        }
        self.collect(fx);
        match message {
            HashingMessage::Ask { op, epoch, key, bare } => {
                // One that has lost its keys does not know what they hold.
                if self.admits(from, Behalf::Op(op), epoch, fx) && self.store.life.is_none() {
                    let (held, floor) = (self.store.get(key).cloned(), self.store.floor);
                    fx.worked(held.as_ref().map(|held| held.version.writer()), Duration::ZERO);
                    fx.send(from, HashingMessage::Told { op, epoch, held, bare, floor });
                }
            }
            HashingMessage::Told { op, epoch, held, floor, .. } => self.on_told(from, (op, epoch), (held, floor), fx),
            HashingMessage::Store { behalf, epoch, key, held, hint } => {
                self.on_store(from, (behalf, epoch), key, held, hint, fx);
            }
            HashingMessage::Stored { behalf, epoch } => match behalf {
                Behalf::Op(op) => self.on_stored(from, op, epoch, fx),
                Behalf::Hint(hint) => self.on_delivered(from, hint, epoch, fx),
            },
            HashingMessage::Refused { behalf, view } => {
                if view.epoch < self.view.epoch {
                    fx.send(from, HashingMessage::View(self.view.clone()));
                    if let Behalf::Op(op) = behalf {
                        self.ask_again(from, op, fx);
                    }
                }
                self.adopt(view, fx);
            }
            HashingMessage::View(view) => self.adopt(view, fx),
            HashingMessage::Seek { epoch } => {
                if epoch < self.view.epoch {
                    fx.send(from, HashingMessage::View(self.view.clone()));
                }
            }
            HashingMessage::Compare { epoch, digest } => self.on_compare(from, epoch, digest, fx),
            HashingMessage::Tree { epoch, leaves, floor } => self.on_tree(from, epoch, leaves.as_deref(), floor, fx),
            HashingMessage::Fetch { epoch, leaf, after } => self.on_fetch(from, epoch, leaf, after, fx),
            HashingMessage::Piece { epoch, leaf, after, entries, more } => {
                self.on_piece(from, (epoch, leaf, after), &entries, more, fx);
            }
            HashingMessage::Wiped { life } => self.on_wiped(from, life, fx),
            HashingMessage::Blank { epoch } => self.on_blank(from, epoch, fx),
            HashingMessage::Copied { epoch } => self.on_copied(from, epoch, fx),
            HashingMessage::Directory(inner) => self.on_directory_message(from, inner, fx),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match timer {
            COORDINATE => self.on_coordinate(fx),
            REFRESH => self.refresh(fx),
            EXCHANGE => self.on_exchange(fx),
            HINTS => self.on_hints(fx),
            other => self.on_directory_timer(other, fx),
        }
    }

    fn on_request(&mut self, ticket: Ticket, request: KvCommand, fx: &mut Fx<'_>) {
        if self.opening {
            return fx.redirect(ticket, None);
        }
        if self.config.routers > 0 && !self.config.is_router(self.me) {
            let router = fx.rng().below(u64::from(self.config.routers)) as u32;
            return fx.redirect(ticket, Some(NodeId(router)));
        }
        self.coordinate(ticket, request, fx);
    }

    fn on_disk(&mut self, done: Completion<Record>, fx: &mut Fx<'_>) {
        match done {
            Completion::Synced { upto } => {
                self.on_synced(upto, fx);
                if core::mem::take(&mut self.opening) {
                    self.open(fx);
                }
            }
            Completion::SyncFailed { .. } => return fx.halt("a sync failed: what is on the disk is unknown"),
            Completion::Read { .. } => {}
        }
        self.on_directory_disk(&done, fx);
    }

    fn on_order(&mut self, order: Order, fx: &mut Fx<'_>) {
        if let Order::Members(members) = order
            && !self.opening
        {
            self.on_members_wanted(members, fx);
        }
    }

    fn is_read(request: &KvCommand) -> bool {
        Kv::is_read(request)
    }

    fn request_bytes(request: &KvCommand) -> u32 {
        16 + Kv::command_bytes(request)
    }

    fn response_bytes(response: &KvResponse) -> u32 {
        16 + Kv::response_bytes(response)
    }

    fn timer_name(timer: Timer) -> &'static str {
        match timer {
            COORDINATE => "operations",
            REFRESH => "view",
            EXCHANGE => "exchange",
            HINTS => "hints",
            _ => "directory",
        }
    }

    fn role(&self) -> Role {
        let stores = self.config.stores(self.view.next.unwrap_or_else(|| self.view.members(&self.config)));
        match self.keeper.as_ref().and_then(Keeper::leads) {
            Some(term) => Role::new("leader", term),
            None if self.config.is_router(self.me) => Role::new("router", 0),
            None if stores.has(self.me) => Role::new("store", 0),
            None => Role::new("spare", 0),
        }
    }

    fn members(&self) -> Option<NodeSet> {
        Some(self.view.members(&self.config))
    }

    fn progress(&self) -> u64 {
        self.view.epoch
    }
}
