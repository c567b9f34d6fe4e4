//! What a member believes of the others. Only what differs from how everybody was at the start is kept.

use super::message::Incarnation;
use sim_core::sorted::SortedMap;
use sim_core::{LocalInstant, NodeId};

/// What a member is held for; within an incarnation, what comes later here holds against what comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It answers.
    Alive,
    /// It did not answer, and may object.
    Suspect,
    /// It did not object.
    Dead,
    /// It said itself that it goes.
    Left,
}

impl State {
    /// Whether it is gone.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Dead | Self::Left)
    }
}

/// What is believed of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belief {
    /// What it is held for.
    pub state: State,
    /// In which of its incarnations.
    pub incarnation: Incarnation,
    /// Since when.
    pub since: LocalInstant,
}

/// What is believed of all.
#[derive(Clone, Debug)]
pub struct View {
    /// Those below this number that nothing is said of are alive in their first incarnation, since the start.
    base: u32,
    /// What differs; `None` for one that is not known, or not any more.
    differs: SortedMap<NodeId, Option<Belief>>,
    known: u32,
    alive: u32,
}

/// What everybody begins as.
const AT_FIRST: Belief = Belief { state: State::Alive, incarnation: Incarnation(1), since: LocalInstant(0) };

impl View {
    /// A view in which those below `base` have been alive since the start.
    pub fn new(base: u32) -> Self {
        Self { base, differs: SortedMap::new(), known: base, alive: base }
    }

    /// What is believed of a member; `None` of one that is not known.
    pub fn get(&self, node: NodeId) -> Option<Belief> {
        match self.differs.get(&node) {
            Some(belief) => *belief,
            None => (node.0 < self.base).then_some(AT_FIRST),
        }
    }

    /// From now on this is believed of it, or nothing.
    pub fn set(&mut self, node: NodeId, belief: Option<Belief>) {
        let before = self.get(node);
        let is_alive = |belief: Option<Belief>| u32::from(belief.is_some_and(|belief| belief.state == State::Alive));
        self.known = self.known + u32::from(belief.is_some()) - u32::from(before.is_some());
        self.alive = self.alive + is_alive(belief) - is_alive(before);
        if belief == (node.0 < self.base).then_some(AT_FIRST) {
            self.differs.remove(&node);
        } else {
            self.differs.insert(node, belief);
        }
    }

    /// How many are known, whatever they are held for.
    pub const fn known(&self) -> u32 {
        self.known
    }

    /// How many are held for alive.
    pub const fn alive(&self) -> u32 {
        self.alive
    }

    /// Below which number nothing need be said of who is as at the start.
    pub const fn base(&self) -> u32 {
        self.base
    }

    /// All that differs from the start.
    pub fn differs(&self) -> impl Iterator<Item = (NodeId, Option<Belief>)> {
        self.differs.iter().map(|(node, belief)| (*node, *belief))
    }

    /// All that are known, and what for.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, Belief)> {
        let all = self.differs.last_key_value().map_or(0, |(last, _)| last.0 + 1).max(self.base);
        (0..all).filter_map(|node| Some((NodeId(node), self.get(NodeId(node))?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_kept() {
        let mut view = View::new(1000);
        let dead = Belief { state: State::Dead, incarnation: Incarnation(3), since: LocalInstant(5) };
        view.set(NodeId(7), Some(dead));
        view.set(NodeId(1003), Some(AT_FIRST));
        view.set(NodeId(8), None);
        assert_eq!((view.known(), view.alive(), view.differs.len()), (1000, 999, 3));
        assert_eq!((view.get(NodeId(7)), view.get(NodeId(8)), view.get(NodeId(9))), (Some(dead), None, Some(AT_FIRST)));
        view.set(NodeId(7), Some(AT_FIRST));
        view.set(NodeId(1003), None);
        assert_eq!((view.known(), view.alive(), view.iter().count()), (999, 999, 999));
        assert_eq!(view.get(NodeId(1003)), None);
    }
}
