//! The keys of everything but faults.

use super::{FAULT, Key, LIMITS, MTU, SWARM, Section, TCP, TRANSPORTS, Takes, UDP, Unit};
use crate::limits;
use Takes::{
    Bandwidth, Bound, Count, Drift, Duration, Flag, Latency, Name, Probability, Size, Table, Tables, Text, Texts,
};

/// The file.
pub static ROOT: Section = Section {
    name: "a scenario",
    keys: &[
        Key::new("scenario", Table(&SCENARIO), "", "what is run, for how long, from which seed"),
        Key::new("cluster", Table(&CLUSTER), "", "the machines"),
        Key::new("system", Takes::Options, "", "the system's own options"),
        Key::new("network", Table(&NETWORK), "", "how messages travel"),
        Key::new("disk", Table(&DISK), "", "how writes become durable"),
        Key::new("workload", Tables(&WORKLOAD), "", "groups of clients"),
        Key::new("probe", Table(&PROBE), "", "the availability probe"),
        Key::new("fault", Tables(&FAULT), "", "what goes wrong, and when"),
        Key::new("hazard", Tables(&HAZARD), "", "what goes wrong in real life, and how often: for `forecast`"),
        Key::new("limits", Table(&LIMITS), "", "what faults may not do, all together"),
        Key::new("swarm", Table(&SWARM), "", "each seed draws its own mixture of the faults"),
        Key::new("expect", Table(&EXPECT), "", "what decides the exit code, beyond safety"),
        Key::new("report", Table(&REPORT), "", "how the report looks; never changes the run"),
    ],
};

/// `[[hazard]]`.
pub static HAZARD: Section = Section {
    name: "[[hazard]]",
    keys: &[
        Key::new(
            "of",
            Takes::Word(HAZARDS),
            "",
            "what fails: each machine, zone, link or disk by itself, or all in turn",
        ),
        Key::new("every", Duration, "", "mean time from a repair to the next failure of one of them: `\"120d\"`"),
        Key::new("repair", Duration, "", "mean time to repair one; of a deploy, how long each member is away"),
        Key::new("law", Takes::Word(HAZARD_LAWS), "exponential", "how the times between failures are spread"),
        Key::new(
            "shape",
            Takes::Number(0.1, 10.0),
            "0.7",
            "of `weibull`: below 1, what has just failed fails again soon",
        ),
        Key::new(
            "window",
            Text,
            "any time",
            "of a deploy: when it may happen, `\"Sun 02:00..04:00\"`; what is due before waits",
        ),
    ],
};
const HAZARDS: &[&str] = crate::scenario::HazardOf::NAMES;
const HAZARD_LAWS: &[&str] = &["exponential", "fixed", "weibull"];

/// `[scenario]`.
pub static SCENARIO: Section = Section {
    name: "[scenario]",
    keys: &[
        Key::new("name", Name, "", "a short name, fit for a folder"),
        Key::new("title", Text, "the name", "one sentence for people"),
        Key::new("description", Text, "", "more than a sentence"),
        Key::new("system", Name, "", "the system under test; `list systems` names them"),
        Key::new("duration", Duration, "", "how long load is applied, warm-up included; then everything is healed"),
        Key::new("warmup", Duration, "0s", "how much of the start is not measured"),
        Key::new("settle", Duration, "5s", "how long the healed cluster has before it is judged"),
        Key::new("seed", Takes::Seed, "1", "where all randomness comes from"),
        Key::new(
            "shuffle_ties",
            Flag,
            "false",
            "events at one instant happen in seeded order, not first come first served",
        ),
        Key::new(
            "max_events",
            Count(1, u64::MAX),
            "1000000000",
            "a run of more events breaks the rule `max_events`: messages that beget messages would never end",
        ),
        Key::new("reseed", Tables(&RESEED), "", "moments from which on the run has fresh luck, in order of time"),
    ],
};

/// `reseed = [{ ... }]`.
pub static RESEED: Section = Section {
    name: "`reseed`",
    keys: &[
        Key::new("at", Duration, "", "all that is due before this has the luck of the seed before"),
        Key::new("seed", Takes::Seed, "", "where all that is drawn from then on comes from"),
    ],
};

