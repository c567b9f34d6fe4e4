//! What libraries are told, and how they count: options, ticks of their clock, numbers of their nodes.

use sim_core::units::RangeText;
use sim_core::{Duration, NodeId};

/// How many ticks of `tick` a time is, at least one.
pub fn ticks(time: Duration, tick: Duration) -> usize {
    (time.0 / tick.0.max(1)).max(1) as usize
}

/// Declares the options of an adapter: those that every library has, and its own.
macro_rules! library_options {
    ($($own:tt)*) => {
        sim_core::options! {
            /// What may be written in `[system]`.
            pub struct Options;

            /// What all nodes share.
            #[derive(Clone, Debug)]
            pub struct Config of shape {
                /// How many nodes there are.
                pub nodes: u32 = shape.nodes() as u32,
                    wrong if nodes < 3 => ("{nodes} nodes, of which none may fail"), "three or five are usual";
            }

            options {
                /// One tick of the library's clock.
                tick: sim_core::units::DurationText = sim_core::units::DurationText::millis(10)
                    => { tick: sim_core::Duration = tick.0 },
                    wrong if tick.0 == sim_core::Duration::ZERO => ("a clock without ticks"), "for example \"10ms\"";
                /// How long a follower waits for its leader.
                election_timeout: sim_core::units::RangeText = sim_core::units::RangeText {
                    lo: sim_core::Duration::millis(150), hi: sim_core::Duration::millis(300),
                } => { election: (usize, usize) = $crate::library::both(election_timeout, tick.0) },
                    wrong if election_timeout.lo <= heartbeat_interval.0 =>
                        ("followers may wait {} for a leader that is heard from every {heartbeat_interval}",
                        election_timeout.lo), "longer than heartbeat_interval; three times as long is usual";
                /// How often a leader is heard from.
                heartbeat_interval: sim_core::units::DurationText = sim_core::units::DurationText::millis(50)
                    => { heartbeat: usize = $crate::library::ticks(heartbeat_interval.0, tick.0) };
                /// After how many entries a snapshot is taken; 0 for never.
                snapshot_every: u64 = 10_000;
                /// Entries kept in the log behind a snapshot.
                snapshot_keep: u64 = 1_000;
                /// A known bug of the adapter to switch on; `list bugs` names them.
                bug: $crate::host::HostBug = $crate::host::HostBug::None;
                $($own)*
            }
        }

        impl $crate::host::LibraryOptions for Options {
            fn common(config: &Config) -> $crate::host::Common {
                let Config { nodes, snapshot_every, bug, .. } = *config;
                $crate::host::Common { nodes, snapshot_every, bug }
            }
        }
    };
}
pub(crate) use library_options;

/// Both ends of a range in ticks, the second no smaller than the first.
pub fn both(range: &RangeText, tick: Duration) -> (usize, usize) {
    (ticks(range.lo, tick), ticks(range.hi, tick).max(ticks(range.lo, tick)))
}

/// What libraries call a node: they count from 1.
pub const fn pid(node: NodeId) -> u64 {
    node.0 as u64 + 1
}

/// The node that a library calls so.
pub const fn node_of(pid: u64) -> NodeId {
    NodeId(pid as u32 - 1)
}
