//! Any of the placements, chosen by name: what options name and what systems hold.

use super::{
    Anchor, Bounded, Jump, Maglev, Member, Members, Modulo, MultiProbe, Placement, Refused, Rendezvous, Ring, RingShape,
};
use sim_core::NodeId;

sim_core::choices! {
    /// Which rule gives every key a node.
    pub enum Algorithm {
        /// The hash modulo the number of nodes: the baseline.
        Modulo,
        /// The hash modulo a fixed number of slots, modulo the number of nodes.
        ModuloSlots,
        /// A ring with virtual nodes.
        #[default]
        Ring,
        /// A ring with virtual nodes of which none takes more than its share and a little.
        Bounded,
        /// Highest random weight.
        Rendezvous,
        /// Jump consistent hash.
        Jump,
        /// Maglev's lookup table.
        Maglev,
        /// A ring of one point a node, asked from several places.
        MultiProbe,
        /// AnchorHash.
        Anchor,
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Modulo,
        Self::ModuloSlots,
        Self::Ring,
        Self::Bounded,
        Self::Rendezvous,
        Self::Jump,
        Self::Maglev,
        Self::MultiProbe,
        Self::Anchor,
    ];

    /// Its name in scenario files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modulo => "modulo",
            Self::ModuloSlots => "modulo_slots",
            Self::Ring => "ring",
            Self::Bounded => "bounded",
            Self::Rendezvous => "rendezvous",
            Self::Jump => "jump",
            Self::Maglev => "maglev",
            Self::MultiProbe => "multi_probe",
            Self::Anchor => "anchor",
        }
    }

    /// Whether a node's weight decides its share of the keys.
    #[must_use]
    pub const fn weighs(self) -> bool {
        matches!(self, Self::Ring | Self::Bounded | Self::Rendezvous | Self::Maglev)
    }

    /// Whether no key moves between nodes that stay when another joins, or leaves; Jump only if the last one leaves.
    #[must_use]
    pub const fn is_minimal(self) -> bool {
        matches!(self, Self::Ring | Self::Rendezvous | Self::Jump | Self::MultiProbe | Self::Anchor)
    }
}

/// The figures of the placements: each has its own, and leaves the others alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Which placement.
    pub algorithm: Algorithm,
    /// How a ring's points are laid.
    pub ring: RingShape,
    /// How often a key looks under multi-probe.
    pub probes: u32,
    /// Entries of Maglev's table, a prime; `None` for at least a hundred a node.
    pub table: Option<u32>,
    /// The slots that are taken first under `modulo_slots`.
    pub slots: u64,
    /// How much more than its share a node may hold under bounded loads, in parts per million.
    pub slack_ppm: u32,
    /// The most nodes that an anchor may ever have.
    pub room: u32,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            ring: RingShape::with_points(100),
            probes: 21,
            table: None,
            slots: 1024,
            slack_ppm: 250_000,
            room: 1024,
        }
    }
}

impl Layout {
    /// The placement of these members.
    ///
    /// # Panics
    /// As the placements do: on a ring without points, a table that is no prime, an anchor without room.
    #[must_use]
    pub fn place(&self, members: Members) -> AnyPlacement {
        match self.algorithm {
            Algorithm::Modulo => AnyPlacement::Modulo(Modulo::new(members, None)),
            Algorithm::ModuloSlots => AnyPlacement::Modulo(Modulo::new(members, Some(self.slots))),
            Algorithm::Ring => AnyPlacement::Ring(Ring::new(members, self.ring)),
            Algorithm::Bounded => AnyPlacement::Bounded(Bounded::new(members, self.ring, self.slack_ppm)),
            Algorithm::Rendezvous => AnyPlacement::Rendezvous(Rendezvous::new(members)),
            Algorithm::Jump => AnyPlacement::Jump(Jump::new(members)),
            Algorithm::Maglev => AnyPlacement::Maglev(Maglev::new(members, self.table)),
            Algorithm::MultiProbe => AnyPlacement::MultiProbe(MultiProbe::new(members, self.probes)),
            Algorithm::Anchor => AnyPlacement::Anchor(Anchor::new(members, self.room)),
        }
    }
}

/// One placement or another.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "named as what they hold")]
pub enum AnyPlacement {
    Modulo(Modulo),
    Ring(Ring),
    Bounded(Bounded),
    Rendezvous(Rendezvous),
    Jump(Jump),
    Maglev(Maglev),
    MultiProbe(MultiProbe),
    Anchor(Anchor),
}

/// Calls a method of whichever it is.
macro_rules! whichever {
    ($any:expr, $placement:ident => $call:expr) => {
        match $any {
            AnyPlacement::Modulo($placement) => $call,
            AnyPlacement::Ring($placement) => $call,
            AnyPlacement::Bounded($placement) => $call,
            AnyPlacement::Rendezvous($placement) => $call,
            AnyPlacement::Jump($placement) => $call,
            AnyPlacement::Maglev($placement) => $call,
            AnyPlacement::MultiProbe($placement) => $call,
            AnyPlacement::Anchor($placement) => $call,
        }
    };
}

impl Placement for AnyPlacement {
    fn owner(&self, key: u64) -> NodeId {
        whichever!(self, placement => placement.owner(key))
    }

    fn members(&self) -> &Members {
        whichever!(self, placement => placement.members())
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        whichever!(self, placement => placement.join(member))
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        whichever!(self, placement => placement.leave(node))
    }

    fn bytes(&self) -> usize {
        whichever!(self, placement => placement.bytes())
    }

    fn prefer(&self, key: u64, take: impl FnMut(NodeId) -> bool) {
        whichever!(self, placement => placement.prefer(key, take));
    }
}
