//! Rules about how a run has ended: what nodes are like then.

use sim_core::{Instant, NodeId, Verdict, Violation};

/// The nodes that are up.
pub fn each<N>(nodes: &[Option<N>]) -> impl Iterator<Item = (NodeId, &N)> {
    nodes.iter().enumerate().filter_map(|(node, machine)| Some((NodeId(node as u32), machine.as_ref()?)))
}

/// What is wrong with which node, if anything is, as a verdict.
pub fn verdict(rule: &'static str, at: Instant, wrong: Option<(NodeId, String)>) -> Verdict {
    match wrong {
        None => Verdict::Pass { rule, detail: "in the end".to_owned() },
        Some((node, detail)) => Verdict::Fail(Violation { rule: rule.to_owned(), at, node: Some(node), detail }),
    }
}