/// `[cluster]`.
pub static CLUSTER: Section = Section {
    name: "[cluster]",
    keys: &[
        Key::new("nodes", Count(1, limits::NODES), "", "how many machines: n1, n2, ..."),
        Key::new("group", Tables(&GROUP), "", "machines of several kinds, instead of `nodes`, in order"),
        Key::new(
            "spares",
            Count(0, limits::NODES),
            "0",
            "how many more machines run without being members, until a fault of kind `membership` adds them",
        ),
        Key::new("zones", Texts, "[\"a\"]", "the zones; nodes are dealt to them round-robin"),
        Key::new("node_zones", Texts, "round-robin", "the zone of each node, instead of dealing them"),
        Key::new(
            "machines",
            Takes::Machines,
            "one for each node",
            "how many machines carry the nodes, dealt round-robin, or the name of each node's",
        ),
        Key::new("egress", Bandwidth, "unlimited", "what leaves one machine, whoever it is for; the rest waits"),
        Key::new("egress_queue", Size, "1 MiB", "with `egress`: how much may wait before what is sent is dropped"),
        Key::new("cpu_cost", Duration, "0s", "what handling one input costs; further inputs queue meanwhile"),
        Key::new("clock_offset", Takes::Offsets, "0s..0s", "each clock starts off by a draw from this range"),
        Key::new("clock_drift", Takes::Drifts, "0ppm..0ppm", "each clock runs fast by a draw from this range"),
        Key::new("max_drift", Drift, "500ppm", "the bound on drift that systems may rely on"),
    ],
};

/// `[[cluster.group]]`.
pub static GROUP: Section = Section {
    name: "[[cluster.group]]",
    keys: &[
        Key::new("role", Name, "", "what these are for; `every:worker`, `worker:3`, `a worker` are targets then"),
        Key::new("nodes", Count(1, limits::NODES), "", "how many machines"),
        Key::new("zones", Texts, "those of the cluster", "the zones; its nodes are dealt to them round-robin"),
        Key::new("cpu_cost", Duration, "that of the cluster", "what handling one input costs one of these"),
        Key::new("disk", Table(&DISK), "as in [disk]", "in what their disks differ"),
    ],
};

macro_rules! link_keys {
    ($($more:expr),* $(,)?) => {
        &[
            $($more,)*
            Key::new("latency", Latency, "0.5ms..2ms", "how long a message takes"),
            Key::new("loss", Probability, "0%", "a message is lost"),
            Key::new("duplicate", Probability, "0%", "a message arrives a second time"),
            Key::new("reorder", Probability, "0%", "a message is held back by `reorder_by`"),
            Key::new("reorder_by", Duration, "10ms", "how long a reordered message is held back"),
            Key::new("corrupt", Probability, "0%", "a message is corrupted, which its receiver detects"),
            Key::new("bandwidth", Bandwidth, "unlimited", "bits per second of each link"),
            Key::new("queue", Size, "1 MiB", "how much may wait for a limited link before messages are dropped"),
            Key::new(
                "ordered",
                Flag,
                "false",
                "as TCP: what one sends another arrives in order, late rather than not at all; a cut holds it",
            ),
            Key::new(
                "connection_timeout",
                Duration,
                "15s",
                "of an ordered link: who is cut off for this long has lost the connection, and all that waits",
            ),
        ]
    };
}

/// `[network]`.
pub static NETWORK: Section = Section {
    name: "[network]",
    keys: link_keys![
        Key::new(
            "transport",
            Takes::Word(TRANSPORTS),
            "ideal",
            "what carries messages: nothing but the links, datagrams, or TCP connections",
        ),
        Key::new("mtu", Count(MTU.0, MTU.1), "1500", "of `udp` and `tcp`: the largest packet that a link takes"),
        Key::new("udp", Table(&UDP), "", "how datagrams travel"),
        Key::new("tcp", Table(&TCP), "", "how connections behave"),
        Key::new("client", Table(&CLIENT), "", "what is different between a client and a node"),
        Key::new("link", Tables(&LINK), "", "rules for some links; the last one wins"),
    ],
};

/// `[network.client]`.
pub static CLIENT: Section = Section { name: "[network.client]", keys: link_keys![] };

/// `[[network.link]]`.
pub static LINK: Section = Section {
    name: "[[network.link]]",
    keys: link_keys![
        Key::new("between", Takes::Ends, "", "both ends, for both ways: `[\"zone:a\", \"n3\"]`"),
        Key::new("from", Takes::End, "", "the sending end, for one way"),
        Key::new("to", Takes::End, "", "the receiving end, for one way"),
    ],
};

