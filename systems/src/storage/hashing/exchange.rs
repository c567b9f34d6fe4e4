//! Taking over keys, and repair: two stores compare Merkle trees over what both hold, and one fetches what it has not
//! (Dynamo, 4.7). The same exchange hands keys over to new holders: their trees are empty at first, and after a crash
//! of either end only what is still missing differs.

use super::message::{HashingFact, HashingMessage, LEAVES, Leaf};
use super::node::{EXCHANGE, Fx, Machine};
use super::store::Place;
use super::version::Held;
use core::cmp::Ordering;
use sim_core::{Duration, LocalInstant, NodeId, NodeSet, hash, node_ids};

/// How often one who is silent is asked again before another has its turn.
const TRIES: u32 = 3;

/// Taking in from one other store.
#[derive(Clone, Debug)]
struct Session {
    with: NodeId,
    epoch: u64,
    /// What it waits for.
    wants: Wants,
    asked: LocalInstant,
    tries: u32,
    /// How many keys it has got.
    keys: u32,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// The other one's tree.
    Tree,
    /// The next piece of a leaf; `left` are the leaves to come after it, a bit each.
    Piece { leaf: u8, after: Option<Place>, left: u64 },
    /// Its own disk, or its turn under the limit of bandwidth; then that.
    Pause { leaf: u8, after: Option<Place>, left: u64, durable: bool },
}

/// What a store takes in from others.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    session: Option<Session>,
    /// Members it has all from, in this epoch.
    copied: (u64, NodeSet),
    /// Those who said in this epoch that they have lost their keys and are not full again.
    blank: NodeSet,
    /// Whose turn it is.
    turn: u32,
    /// When the limit of bandwidth lets it take more.
    ready: LocalInstant,
    /// When it compares with somebody again.
    due: LocalInstant,
}

impl Machine {
    /// The view is another one, or the node has just booted.
    pub(super) fn restart_exchange(&mut self, fx: &mut Fx<'_>) {
        self.exchange.session = None;
        if self.exchange.copied.0 != self.view.epoch {
            self.exchange.copied = (self.view.epoch, NodeSet::EMPTY);
            self.exchange.blank = NodeSet::EMPTY;
        }
        self.exchange.due = fx.now();
        if self.view.next.is_none() && self.store.life.is_none() {
            let wait = fx.rng().below(self.config.repair_interval.0.max(1));
            self.exchange.due = LocalInstant(fx.now().0 + wait);
        }
        fx.arm(EXCHANGE, Duration::ZERO);
    }

    /// The stores of a set of members.
    fn stores(&self, members: NodeSet) -> NodeSet {
        self.config.stores(members)
    }

    /// Whether it has heard of so many old members that every quorum of every key it takes over is among them.
    ///
    /// One that has lost its keys does not count for what it holds. A write that it has acknowledged with others is on
    /// W - 1 of the N - 1 other holders, so it must hear N - W + 1 of those: all but W - 2. If others have lost theirs
    /// too and say so, there is no more to be had than what the rest has.
    pub(super) fn has_copied(&self) -> bool {
        let members = self.stores(self.view.members(&self.config));
        let missing = members.without(self.me).minus(self.exchange.copied.1);
        if self.exchange.copied.0 != self.view.epoch {
            return false;
        }
        let spared = self.config.replicas - self.config.copy_quorum();
        if self.store.life.is_none() || !members.has(self.me) {
            return missing.len() <= spared as usize;
        }
        let spared = spared.min(self.config.write_quorum.saturating_sub(2));
        missing.len() <= spared as usize || missing.minus(self.exchange.blank).is_empty()
    }

    /// Whether what this node says counts: it has not lost its disk, or an epoch has begun since, so that nothing
    /// counts that it promised before.
    pub(super) fn is_fenced(&self) -> bool {
        self.store.life.is_none_or(|life| self.view.fenced.contains(&(self.me, life)))
    }

    /// Whether it takes in all it can get, rather than compare now and then.
    fn takes_all(&self) -> bool {
        self.view.next.is_some() || self.store.life.is_some()
    }

    /// Whom to take in from next.
    fn next_source(&mut self) -> Option<NodeId> {
        let mut sources = self.stores(self.view.members(&self.config)).without(self.me);
        if self.takes_all() {
            sources = sources.minus(self.exchange.copied.1);
        }
        let after = |node: &NodeId| node.0 >= self.exchange.turn;
        let source = sources.iter().find(after).or_else(|| sources.iter().next())?;
        self.exchange.turn = source.0 + 1;
        Some(source)
    }

