//! The operator: gives an order to whoever leads, and repeats it patiently until the cluster has obeyed.

use super::machine::Input;
use super::{Engine, Event};
use crate::digest::Code;
use crate::fault::{MemberChange, Target};
use crate::{
    Argument, Client, Duration, Instant, Node, NodeId, NodeSet, Observed, Observer, Order, Rng, hash, node_ids,
};

/// How often the operator looks whether its order has been obeyed, and who leads.
const LOOK: Duration = Duration::millis(10);
/// How long it waits before it asks the same leader again.
const PATIENCE: Duration = Duration::secs(1);

/// The operator's state.
#[derive(Clone, Debug, Default)]
pub(super) struct Operator {
    standing: Option<Standing>,
    /// The members when somebody was last up to say so, and how far who said so had got; `None` if the system has no
    /// membership.
    known: Option<(u64, NodeSet)>,
    /// Tells looks for an earlier order from those that count.
    token: u32,
}

/// An order that has not been obeyed yet.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// The fault it came from.
    fault: usize,
    order: Order,
    /// Who was asked last, as leader of which rank, and when.
    asked: Option<(NodeId, u64, Instant)>,
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// Whoever takes orders, usually the live leader of the highest rank; and the rank.
    fn leading(&self) -> Option<(u64, NodeId)> {
        let up = |id: NodeId| Some((self.nodes[id.index()].as_ref()?, id));
        let leaders = node_ids(self.nodes.len()).filter_map(up).filter(|(node, _)| node.takes_orders());
        leaders.map(|(node, id)| (node.role().rank, id)).max()
    }

    /// The members now, as the leader knows them, or whoever has got furthest; `None` if the system has no membership.
    pub(super) fn members(&self) -> Option<NodeSet> {
        self.membership().map(|(_, members)| members)
    }

    /// The members, and how far who says so has got. Who has just lost its power knows less than the operator has heard
    /// before: it has to learn anew what was committed, and until then it would name the members of long ago.
    fn membership(&self) -> Option<(u64, NodeSet)> {
        let says = |node: &N| Some((node.progress(), node.members()?));
        let told = match self.leading() {
            Some((_, leader)) => self.nodes[leader.index()].as_ref().and_then(says),
            None => {
                let all = self.nodes.iter().flatten().filter_map(|node| Some((node.role().rank, says(node)?)));
                all.max_by_key(|(rank, (progress, _))| (*rank, *progress)).map(|(_, said)| said)
            }
        };
        match (told, self.operator.known) {
            (Some((progress, _)), Some(known)) if progress < known.0 => Some(known),
            (told, known) => told.or(known),
        }
    }

    /// Remembers the members for a time when nobody is up to ask, or who is has forgotten.
    pub(super) fn note_members(&mut self) {
        self.operator.known = self.membership();
    }

    /// Those among whom choices are made: the members; in a system without membership all who could be one.
    pub(super) fn pool(&self) -> Vec<NodeId> {
        let members = self.members();
        let counts = |id: &NodeId| match members {
            Some(members) => members.has(*id),
            None => !self.machines[id.index()].cold.outsider,
        };
        node_ids(self.nodes.len()).filter(counts).collect()
    }

    /// What a change becomes at this moment: an order, if there is anything to change, and whom it concerns.
    pub(super) fn plan_order(
        &self,
        change: &MemberChange,
        target: &Target,
        trigger: Option<NodeId>,
        rng: &mut Rng,
    ) -> (Option<Order>, Vec<NodeId>) {
        let leader = self.leading().map(|(_, leader)| leader);
        if let MemberChange::Own { kind, takes, number, .. } = *change {
            let about = match takes {
                Argument::Node => self.resolve(target, trigger, rng).first().copied(),
                Argument::Nothing | Argument::Number => None,
            };
            let argument = match (takes, about) {
                (Argument::Node, None) => return (None, Vec::new()),
                (_, Some(node)) => u64::from(node.0),
                (_, None) => number,
            };
            return (Some(Order::Own { kind, argument }), about.or(leader).into_iter().collect());
        }
        let Some(members) = self.members() else { return (None, Vec::new()) };
        let can_be = |id: &NodeId| !self.machines[id.index()].cold.outsider;
        let pool: Vec<NodeId> = node_ids(self.nodes.len())
            .filter(can_be)
            .filter(|id| members.has(*id) != change.is_about_newcomers())
            .filter(|id| !matches!(change, MemberChange::Transfer) || Some(*id) != leader)
            .collect();
        let mut targets = match target {
            Target::All => pool.clone(),
            target => self.resolve_among(&pool, target, trigger, rng),
        };
        targets.retain(|id| pool.contains(id));
        let zone = |id: &NodeId| self.node_zones[id.index()];
        let others = node_ids(self.nodes.len()).filter(can_be);
        let mut others: Vec<NodeId> = others.filter(|id| !members.has(*id) && id.index() < NodeSet::LIMIT).collect();
        match change {
            MemberChange::MoveZone { to: Some(to) } => {
                let to = self.resolve(to, trigger, rng);
                others.retain(|id| to.contains(id));
            }
            MemberChange::MoveZone { to: None } => {
                others.retain(|id| targets.iter().all(|target| zone(target) != zone(id)));
            }
            _ => {}
        }
        rng.shuffle(&mut others);
        // Nobody orders a machine that is down into the cluster while another one is up.
        others.sort_by_key(|id| self.nodes[id.index()].is_none());
        change.plan(members, &targets, &others, rng).map_or((None, targets), |(order, nodes)| (Some(order), nodes))
    }

    /// A new order replaces the one before. Without one there is nothing to do.
    pub(super) fn give_order(&mut self, fault: usize, order: Option<Order>) {
        if let Some(earlier) = self.operator.standing.take() {
            self.fault_end(earlier.fault);
        }
        let Some(order) = order else { return self.fault_end(fault) };
        self.operator.standing = Some(Standing { fault, order, asked: None });
        self.operator.token += 1;
        let token = self.operator.token;
        self.push(self.now, Event::Operate { token });
    }

    /// The fault that an order came from has ended: the operator stops asking.
    pub(super) fn withdraw_order(&mut self, fault: usize) {
        if self.operator.standing.is_some_and(|standing| standing.fault == fault) {
            self.operator.standing = None;
        }
    }

    /// The operator looks after its order.
    pub(super) fn operate(&mut self, token: u32) {
        if token != self.operator.token {
            return;
        }
        let Some(standing) = self.operator.standing else { return };
        let leading = self.leading();
        if let Some((rank, leader)) = leading {
            let obeyed = match standing.order {
                Order::Members(set) => self.nodes[leader.index()].as_ref().and_then(Node::members) == Some(set),
                Order::Lead(node) => node == leader,
                // Who was given it, and is not still to take it up.
                order @ Order::Own { .. } => {
                    let was_given = standing.asked.is_some() && !self.is_gated(leader);
                    was_given && self.nodes[leader.index()].as_ref().is_some_and(|node| node.has_obeyed(&order))
                }
            };
            if obeyed {
                self.note_members();
                self.faults.touch(standing.fault, 1);
                return self.fault_end(standing.fault);
            }
            let impatient = |(node, of, when): (NodeId, u64, Instant)| {
                (node, of) != (leader, rank) || self.now.since(when) >= PATIENCE
            };
            if standing.asked.is_none_or(impatient) {
                self.operator.standing = Some(Standing { asked: Some((leader, rank, self.now)), ..standing });
                self.ask_order(leader, standing.order);
            }
        }
        self.push(self.now + LOOK, Event::Operate { token });
    }

    fn ask_order(&mut self, to: NodeId, order: Order) {
        if self.is_gated(to) {
            self.wait_at_gate(to, Input::Order(order));
        } else {
            self.obey(to, order);
        }
    }

    /// A node takes an order.
    pub(super) fn obey(&mut self, id: NodeId, order: Order) {
        self.record(id.0, Code::Order, hash::content(&order));
        self.observer.observe(self.now, &Observed::Ordered { node: id, order });
        self.step_node(id, |n, fx| n.on_order(order, fx));
    }
}