/// `latency = { ... }`.
pub static LATENCY: Section = Section {
    name: "a latency",
    keys: &[
        Key::new("dist", Takes::Word(DISTRIBUTIONS), "", "its shape"),
        Key::new("value", Duration, "", "of `fixed`"),
        Key::new("min", Duration, "", "of `uniform`"),
        Key::new("max", Duration, "", "of `uniform`"),
        Key::new("mean", Duration, "", "of `exponential`"),
        Key::new("median", Duration, "", "of `lognormal`"),
        Key::new("p99", Duration, "", "of `lognormal`"),
        Key::new("samples", Takes::Durations, "", "of `recorded`: every one equally likely"),
        Key::new("matrix", Takes::Path, "", "a CSV file with a latency for each pair of zones"),
        Key::new("recorded", Takes::Path, "", "a CSV file of `from,to,latency` samples for each pair of zones"),
        Key::new("unit", Takes::Word(TIME_UNITS), "", "of a CSV file: what its numbers without a unit are in"),
        Key::new("rtt", Flag, "false", "of a CSV file: it holds round trips, so that one way takes half"),
    ],
};

/// What the numbers of a file of latencies may be in.
pub const TIME_UNITS: &[&str] = &["ns", "us", "ms", "s"];

/// The shapes of a latency.
pub const DISTRIBUTIONS: &[&str] = &["fixed", "uniform", "exponential", "lognormal", "recorded"];

/// `[disk]`.
pub static DISK: Section = Section {
    name: "[disk]",
    keys: &[
        Key::new("sync", Latency, "0.2ms..1ms", "how long a sync takes"),
        Key::new("fail", Probability, "0%", "a sync fails"),
        Key::new("at_once", Count(1, limits::SYNCS), "1", "how many syncs may be under way at the same time"),
    ],
};

/// `[[workload]]`.
pub static WORKLOAD: Section = Section {
    name: "[[workload]]",
    keys: &[
        Key::new("clients", Count(1, limits::CLIENTS), "10", "how many clients"),
        Key::new(
            "rate",
            Takes::Rate,
            "",
            "open loop: operations per second of all clients together, whatever the answers",
        ),
        Key::new("stages", Tables(&STAGE), "", "open loop with a rate that changes"),
        Key::new("think_time", Duration, "", "closed loop: from an answer to the next operation"),
        Key::new("outstanding", Count(1, 1_000_000), "1", "closed loop: operations each client has in flight"),
        Key::new(
            "at",
            Text,
            "",
            "the role of the nodes at which the clients sit, in turn: each asks its own, over no network, once",
        ),
        Key::new(
            "mix",
            Takes::Weights,
            "",
            "how often which operation comes, such as { get = 9, put = 1 }; `list systems` names those of a system",
        ),
        Key::new("read_ratio", Probability, "0.5", "share of operations that are reads"),
        Key::new("append_ratio", Probability, "0", "share of the writes that are appends"),
        Key::new(
            "cas_ratio",
            Probability,
            "0",
            "share of the remaining writes that are compare-and-set: of the key a client saw last, from what it saw",
        ),
        Key::new(
            "delete_ratio",
            Probability,
            "0",
            "share of the writes that are left that remove their key; like the two above, a plain write in a system \
             without them",
        ),
        Key::new("keys", Takes::KeySpace, "1000", "which keys are touched"),
        Key::new("value_size", Size, "64 B", "size of written values"),
        Key::new("timeout", Duration, "1s", "when a client gives up on an operation"),
        Key::new("attempt_timeout", Duration, "250ms", "when it gives up on one try; at most `timeout`"),
        Key::new("attempts", Takes::Attempts, "unlimited", "tries per operation; 1 means no retry"),
        Key::new("backoff", Duration, "5ms", "wait before the second try; doubles, half of it random"),
        Key::new("backoff_max", Duration, "100ms", "the longest such wait"),
        Key::new("routing", Takes::Routing, "sticky", "whom a client asks first: sticky, random, or one node"),
        Key::new(
            "reads_from",
            Takes::Word(&["leader", "any", "nearest"]),
            "leader",
            "whom it asks when it only reads: where its writes go, any node, or the nearest",
        ),
        Key::new("start", Duration, "0s", "no operation before this"),
        Key::new("stop", Duration, "scenario.duration", "no operation from this on"),
        Key::new("zones", Texts, "all", "the zones the clients are dealt to, round-robin"),
    ],
};