    /// Time has passed.
    pub(super) fn on_exchange(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let (changing, resend) = (self.view.next.is_some(), self.config.resend);
        if !self.is_fenced() {
            let life = self.store.life.expect("it has lost its disk");
            for node in node_ids(self.config.directory as usize).filter(|node| *node != self.me) {
                fx.send(node, HashingMessage::Wiped { life });
            }
            return fx.arm(EXCHANGE, resend.times(4));
        }
        let mine = self.view.next.unwrap_or_else(|| self.view.members(&self.config));
        if !self.stores(mine).has(self.me) || (!self.takes_all() && self.config.repair_interval == Duration::ZERO) {
            return;
        }
        fx.arm(EXCHANGE, resend);
        let taking = self.takes_all();
        let Some(session) = &mut self.exchange.session else {
            if self.store.life.is_some() && self.has_copied() {
                self.store.refilled(fx);
                if !changing {
                    return self.restart_exchange(fx);
                }
            }
            if changing && self.has_copied() {
                let epoch = self.view.epoch;
                for node in node_ids(self.config.directory as usize) {
                    self.tell(node, HashingMessage::Copied { epoch }, fx);
                }
                fx.arm(EXCHANGE, resend.times(4));
                return;
            }
            let interval = if taking { Duration::ZERO } else { self.config.repair_interval };
            let wait = self.exchange.due.since(now);
            // One that is longer than any it would choose was chosen before its clock jumped back.
            if wait > Duration::ZERO && wait <= interval {
                return fx.arm(EXCHANGE, wait);
            }
            self.exchange.due = LocalInstant(now.0 + interval.0);
            if let Some(with) = self.next_source() {
                let (epoch, wants) = (self.view.epoch, Wants::Tree);
                self.exchange.session = Some(Session { with, epoch, wants, asked: now, tries: 0, keys: 0 });
                self.ask_source(fx);
            }
            return;
        };
        match session.wants {
            Wants::Pause { leaf, after, left, durable: true } if now >= self.exchange.ready => {
                session.wants = Wants::Piece { leaf, after, left };
                session.tries = 0;
                self.ask_source(fx);
            }
            Wants::Pause { .. } => {
                fx.arm(EXCHANGE, self.exchange.ready.since(now).max(resend));
            }
            _ if now >= session.asked && now.since(session.asked) < resend.times(4) => {}
            _ if session.tries >= TRIES => self.exchange.session = None,
            _ => self.ask_source(fx),
        }
    }

    /// Asks for what the session waits for.
    fn ask_source(&mut self, fx: &mut Fx<'_>) {
        let Some(session) = &mut self.exchange.session else { return };
        session.asked = fx.now();
        session.tries += 1;
        let (with, epoch) = (session.with, session.epoch);
        let message = match session.wants {
            Wants::Tree => {
                let digest = hash::content(&self.store.leaves(self.me, with));
                HashingMessage::Compare { epoch, digest }
            }
            Wants::Piece { leaf, after, .. } => HashingMessage::Fetch { epoch, leaf, after },
            Wants::Pause { .. } => return,
        };
        fx.send(with, message);
        fx.arm(EXCHANGE, self.config.resend);
    }

    /// Whether a store may tell others what it has under the view of `epoch`: it must go by that view for good, or a
    /// crash could make it take writes under the one before.
    fn shares(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) -> bool {
        match epoch.cmp(&self.view.epoch) {
            Ordering::Less => fx.send(from, HashingMessage::View(self.view.clone())),
            Ordering::Greater => fx.send(from, HashingMessage::Seek { epoch: self.view.epoch }),
            Ordering::Equal => return self.store.epoch == epoch,
        }
        false
    }

    /// Another store compares.
    pub(super) fn on_compare(&mut self, from: NodeId, epoch: u64, digest: u64, fx: &mut Fx<'_>) {
        if !self.shares(from, epoch, fx) {
            return;
        }
        if self.store.life.is_some() {
            fx.send(from, HashingMessage::Blank { epoch });
        } else {
            let leaves = self.store.leaves(self.me, from);
            let leaves = (hash::content(&leaves) != digest).then(|| leaves.into());
            fx.send(from, HashingMessage::Tree { epoch, leaves, floor: self.store.floor });
        }
    }

    /// Another store fetches.
    pub(super) fn on_fetch(&mut self, from: NodeId, epoch: u64, leaf: u8, after: Option<Place>, fx: &mut Fx<'_>) {
        if usize::from(leaf) < LEAVES && self.shares(from, epoch, fx) && self.store.life.is_none() {
            let (entries, more) = self.store.leaf((self.me, from), leaf, after, self.config.handover_piece);
            fx.send(from, HashingMessage::Piece { epoch, leaf, after, entries: entries.into(), more });
        }
    }

    /// The other one has nothing to compare: it has lost its keys too.
    pub(super) fn on_blank(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) {
        if self.session(from, epoch).is_some() {
            self.exchange.session = None;
            self.exchange.blank.insert(from);
            fx.arm(EXCHANGE, self.config.resend);
        }
    }

