//! Whom nodes send clients to: the one they believe in, not one they believed in once.

use super::audit::Audit;
use sim_core::sorted::SortedMap;
use sim_core::{Instant, Node, NodeId, Observed, Verdict};

sim_core::rules! {
    /// Who sends a client elsewhere names the leader it believes in, or the one it has asked to take over: two nodes
    /// with stale hints may send a client to and fro.
    pub const REDIRECTS_NAME_THE_BELIEVED: &str = "redirects_name_the_believed";
}

/// The memory over one run.
#[derive(Clone, Debug, Default)]
pub struct Redirects {
    /// By leader: whom it has asked to take over.
    heirs: SortedMap<NodeId, NodeId>,
    /// Who stops leading in this step, and then has no heir any more.
    stopped: Option<NodeId>,
    /// Whom nodes have named in this step.
    named: Vec<(NodeId, NodeId)>,
    looked_at: u64,
}

impl Redirects {
    /// What happened to clients and machines.
    pub fn watch<N: Node>(&mut self, what: &Observed<'_, N>) {
        match *what {
            Observed::Answered { node, names: Some(named), .. } => self.named.push((node, named)),
            Observed::Crashed { node, .. } => drop(self.heirs.remove(&node)),
            _ => {}
        }
    }

    /// A leader has asked `heir` to take over, or nobody any more.
    pub fn hands_over(&mut self, leader: NodeId, heir: Option<NodeId>) {
        match heir {
            Some(heir) => self.heirs.insert(leader, heir),
            None => self.heirs.remove(&leader),
        };
    }

    /// A leader stops leading.
    pub const fn stepped_down(&mut self, node: NodeId) {
        self.stopped = Some(node);
    }

    /// A step is over. `may_name` says whether a node believes in another, or is free to name anybody.
    pub fn after_step(&mut self, audit: &mut Audit, at: Instant, may_name: impl Fn(NodeId, NodeId) -> bool) {
        for (node, named) in self.named.drain(..) {
            self.looked_at += 1;
            // Who stops leading in this very step names whom it hands over to.
            let heir = self.stopped == Some(node) || self.heirs.get(&node) == Some(&named);
            if !heir && !may_name(node, named) {
                audit.fail(at, REDIRECTS_NAME_THE_BELIEVED, node, || {
                    format!("{node} sends a client to {named}, in whom it does not believe")
                });
            }
        }
        if let Some(node) = self.stopped.take() {
            self.heirs.remove(&node);
        }
    }

    /// What the rule says, if it looked at anything.
    pub fn verdict(&self, audit: &Audit) -> Option<Verdict> {
        let detail = || format!("{} redirects that name somebody", self.looked_at);
        (self.looked_at > 0).then(|| audit.rule(REDIRECTS_NAME_THE_BELIEVED, self.looked_at, detail()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::raft::Raft;
    use crate::shared::kv::Kv;
    use sim_core::{ClientId, Ticket};

    #[test]
    fn a_redirect_to_the_leader_of_an_earlier_term_is_found() {
        let [node, old, new] = [0, 1, 2].map(NodeId);
        let ticket = Ticket { client: ClientId(3), op: 5, floor: 0, attempt: 0 };
        let run = |names: Option<NodeId>, heir: Option<NodeId>| {
            let (mut redirects, mut audit) = (Redirects::default(), Audit::new(3));
            redirects.hands_over(node, heir);
            let redirected: Observed<'_, Raft<Kv>> = Observed::Answered { ticket, node, redirect: true, names };
            redirects.watch(&redirected);
            redirects.after_step(&mut audit, Instant(7), |_, named| named == new);
            audit.violation().map(|violation| violation.rule.clone())
        };
        assert_eq!(run(Some(old), None).as_deref(), Some(REDIRECTS_NAME_THE_BELIEVED));
        assert_eq!(run(Some(new), None), None);
        assert_eq!(run(None, None), None, "it names nobody");
        assert_eq!(run(Some(old), Some(old)), None, "it hands over to the one it names");
    }
}
