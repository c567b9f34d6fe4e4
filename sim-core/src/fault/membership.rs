//! What an operator asks of the cluster: who shall be a member, who shall lead, and what only the system knows.

use super::Target;
use crate::{Argument, NodeId, NodeSet, Order, Rng};

/// What an operator wants changed. Whom it concerns is the fault's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// The targets that are not members become members.
    Add,
    /// The targets that are members leave.
    Remove,
    /// The targets that are members leave, and as many others join for them.
    Replace,
    /// So many of the targets that are not members become members.
    Grow {
        /// How many.
        by: u32,
    },
    /// So many of the targets that are members leave.
    Shrink {
        /// How many.
        by: u32,
    },
    /// The targets that are members leave, and as many join for them in other zones.
    MoveZone {
        /// Where those sit that join; `None` means in any zone but those that are left.
        to: Option<Target>,
    },
    /// The target leads.
    Transfer,
    /// An order that only the system knows.
    Own {
        /// Which of [`crate::System::OWN_ORDERS`].
        kind: u16,
        /// Its name.
        name: &'static str,
        /// What it is about: a node is the fault's target.
        takes: Argument,
        /// Its number, if it is about one.
        number: u64,
    },
}

impl MemberChange {
    /// The name in scenario files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
            Self::Grow { .. } => "grow",
            Self::Shrink { .. } => "shrink",
            Self::MoveZone { .. } => "move_zone",
            Self::Transfer => "transfer",
            Self::Own { name, .. } => name,
        }
    }

    /// The kind of order it becomes.
    #[must_use]
    pub const fn order(&self) -> &'static str {
        match self {
            Self::Transfer => "lead",
            Self::Own { name, .. } => name,
            _ => "members",
        }
    }

    /// Whether it is about nodes that are not members yet.
    pub(crate) const fn is_about_newcomers(&self) -> bool {
        matches!(self, Self::Add | Self::Grow { .. })
    }

    /// The order it is in a cluster of `members`. `targets` are those of the fault that it can concern (members, or
    /// others for a change about newcomers); `others` may join, in the order in which the operator would take them.
    /// `None` if there is nothing to change, or nobody would be left. Beside it, who is concerned.
    pub(crate) fn plan(
        &self,
        members: NodeSet,
        targets: &[NodeId],
        others: &[NodeId],
        rng: &mut Rng,
    ) -> Option<(Order, Vec<NodeId>)> {
        let mut some = |count: u32| {
            let mut order = targets.to_vec();
            rng.shuffle(&mut order);
            order.truncate(count as usize);
            order
        };
        let (join, leave): (Vec<NodeId>, Vec<NodeId>) = match self {
            Self::Add => (targets.to_vec(), Vec::new()),
            Self::Remove => (Vec::new(), targets.to_vec()),
            Self::Grow { by } => (some(*by), Vec::new()),
            Self::Shrink { by } => (Vec::new(), some(*by)),
            Self::Replace | Self::MoveZone { .. } => {
                let join: Vec<NodeId> = others.iter().copied().take(targets.len()).collect();
                // Without anybody to join this would be another change.
                if join.is_empty() { (Vec::new(), Vec::new()) } else { (join, targets.to_vec()) }
            }
            // What it is does not depend on the members (see `operator.rs`).
            Self::Own { .. } => return None,
            Self::Transfer => {
                let to = *rng.pick(targets)?;
                return Some((Order::Lead(to), vec![to]));
            }
        };
        let shall = members.union(join.iter().copied().collect()).minus(leave.iter().copied().collect());
        let mut concerned = [leave, join].concat();
        concerned.sort_unstable();
        (shall != members && !shall.is_empty()).then_some((Order::Members(shall), concerned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Purpose;

    #[test]
    fn changes_become_orders() {
        let members = NodeSet::first(3);
        let n = NodeId;
        let plan = |change: MemberChange, targets: &[NodeId], others: &[NodeId]| {
            change.plan(members, targets, others, &mut Rng::stream(1, Purpose::Target, 0)).map(|(order, _)| order)
        };
        let shall = |nodes: &[u32]| Some(Order::Members(nodes.iter().map(|i| NodeId(*i)).collect()));
        assert_eq!(plan(MemberChange::Add, &[n(4)], &[]), shall(&[0, 1, 2, 4]));
        assert_eq!(plan(MemberChange::Remove, &[n(1)], &[]), shall(&[0, 2]));
        assert_eq!(plan(MemberChange::Replace, &[n(0)], &[n(3), n(4)]), shall(&[1, 2, 3]));
        assert_eq!(plan(MemberChange::Grow { by: 2 }, &[n(3), n(4)], &[]), shall(&[0, 1, 2, 3, 4]));
        assert_eq!(plan(MemberChange::Shrink { by: 9 }, &[n(0), n(2)], &[]), shall(&[1]));
        assert_eq!(plan(MemberChange::Transfer, &[n(2)], &[]), Some(Order::Lead(n(2))));
        // Nothing to change, nobody left, nobody to join.
        assert_eq!(plan(MemberChange::Add, &[], &[]), None);
        assert_eq!(plan(MemberChange::Remove, &[n(0), n(1), n(2)], &[]), None);
        assert_eq!(plan(MemberChange::Replace, &[n(0)], &[]), None);
        assert_eq!(plan(MemberChange::Transfer, &[], &[]), None);
    }
}
