//! Several machines moved by hand, with the messages between them on a wire, and rules that watch.

use super::Hand;
use crate::fault::OnCrash;
use crate::{Duration, Effect, Effects, Instant, Node, NodeId, Observed, Observer, Order, Ticket, Timer, Violation};

/// A message on the wire.
#[derive(Debug)]
pub struct Letter<N: Node> {
    /// Who sent it.
    pub from: NodeId,
    /// Whom it is for.
    pub to: NodeId,
    /// What it says.
    pub message: N::Message,
}

// Not derived: messages can be copied whether or not their nodes can.
impl<N: Node> Clone for Letter<N> {
    fn clone(&self) -> Self {
        Self { from: self.from, to: self.to, message: self.message.clone() }
    }
}

/// What a client was told.
#[derive(Clone, Debug)]
pub enum Told<R> {
    /// Done, with this result.
    Done(R),
    /// Not done: ask somebody else, if one is known.
    Elsewhere(Option<NodeId>),
}

/// A cluster driven by hand: messages lie on the wire until they are delivered, writes are volatile until they are
/// synced, clocks stand still until they are moved.
pub struct Table<N: Node, O: Observer<N>> {
    /// The machines.
    pub hands: Vec<Hand<N>>,
    /// What is on its way, oldest first.
    pub wire: Vec<Letter<N>>,
    /// What clients were told, oldest first.
    pub answers: Vec<(Ticket, NodeId, Told<N::Response>)>,
    /// What the nodes have announced since somebody last took it.
    pub facts: Vec<(NodeId, N::Fact)>,
    /// The rules.
    pub checks: O,
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// How many messages were sent so far.
    pub sent: u64,
}