/// `stages = [{ ... }]`.
pub static STAGE: Section = Section {
    name: "a stage",
    keys: &[
        Key::new("at", Duration, "", "from when, counted from the start of the run"),
        Key::new("rate", Takes::Rate, "", "operations per second of all clients together"),
        Key::new(
            "ramp_to",
            Takes::Rate,
            "",
            "the rate grows or falls evenly to this one until the next stage, or until the load stops",
        ),
    ],
};

/// How popular keys may be.
pub const POPULARITIES: &[&str] = &["uniform", "zipf", "hotspot"];

/// `keys = { ... }`.
pub static KEYS: Section = Section {
    name: "keys",
    keys: &[
        Key::new("count", Count(1, limits::KEYS), "1000", "how many keys"),
        Key::new("dist", Takes::Word(POPULARITIES), "uniform", "how popular they are"),
        Key::new("s", Takes::Number(0.0, 10.0), "0.99", "of `zipf`: how skewed"),
        Key::new("hot", Count(1, limits::KEYS), "1", "of `hotspot`: how many keys are hot"),
        Key::new("share", Probability, "90%", "of `hotspot`: how many operations go to the hot ones"),
    ],
};

/// `[probe]`.
pub static PROBE: Section = Section {
    name: "[probe]",
    keys: &[
        Key::new("enabled", Flag, "true", "whether a probe client per zone runs"),
        Key::new(
            "every",
            Duration,
            "20ms, more where a tenth of the capacity is less, less with many shards",
            "one read and one write at this distance, of each shard in turn",
        ),
        Key::new(
            "timeout",
            Duration,
            "100ms, more on slow links; the shortest workload timeout where nobody takes over from anybody",
            "a probe that takes longer was not served, nor, if the file has this key, any other operation",
        ),
    ],
};

const fn bound(name: &'static str, unit: Unit, about: &'static str) -> Key {
    Key::new(name, Bound(unit), "", about)
}

/// What the history of transactions is judged by: a key of `[expect]`, and an option of whatever system judges them.
pub const LEVEL: &str = "level";

