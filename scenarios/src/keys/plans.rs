//! The keys that say how a plan of faults becomes concrete: `[limits]` and `[swarm]`.

use super::{CLIENT, DISK, Key, Section, Takes};
use Takes::{Alternatives, Count, Flag, Probability, Scale, Table};

/// `[limits]`.
pub static LIMITS: Section = Section {
    name: "[limits]",
    keys: &[
        Key::new(
            "max_down",
            Count(0, crate::limits::NODES),
            "",
            "no fault takes more nodes than this down or pauses them",
        ),
        Key::new(
            "max_cut",
            Count(0, crate::limits::NODES),
            "",
            "no partition leaves more nodes than this without a majority they can talk to",
        ),
        Key::new(
            "keep_quorum",
            Flag,
            "false",
            "no crash, pause or partition leaves less than a majority that some live node can talk to",
        ),
    ],
};

/// `[swarm]`.
pub static SWARM: Section = Section {
    name: "[swarm]",
    keys: &[
        Key::new("off", Probability, "50%", "each seed switches each kind of fault off with this chance"),
        Key::new(
            "weight",
            Scale,
            "1..1",
            "how often the others come: `every` and `mtbf` are divided by a draw from this",
        ),
        Key::new(
            "length",
            Scale,
            "1..1",
            "how long they last: `duration` and `mttr` are multiplied by a draw from this",
        ),
        Key::new("vary", Table(&VARY), "", "lists of which each seed draws one"),
    ],
};

/// `[swarm.vary]`.
pub static VARY: Section = Section {
    name: "[swarm.vary]",
    keys: &[
        Key::new("system", Takes::Options, "", "lists of values for the system's options"),
        Key::new("network", Alternatives(&CLIENT), "", "lists of values for keys of [network]"),
        Key::new("disk", Alternatives(&DISK), "", "lists of values for keys of [disk]"),
    ],
};