impl<N: Node, O: Observer<N>> Table<N, O>
where
    N::Config: Clone,
{
    /// So many machines, installed properly: what a node writes to a new disk is there before anything can go wrong.
    #[must_use]
    pub fn new(config: &N::Config, nodes: usize, seed: u64, checks: O) -> Self {
        let hands = crate::node_ids(nodes).map(|id| Hand::down(config, id, seed)).collect();
        let mut table =
            Self { hands, wire: Vec::new(), answers: Vec::new(), facts: Vec::new(), checks, violation: None, sent: 0 };
        for id in table.ids() {
            table.restart(id);
            table.sync(id);
        }
        table
    }

    /// Everybody's name.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<N, O> {
        crate::node_ids(self.hands.len())
    }

    /// The clock that is furthest.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(self.hands.iter().map(|hand| hand.now.0).max().unwrap_or(0))
    }

    /// A running node.
    ///
    /// # Panics
    /// If it is down.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &N {
        self.hands[id.index()].node()
    }

    /// Whether it is running.
    #[must_use]
    pub fn is_up(&self, id: NodeId) -> bool {
        self.hands[id.index()].is_up()
    }

    /// The node that leads, the newest of several.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        let leads = |hand: &&Hand<N>| hand.running().is_some_and(|node| node.role().name == "leader");
        self.hands.iter().filter(leads).max_by_key(|hand| hand.node().role().rank).map(Hand::me)
    }

    /// Gives a running node one input; a node that is down ignores it.
    pub fn step(&mut self, id: NodeId, input: impl FnOnce(&mut N, &mut Effects<'_, N>)) {
        if self.is_up(id) {
            let out = self.hands[id.index()].step(input);
            self.take(id, out);
        }
    }

    /// Puts what a machine gave off where it belongs, and lets the rules look.
    fn take(&mut self, id: NodeId, out: Vec<Effect<N>>) {
        let at = self.now();
        for effect in out {
            match effect {
                Effect::Send { to, message } => {
                    self.sent += 1;
                    let number = self.sent as u32;
                    self.checks.observe(at, &Observed::Sent { from: id, to, message: &message, arrives: at, number });
                    self.wire.push(Letter { from: id, to, message });
                }
                Effect::Reply { ticket, response } => {
                    self.checks.observe(at, &Observed::Answered { ticket, node: id, redirect: false, names: None });
                    self.answers.push((ticket, id, Told::Done(response)));
                }
                Effect::Redirect { ticket, hint } => {
                    self.checks.observe(at, &Observed::Answered { ticket, node: id, redirect: true, names: hint });
                    self.answers.push((ticket, id, Told::Elsewhere(hint)));
                }
                Effect::Note { fact } => {
                    self.checks.observe(at, &Observed::Noted { node: id, fact });
                    self.facts.push((id, fact));
                }
                Effect::Halt { why } => {
                    self.checks.observe(at, &Observed::Crashed { node: id, halted: Some(why), lost_records: 0 });
                }
                // Nobody waits here, and a machine has carried out the rest itself.
                _ => {}
            }
        }
        if let Err(violation) = self.look(|checks, nodes| checks.after_step(at, id, nodes)) {
            self.violation.get_or_insert(violation);
        }
    }

    /// The rules look at all nodes.
    pub fn look<R>(&mut self, look: impl FnOnce(&mut O, &[Option<N>]) -> R) -> R {
        let nodes: Vec<Option<N>> = self.hands.iter_mut().map(|hand| hand.node.take()).collect();
        let found = look(&mut self.checks, &nodes);
        for (hand, node) in self.hands.iter_mut().zip(nodes) {
            hand.node = node;
        }
        found
    }

    /// Hands the message at place `at` of the wire to its receiver; one that is down never hears of it.
    pub fn deliver(&mut self, at: usize) -> Letter<N> {
        let letter = self.wire.remove(at);
        let Letter { from, to, message } = letter.clone();
        self.checks.observe(self.now(), &Observed::Delivered { from, to, number: 0, message: &message });
        self.step(to, |node, fx| node.on_message(from, message, fx));
        letter
    }

    /// A node's disk does all that it was asked for; whether there was anything.
    pub fn sync(&mut self, id: NodeId) -> bool {
        let had = self.hands[id.index()].has_disk_work();
        while self.hands[id.index()].has_disk_work() {
            self.sync_once(id, true);
        }
        had
    }

    /// A node's disk does one thing of what it was asked for, well or not.
    pub fn sync_once(&mut self, id: NodeId, ok: bool) {
        let out = self.hands[id.index()].sync_once(ok);
        self.take(id, out);
    }

    /// Lets a node's clock run to where `timer` comes due, if it is armed.
    pub fn fire(&mut self, id: NodeId, timer: Timer) {
        let out = self.hands[id.index()].fire(timer);
        self.take(id, out);
    }

    /// Moves a node's clock alone.
    pub fn pass(&mut self, id: NodeId, time: Duration) {
        self.hands[id.index()].pass(time);
    }

    /// A client asks a node.
    pub fn request(&mut self, id: NodeId, ticket: Ticket, request: N::Request) {
        if self.is_up(id) {
            self.checks.observe(self.now(), &Observed::Requested { ticket, node: id });
        }
        self.step(id, |node, fx| node.on_request(ticket, request, fx));
    }

    /// An operator asks something of a node.
    pub fn order(&mut self, id: NodeId, order: Order) {
        self.step(id, |node, fx| node.on_order(order, fx));
    }

    /// A process ends, and its disk keeps what `how` says: how many records are lost.
    pub fn crash(&mut self, id: NodeId, how: OnCrash) -> usize {
        self.end(id, |hand| hand.crash(how))
    }

    /// Power is lost while a node's disk writes: the oldest `kept` of what was not durable survive.
    pub fn tear(&mut self, id: NodeId, kept: usize) -> usize {
        self.end(id, |hand| hand.tear(kept))
    }

    fn end(&mut self, id: NodeId, how: impl FnOnce(&mut Hand<N>) -> usize) -> usize {
        if !self.is_up(id) {
            return 0;
        }
        self.checks.observe(self.now(), &Observed::Crashed { node: id, halted: None, lost_records: 0 });
        how(&mut self.hands[id.index()])
    }

    /// A node that is down starts from what its disk holds.
    pub fn restart(&mut self, id: NodeId) {
        let out = self.hands[id.index()].boot();
        self.take(id, out);
    }

    /// Syncs and delivers, oldest first, until nothing is left to do. Messages for which `lost` holds vanish.
    pub fn stabilize_but(&mut self, mut lost: impl FnMut(&Letter<N>) -> bool) {
        loop {
            let mut idle = true;
            for id in self.ids() {
                idle &= !self.sync(id);
            }
            if !self.wire.is_empty() {
                idle = false;
                if lost(&self.wire[0]) {
                    self.wire.remove(0);
                } else {
                    self.deliver(0);
                }
            }
            if idle {
                return;
            }
        }
    }
}