    /// The session that waits for something from `from`.
    fn session(&mut self, from: NodeId, epoch: u64) -> Option<&mut Session> {
        self.exchange.session.as_mut().filter(|session| session.with == from && session.epoch == epoch)
    }

    /// The other one's tree.
    pub(super) fn on_tree(
        &mut self,
        from: NodeId,
        epoch: u64,
        theirs: Option<&[Leaf; LEAVES]>,
        floor: u64,
        fx: &mut Fx<'_>,
    ) {
        let (ours, news) = (self.store.leaves(self.me, from), floor > self.store.floor);
        let Some(session) = self.session(from, epoch).filter(|session| session.wants == Wants::Tree) else { return };
        let differ = |theirs: &[Leaf; LEAVES]| {
            let bits = ours.iter().zip(theirs).enumerate().filter(|(_, (ours, theirs))| ours != theirs);
            bits.fold(0_u64, |bits, (leaf, _)| bits | 1 << leaf)
        };
        let left = theirs.map_or(0, differ);
        session.tries = 0;
        if news {
            // That has to be on the disk first. There is no leaf left if its number is too high.
            let (leaf, left) = (left.trailing_zeros() as u8, left & left.wrapping_sub(1));
            session.wants = Wants::Pause { leaf, after: None, left, durable: false };
            self.store.raise(floor, fx);
        } else {
            self.next_leaf(left, fx);
        }
    }

    /// Goes on with the next leaf that differs, or ends.
    fn next_leaf(&mut self, left: u64, fx: &mut Fx<'_>) {
        let Some(session) = &mut self.exchange.session else { return };
        if left == 0 {
            let (with, keys) = (session.with, session.keys);
            if keys > 0 {
                fx.note(HashingFact::Fetched { from: with, keys });
            }
            self.exchange.session = None;
            let before = self.has_copied();
            self.exchange.copied.1.insert(with);
            if self.takes_all() {
                if self.view.next.is_some() && !before && self.has_copied() {
                    fx.note(HashingFact::Copied { epoch: self.view.epoch });
                }
                fx.arm(EXCHANGE, Duration::ZERO);
            }
            return;
        }
        let (leaf, left) = (left.trailing_zeros() as u8, left & (left - 1));
        session.wants = Wants::Pause { leaf, after: None, left, durable: false };
        self.on_piece_durable(fx);
    }

    /// A piece of a leaf.
    pub(super) fn on_piece(
        &mut self,
        from: NodeId,
        (epoch, leaf, after): (u64, u8, Option<Place>),
        entries: &[(u64, Held)],
        more: bool,
        fx: &mut Fx<'_>,
    ) {
        let now = fx.now();
        let Some(session) = self.session(from, epoch) else { return };
        let Wants::Piece { leaf: wanted, after: behind, left } = session.wants else { return };
        if (wanted, behind) != (leaf, after) {
            return;
        }
        // The rest of the leaf, or the next one.
        let bits = if more { left | 1 << leaf } else { left };
        let after = entries.last().filter(|_| more).map(|(key, _)| super::store::place(*key));
        let next = bits.trailing_zeros() as u8;
        session.tries = 0;
        session.wants = Wants::Pause { leaf: next, after, left: bits & bits.wrapping_sub(1), durable: false };
        let bytes: u64 = entries.iter().map(|(_, held)| u64::from(8 + held.bytes())).sum();
        self.store.taken += bytes;
        if self.config.handover_bandwidth > 0 {
            let took = u128::from(bytes) * 8_000_000_000 / u128::from(self.config.handover_bandwidth);
            self.exchange.ready = LocalInstant(now.0 + took as u64);
        }
        let fresh = |(key, held): &&(u64, Held)| self.store.own(*key).is_none_or(|ours| ours.version < held.version);
        let fresh: Vec<(u64, Held)> = entries.iter().filter(fresh).cloned().collect();
        let keys = self.store.piece(fresh.into_iter(), fx);
        if let Some(session) = &mut self.exchange.session {
            session.keys += keys;
        }
        if keys == 0 {
            self.on_piece_durable(fx);
        }
    }

    /// All of a piece is on the disk.
    pub(super) fn on_piece_durable(&mut self, fx: &mut Fx<'_>) {
        let ready = self.exchange.ready.since(fx.now());
        let Some(session) = &mut self.exchange.session else { return };
        let Wants::Pause { leaf, after, left, durable } = &mut session.wants else { return };
        *durable = true;
        // There is no leaf left if its number is too high: see `on_piece`.
        if usize::from(*leaf) >= LEAVES {
            return self.next_leaf(0, fx);
        }
        if ready == Duration::ZERO {
            session.wants = Wants::Piece { leaf: *leaf, after: *after, left: *left };
            self.ask_source(fx);
        } else {
            fx.arm(EXCHANGE, ready);
        }
    }
}