/// `[expect]`.
pub static EXPECT: Section = Section {
    name: "[expect]",
    keys: &[
        Key::new("linearizable", Flag, "false", "the history of all operations is linearizable"),
        Key::new(
            LEVEL,
            Text,
            "what the system promises",
            "of a system of transactions: what its history is judged by, such as \"serializable\"; its option `level`",
        ),
        Key::new(
            "answered_within",
            Duration,
            "",
            "once the faults are over, every client that asks has a first answer within this",
        ),
        Key::new("violates", Texts, "[]", "rules that must be broken, for scenarios that show how"),
        bound("availability", Unit::Fraction, "share of operations that succeed in time"),
        bound("read_availability", Unit::Fraction, "share of reads that succeed in time"),
        bound("write_availability", Unit::Fraction, "share of writes that succeed in time"),
        bound("probe_availability", Unit::Fraction, "share of probes that succeed in time"),
        bound("time_availability", Unit::Fraction, "share of time that is not an outage"),
        bound("nines", Unit::Number, "-log10 of the share of time that is an outage"),
        bound(
            "longest_outage",
            Unit::Time,
            "the longest outage of anything: of reads or writes, in any zone, of any shard",
        ),
        bound("longest_write_outage", Unit::Time, "the longest outage of writes"),
        bound("longest_read_outage", Unit::Time, "the longest outage of reads"),
        bound("longest_zone_outage", Unit::Time, "the longest time in which a zone's clients had neither"),
        bound("longest_full_outage", Unit::Time, "the longest time in which nobody had anything"),
        bound("total_outage", Unit::Time, "the time in which anything was out"),
        bound("longest_stall", Unit::Time, "the longest time without a success, outage or not"),
        bound("outages", Unit::Count, "how many outages"),
        bound("operations", Unit::Count, "how many operations ended"),
        bound("ok", Unit::Count, "how many succeeded"),
        bound("failed", Unit::Count, "how many failed for sure"),
        bound("unknown", Unit::Count, "how many may or may not have happened"),
        bound("operations_lost", Unit::Count, "operations that failed in outages"),
        bound("throughput", Unit::Number, "successful operations per second"),
        bound(
            "goodput",
            Unit::Number,
            "successful operations per second, under the name that load balancing has for it",
        ),
        bound("read_p50", Unit::Time, "median latency of reads"),
        bound("read_p90", Unit::Time, "90th percentile of the latency of reads"),
        bound("read_p99", Unit::Time, "99th percentile of the latency of reads"),
        bound("read_p999", Unit::Time, "99.9th percentile of the latency of reads"),
        bound("read_mean", Unit::Time, "mean latency of reads"),
        bound("read_max", Unit::Time, "longest latency of a read"),
        bound("write_p50", Unit::Time, "median latency of writes"),
        bound("write_p90", Unit::Time, "90th percentile of the latency of writes"),
        bound("write_p99", Unit::Time, "99th percentile of the latency of writes"),
        bound("write_p999", Unit::Time, "99.9th percentile of the latency of writes"),
        bound("write_mean", Unit::Time, "mean latency of writes"),
        bound("write_max", Unit::Time, "longest latency of a write"),
        bound("all_p50", Unit::Time, "median latency"),
        bound("all_p90", Unit::Time, "90th percentile of the latency"),
        bound("all_p99", Unit::Time, "99th percentile of the latency"),
        bound("all_p999", Unit::Time, "99.9th percentile of the latency"),
        bound("all_mean", Unit::Time, "mean latency"),
        bound("all_max", Unit::Time, "longest latency"),
        bound("max_over_mean", Unit::Number, "requests of the busiest node over the mean"),
        bound("requests_cov", Unit::Number, "coefficient of variation of requests over nodes"),
        bound("requests_jain", Unit::Fraction, "Jain's fairness index of requests over nodes"),
        bound("requests_gini", Unit::Fraction, "Gini coefficient of requests over nodes"),
        bound("keys_max_over_mean", Unit::Number, "keys of the fullest node over the mean"),
        bound("keys_cov", Unit::Number, "coefficient of variation of keys over nodes"),
        bound("keys_jain", Unit::Fraction, "Jain's fairness index of keys over nodes"),
        bound("keys_gini", Unit::Fraction, "Gini coefficient of keys over nodes"),
        bound(
            "keys_moved",
            Unit::Number,
            "keys that the worst change of membership moved, over the fewest that had to move",
        ),
        bound("moved_keys", Unit::Count, "keys that all changes of membership moved"),
        bound("queue_max", Unit::Count, "the longest queue of any node, in samples over the run"),
        bound(
            "rto",
            Unit::Time,
            "the longest unplanned fail-over, from the last service to the first write acknowledged",
        ),
        bound("lost_writes", Unit::Count, "acknowledged writes that were lost"),
        bound("rpo", Unit::Count, "the same, under the name that recovery has for it"),
        bound("stale_reads", Unit::Count, "reads that saw less than had been acknowledged before they began"),
        bound("two_primaries", Unit::Time, "time in which two nodes accepted writes for the same data"),
        bound("split_brain", Unit::Time, "the same, under the name that clusters have for it"),
        bound("false_failovers", Unit::Count, "fail-overs away from a primary that was in order"),
        bound("messages_sent", Unit::Count, "messages between nodes"),
        bound("messages_per_operation", Unit::Number, "messages between nodes for each successful operation"),
        bound("busy_max", Unit::Fraction, "share of time that the busiest node's CPU was busy"),
        bound("unavailable_zones", Unit::Count, "zones whose clients were without service at some time"),
        bound("metric_*", Unit::Number, "a figure that the system names itself, e.g. `metric_deleted_reads`"),
        bound("fact_*", Unit::Count, "how often the system announced a fact, e.g. `fact_elected`"),
    ],
};

/// `[report]`.
pub static REPORT: Section = Section {
    name: "[report]",
    keys: &[
        Key::new("window", Duration, "100ms", "length of an availability window"),
        Key::new(
            "in_time",
            Duration,
            "probe.timeout if it is there, or else the shortest workload timeout",
            "an operation of the workload that takes longer counts as failed for availability",
        ),
        Key::new("charts", Flag, "true", "whether charts are drawn"),
        Key::new("title", Text, "scenario.title", "a heading of its own"),
    ],
};
