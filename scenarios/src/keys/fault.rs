//! The keys of `[[fault]]`: some for all kinds, most for one.

use super::{Key, Section, Takes};
use Takes::{
    Bandwidth, Count, Drift, Duration, Flag, Latency, Name, Probability, Size, Table, Target, Text, Texts, Word,
};

/// The kinds of faults.
pub const KINDS: &[&str] = &["crash", "pause", "slow", "partition", "packet", "clock", "disk", "membership", "order"];
/// The shapes of a partition.
pub const SHAPES: &[&str] = &[
    "isolate",
    "halves",
    "majority_minority",
    "minority_third",
    "majorities_ring",
    "bridge",
    "one_way",
    "intersecting",
    "groups",
];
/// What a crash leaves.
pub const ON_CRASH: &[&str] = &["keep", "lose_unsynced", "torn", "wipe"];
/// What an operator changes about the cluster.
pub const CHANGES: &[&str] = &["add", "remove", "replace", "grow", "shrink", "move_zone", "transfer"];
/// Which way of a target's links.
pub const DIRECTIONS: &[&str] = &["to", "from", "both"];

/// What of another fault one can wait for.
pub const ENDS: &[&str] = &["begin", "end"];
/// In which order what came to one after another goes away.
pub const HEALS: &[&str] = &["in_order", "reverse", "random"];

/// How the times between random failures are spread.
pub const LAWS: &[&str] = &["exponential", "weibull"];
/// Who fails together in a random process.
pub const SCOPES: &[&str] = &["node", "machine", "zone", "cluster"];

/// `after = { ... }` and `kill_after = { ... }`.
pub static AFTER: Section = Section {
    name: "a trigger",
    keys: &[
        Key::new("kind", Text, "", "a message of this kind has been handled"),
        Key::new("fact", Text, "", "a fact of this kind has been announced"),
        Key::new("fault", Name, "", "a fault with this `name` has begun or ended; one that hits nobody does neither"),
        Key::new("at", Word(ENDS), "end", "with `fault`: which of the two"),
        Key::new("count", Count(1, 1_000_000_000), "1", "this many times, counted from the fault's `at`"),
        Key::new("node", Target, "any", "counted only at these nodes, as they are when counting begins"),
    ],
};

/// `burst = { ... }`: losses as Gilbert and Elliott model them.
pub static BURST: Section = Section {
    name: "a burst",
    keys: &[
        Key::new("good_to_bad", Probability, "", "how often a message turns the link bad (p)"),
        Key::new("bad_to_good", Probability, "", "how often one turns it good again (r)"),
        Key::new("loss_bad", Probability, "100%", "messages lost while it is bad (1-h)"),
        Key::new("loss_good", Probability, "0%", "messages lost while it is good (1-k)"),
    ],
};

