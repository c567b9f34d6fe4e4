//! Who votes and who only listens: a configuration of the cluster, and which sets of nodes decide under it (Raft
//! dissertation, chapter 4).

use core::fmt;
use sim_core::{NodeId, NodeSet};

/// A configuration, as an entry of the log holds it. In force for a server as soon as it is in that server's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// Those whose votes count.
    pub voters: NodeSet,
    /// While one set of voters replaces another, the set that goes (C-old of section 4.3): a decision takes a majority
    /// of each. Empty at all other times.
    pub outgoing: NodeSet,
    /// Those who get the log but have no vote yet (4.2.1).
    pub learners: NodeSet,
}

impl Configuration {
    /// These voters, and nothing going on.
    #[must_use]
    pub const fn of(voters: NodeSet) -> Self {
        Self { voters, outgoing: NodeSet::EMPTY, learners: NodeSet::EMPTY }
    }

    /// Whether one set of voters is replacing another.
    #[must_use]
    pub const fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// All who have a vote.
    #[must_use]
    pub const fn electorate(&self) -> NodeSet {
        self.voters.union(self.outgoing)
    }

    /// All who get the log.
    #[must_use]
    pub const fn everyone(&self) -> NodeSet {
        self.electorate().union(self.learners)
    }

    /// The voters before the change under way; those now if there is none.
    #[must_use]
    pub const fn settled(&self) -> NodeSet {
        if self.is_joint() { self.outgoing } else { self.voters }
    }

    /// Whether `node` has a vote.
    #[must_use]
    pub const fn votes(&self, node: NodeId) -> bool {
        self.electorate().has(node)
    }

    /// Whether no decision under this one can be made without somebody who takes part in any decision under `other`:
    /// what keeps two leaders from being elected in one term (4.1).
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        // A joint decision takes both majorities, so either of them may be the one that overlaps.
        let halves = |c: &Self| [c.voters, if c.is_joint() { c.outgoing } else { c.voters }];
        halves(self).iter().any(|a| halves(other).iter().any(|b| majorities_meet(*a, *b)))
    }
}

/// Whether every majority of `a` has a node in common with every majority of `b`.
fn majorities_meet(a: NodeSet, b: NodeSet) -> bool {
    let common = a.common(b).len();
    // Two majorities that avoid each other take those first that only they can have.
    let needs = |set: NodeSet| (set.len() / 2 + 1).saturating_sub(set.len() - common);
    needs(a) + needs(b) > common
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.voters)?;
        if self.is_joint() {
            write!(f, ", jointly with {}", self.outgoing)?;
        }
        if !self.learners.is_empty() {
            write!(f, ", learning: {}", self.learners)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nodes: &[u32]) -> NodeSet {
        nodes.iter().map(|n| NodeId(n - 1)).collect()
    }

    fn of(nodes: &[u32]) -> Configuration {
        Configuration::of(set(nodes))
    }

    #[test]
    fn majorities_meet_when_one_server_changes_and_not_when_two_do() {
        assert!(of(&[1, 2, 3]).overlaps(&of(&[1, 2, 3, 4])));
        assert!(of(&[1, 2, 3, 4]).overlaps(&of(&[1, 2, 3])));
        assert!(!of(&[1, 2, 3]).overlaps(&of(&[1, 2, 3, 4, 5])), "1 2 against 3 4 5");
        assert!(!of(&[1, 2, 3, 4, 5]).overlaps(&of(&[1, 2, 3])));
        assert!(!of(&[1, 2]).overlaps(&of(&[3, 4])));
        assert!(of(&[1, 2]).overlaps(&of(&[1])) && of(&[1]).overlaps(&of(&[1, 2])));
    }

    #[test]
    fn a_joint_configuration_meets_both_its_halves() {
        let joint = Configuration { outgoing: set(&[1, 2, 3]), ..of(&[4, 5, 6]) };
        assert!(joint.overlaps(&of(&[1, 2, 3])) && joint.overlaps(&of(&[4, 5, 6])));
        assert!(of(&[1, 2, 3]).overlaps(&joint) && joint.overlaps(&joint));
        assert!(!joint.overlaps(&of(&[7, 8, 9])));
        assert_eq!((joint.settled(), joint.electorate().len()), (set(&[1, 2, 3]), 6));
        assert_eq!(joint.to_string(), "n4 n5 n6, jointly with n1 n2 n3");
    }
}
