//! What the operator asks of the members: the leader of the directory takes it up wherever it can be done.

use super::node::Machine;
use sim_core::{NodeId, NodeSet, Observed, Order};

sim_core::rules! {
    /// A leader that is asked for other members while no change is under way begins one, if every key keeps as many
    /// holders as it is promised.
    pub const ORDERS_TAKEN_UP: &str = "orders_taken_up";
}

/// The memory over one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    asked: Option<(NodeId, NodeSet)>,
    pub taken_up: u64,
}

impl Orders {
    /// Something happens.
    pub fn watch(&mut self, what: &Observed<'_, Machine>) {
        if let Observed::Ordered { node, order: Order::Members(members) } = what {
            self.asked = Some((*node, *members));
        }
    }

    /// A step is over. Gives what is wrong, if anything is.
    pub fn after_step(&mut self, stepped: NodeId, nodes: &[Option<Machine>]) -> Option<String> {
        let (node, members) = self.asked.take_if(|(node, _)| *node == stepped)?;
        let machine = nodes[node.index()].as_ref().filter(|machine| !machine.opening)?;
        let keeper = machine.keeper.as_ref().filter(|keeper| keeper.leads().is_some())?;
        let (config, view) = (&machine.config, &keeper.directory().view);
        let stores = members.iter().filter(|node| !config.is_router(*node)).count();
        let can_be_done = members.iter().all(|node| node.0 < config.nodes) && stores >= config.replicas as usize;
        if !can_be_done || view.next.is_some() || view.members(config) == members {
            return None;
        }
        self.taken_up += 1;
        let begun = keeper.has_proposed();
        (!begun).then(|| format!("{node} leads and was asked for the members {members}, and does nothing about it"))
    }
}