/// `[[fault]]`.
pub static FAULT: Section = Section {
    name: "[[fault]]",
    keys: &[
        Key::new("kind", Word(KINDS), "", "what goes wrong"),
        Key::new(
            "target",
            Target,
            "",
            "for whom: a node, a zone, a machine, a role, `random`, `minority`, `all` ..., or a list",
        ),
        Key::new(
            "at",
            Takes::Moment,
            "0s",
            "when first, counted from the start of the run; of a range, each moment is equally likely",
        ),
        Key::new("duration", Duration, "until the end", "for how long"),
        Key::new("every", Duration, "", "again and again at this distance, until scenario.duration"),
        Key::new("count", Count(1, 1_000_000), "", "with `every`: at most this many times"),
        Key::new("mtbf", Duration, "", "at random, from `at` on: mean time from a repair to the next failure"),
        Key::new("mttr", Duration, "", "with `mtbf`: mean time to repair, exponential"),
        Key::new("law", Word(LAWS), "exponential", "with `mtbf`: how the times between failures are spread"),
        Key::new(
            "weibull_shape",
            Takes::Number(0.1, 20.0),
            "0.7",
            "of law `weibull`: below 1, failures come in bursts",
        ),
        Key::new(
            "recorded",
            Takes::Path,
            "",
            "as recorded: a file of lines `time value`, or `node time value`, in seconds (also since 1970), 1 for up \
             and 0 for \
             down; SimGrid's PERIODICITY and LOOPAFTER repeat it",
        ),
        Key::new("until", Duration, "scenario.duration", "with `mtbf` or `recorded`: no failure from then on"),
        Key::new(
            "scope",
            Word(SCOPES),
            "cluster",
            "with `mtbf`: each node, machine or zone of the target fails on its own, or all do together",
        ),
        Key::new("rolling", Duration, "", "the nodes of the target one after another, this far apart at least"),
        Key::new(
            "at_once",
            Count(1, crate::limits::NODES),
            "any number",
            "with `rolling`: no more nodes at a time; the next waits until one of those before is free again",
        ),
        Key::new(
            "heal",
            Word(HEALS),
            "in_order",
            "with `rolling`: in which order the nodes are let go of, once all were held",
        ),
        Key::new("name", Name, "", "what other faults call it that wait for it"),
        Key::new("after", Table(&AFTER), "", "not at `at`, but once something has happened from then on"),
        Key::new("must_bite", Flag, "true, false if random", "the run is inconclusive if the fault changes nothing"),
        Key::new("id", Count(0, i64::MAX as u64), "made of kind, shape, target and at", "names the fault's luck"),
        Key::new("on_crash", Word(ON_CRASH), "lose_unsynced", "what a crash leaves on the disk").only(&["crash"]),
        Key::new("kill_after", Table(&AFTER), "", "another name for `after`").only(&["crash"]),
        Key::new("factor", Count(2, 1_000_000), "20", "how many times as long an input takes").only(&["slow"]),
        Key::new("floor", Duration, "1ms", "what an input takes at least, for instance one that was free")
            .only(&["slow"]),
        Key::new("shape", Word(SHAPES), "isolate", "who can still talk to whom").only(&["partition"]),
        Key::new("groups", Takes::Groups, "", "of shape `groups`: lists of nodes, zones or roles").only(&["partition"]),
        Key::new("clients", Flag, "true for a zone", "whether clients are cut off with their zone")
            .only(&["partition"]),
        Key::new("period", Duration, "", "flapping: one cycle, first cut and then up").only(&["partition"]),
        Key::new("up", Duration, "half the period", "flapping: how much of each cycle is up").only(&["partition"]),
        Key::new(
            "direction",
            Word(DIRECTIONS),
            "both (one_way: from)",
            "`to` works on what the target receives, `from` on what it sends",
        )
        .only(&["partition", "packet"]),
        Key::new(
            "peers",
            Target,
            "everyone",
            "only on links whose other end is one of these, or `clients`; a partition: `clients`, who alone are cut \
             off",
        )
        .only(&["partition", "packet"]),
        Key::new("messages", Texts, "all", "only messages of these kinds").only(&["packet"]),
        Key::new("loss", Probability, "0%", "messages are lost").only(&["packet"]),
        Key::new("delay", Latency, "", "messages take this much longer").only(&["packet"]),
        Key::new("duplicate", Probability, "0%", "messages arrive twice").only(&["packet"]),
        Key::new("reorder", Probability, "0%", "messages are held back by `reorder_by`").only(&["packet"]),
        Key::new("reorder_by", Duration, "10ms", "how long a reordered message is held back").only(&["packet"]),
        Key::new("corrupt", Probability, "0%", "messages are corrupted, which the receiver detects").only(&["packet"]),
        Key::new("correlation", Probability, "0%", "how often a message fares like the one before it on its link")
            .only(&["packet"]),
        Key::new("burst", Table(&BURST), "", "messages are lost in bursts").only(&["packet"]),
        Key::new("rate", Bandwidth, "", "links carry no more than this").only(&["packet"]),
        Key::new("queue", Size, "1 MiB", "with `rate`: how much may wait before messages are dropped")
            .only(&["packet"]),
        Key::new("step", Takes::SignedDuration, "", "the clock jumps, forward or back").only(&["clock"]),
        Key::new("drift", Drift, "", "the clock runs fast, or slow if negative").only(&["clock"]),
        Key::new("freeze", Flag, "false", "the clock stands still, and then goes on from where it stood")
            .only(&["clock"]),
        Key::new("slow", Latency, "", "each sync takes this much longer").only(&["disk"]),
        Key::new("stall", Flag, "false", "no sync completes").only(&["disk"]),
        Key::new("fail_sync", Probability, "", "syncs fail").only(&["disk"]),
        Key::new("full", Flag, "false", "there is no space: what is written is refused, and its sync fails")
            .only(&["disk"]),
        Key::new("lie", Flag, "false", "syncs complete but make nothing durable until an honest one has")
            .only(&["disk"]),
        Key::new("torn", Flag, "false", "any crash leaves a random part of what was not synced").only(&["disk"]),
        Key::new("rot", Probability, "", "durable records go bad, once and for all; found when next read")
            .only(&["disk"]),
        Key::new("change", Word(CHANGES), "", "what the operator asks for, again and again until it is done")
            .only(&["membership"]),
        Key::new("by", Count(1, 127), "1", "of `grow` and `shrink`: how many members more or less")
            .only(&["membership"]),
        Key::new("to", Target, "any other zone", "of `move_zone`: where those sit that join").only(&["membership"]),
        Key::new("order", Text, "", "which of the orders that only the system knows; `list systems` names them")
            .only(&["order"]),
        Key::new("number", Count(0, i64::MAX as u64), "", "what it is about, if that is a number").only(&["order"]),
    ],
};
