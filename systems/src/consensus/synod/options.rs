//! What may be written in `[system]`, and the configuration of a node that is made of it.

use sim_core::units::DurationText;
use sim_core::{Duration, NodeId};

sim_core::options! {
    /// The `[system]` options of `system = "synod"`.
    pub struct SynodOptions;

    /// The configuration that all nodes share: acceptors are the first nodes, proposers the last.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config of shape {
        /// How many nodes there are.
        pub nodes: u32 = shape.nodes() as u32;
    }

    options {
        /// How many nodes accept, from the first on; all unless given.
        acceptors: Option<u32> = None => { acceptors: u32 = acceptors.unwrap_or(nodes) },
            wrong if !(1..=nodes).contains(&acceptors.unwrap_or(nodes)) =>
                ("{} of {nodes} nodes", acceptors.unwrap_or(nodes)), format!("from 1 to {nodes}");
        /// How many nodes propose, from the last on; they may be acceptors too.
        proposers: u32 = 1 => { proposers: Vec<NodeId> = (nodes - proposers..nodes).map(NodeId).collect() },
            wrong if !(1..=nodes).contains(proposers) => ("{proposers} of {nodes} nodes"), format!("from 1 to {nodes}");
        /// Whether a proposer that was outbid waits a random time that doubles with every failure, instead of trying
        /// again at once.
        back_off: bool = true;
        /// How long a proposer waits for answers, and the range of its first pause.
        patience: DurationText = DurationText::millis(100),
            wrong if patience.0 == Duration::ZERO =>
                ("a proposer that waits for nobody"), "longer than two round trips, for example \"100ms\"";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Shape;

    #[test]
    fn all_problems_are_reported_at_once() {
        let shape = Shape::plain(3);
        let options =
            SynodOptions { acceptors: Some(4), proposers: 0, patience: DurationText(Duration::ZERO), back_off: true };
        let invalid = options.validate(&shape).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        assert_eq!(keys, ["acceptors", "proposers", "patience"]);
        let config = SynodOptions::default().validate(&shape).unwrap();
        assert_eq!((config.acceptors, config.proposers), (3, vec![NodeId(2)]));
    }
}
