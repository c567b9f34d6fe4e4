//! Ballots: who proposes, and whose proposals count more.

use super::bugs::PaxosBug;
use super::options::Config;
use core::fmt;
use sim_core::NodeId;

/// The number of a ballot: a round, made unique by the node that proposes in it. Later rounds outbid earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// The round; 0 is nobody's.
    pub round: u64,
    /// Whose it is.
    pub node: u32,
}

impl Ballot {
    /// Before any ballot.
    pub const ZERO: Self = Self { round: 0, node: 0 };
    /// The place of a value that is known to be chosen: no ballot can ever propose another one.
    pub const CHOSEN: Self = Self { round: u64::MAX, node: u32::MAX };

    /// The next ballot of `node` above this one.
    pub(super) fn next(self, node: NodeId, config: &Config) -> Self {
        let node = if config.has(PaxosBug::SharedBallots) { 0 } else { node.0 };
        Self { round: self.round + 1, node }
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZERO => f.write_str("none"),
            Self::CHOSEN => f.write_str("chosen"),
            Self { round, node } => write!(f, "{round}.{}", NodeId(node)),
        }
    }
}
