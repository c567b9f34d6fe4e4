//! The concrete schedule: which fault, on whom, from when to when.

use super::{Limits, MemberChange, Shape, Target};
use crate::network::Latency;
use crate::{Argument, Duration, Instant, Probability};
use core::fmt;
use std::sync::Arc;

/// What a crash leaves of what was appended but not yet synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnCrash {
    /// All of it: the process died, the operating system did not. It stays in the page cache: a power loss takes it
    /// unless a sync has covered it since.
    Keep,
    /// None of it: the machine lost power.
    LoseUnsynced,
    /// A random prefix of it; the first missing record may be half there, which its checksum shows.
    Torn,
    /// Nothing at all, synced or not: the disk was replaced.
    Wipe,
}

impl OnCrash {
    /// The name in scenario files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::LoseUnsynced => "lose_unsynced",
            Self::Torn => "torn",
            Self::Wipe => "wipe",
        }
    }
}

/// Which way of a target's links a packet fault works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// What the targets receive.
    To,
    /// What the targets send.
    From,
    /// Both.
    Both,
}

impl Direction {
    /// The name in scenario files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::To => "to",
            Self::From => "from",
            Self::Both => "both",
        }
    }
}

/// What a packet fault does to the messages it works on. Fields add up; the default does nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PacketChange {
    /// Dropped with this probability, in addition to the link's own loss.
    pub loss: Probability,
    /// Delayed by this, in addition to the link's own latency.
    pub delay: Option<Latency>,
    /// Delivered a second time with this probability, with a latency of its own.
    pub duplicate: Probability,
    /// Held back with this probability by `reorder_by`, so that later messages overtake it.
    pub reorder: Probability,
    /// How long a reordered message is held back.
    pub reorder_by: Duration,
    /// Corrupted with this probability; the receiver's checksum finds it and drops the message.
    pub corrupt: Probability,
    /// Bits per second, for each sender-receiver pair; 0 means no limit.
    pub rate: u64,
    /// How many bytes may wait for the limited link before messages are dropped; only with `rate`.
    pub queue_bytes: u64,
    /// How often a draw for a message repeats the one for the message before it, between the same two. Each rate stays
    /// what it is; only what happens comes in runs. (The `correlation` of tc-netem and Chaos Mesh mixes the two draws
    /// instead, which makes rare things rarer the higher it is.)
    pub correlation: Probability,
    /// Losses in bursts, in addition to `loss`.
    pub burst: Option<Burst>,
}

/// Losses in bursts: a two-state chain for each sender and receiver, which moves once a message (Gilbert 1960, Elliott
/// 1963; `loss gemodel p r 1-h 1-k` of tc-netem). It begins in the good state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// From good to bad: p.
    pub good_to_bad: Probability,
    /// From bad to good: r. Bad spells last 1/r messages on average.
    pub bad_to_good: Probability,
    /// A message is lost in the bad state: 1-h.
    pub loss_bad: Probability,
    /// A message is lost in the good state: 1-k.
    pub loss_good: Probability,
}

/// Where the clients are in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CutClients {
    /// They reach every node.
    Free,
    /// They are cut off together with the nodes of their zone, if those are all on one side.
    WithZone,
    /// They alone can not reach the targets; nodes talk to each other as ever.
    Only,
}

/// How a clock goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// It jumps by this many nanoseconds, forward or back.
    Step(i64),
    /// It runs this many parts per million fast (negative: slow), until the fault ends.
    Drift(i32),
    /// It stands still until the fault ends and then goes on from where it stood, as a counter that was stopped does.
    /// What it missed stays missed, and timers that run on it wait for it.
    Freeze,
}

impl ClockChange {
    /// The key in scenario files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Step(_) => "step",
            Self::Drift(_) => "drift",
            Self::Freeze => "freeze",
        }
    }
}

/// How a disk goes wrong, until the fault ends. The kinds are those of TigerBeetle's `storage` and of "Can Applications
/// Recover from fsync Failures?" (ATC'20).
#[derive(Clone, Debug, PartialEq)]
pub enum DiskChange {
    /// Each sync takes this in addition.
    Slow(Latency),
    /// No sync completes.
    Stall,
    /// A sync fails with this probability. No later one makes durable what it covered. A node that stops itself for
    /// that finds what was durable when it starts again. That is the kinder case: where its process alone dies, the
    /// kernel has the pages of the failed sync for clean, so the next process reads them as if they were written, and
    /// no sync of its own writes them. No protocol that trusts what it reads back survives that, and none here is asked
    /// to.
    FailSync(Probability),
    /// There is no space: what is appended is refused, and the sync that should cover it fails
    /// ([`crate::SyncError::NoSpace`]).
    Full,
    /// A lying disk (a volatile cache that ignores flushes): syncs complete as ever but make nothing durable. What they
    /// covered becomes durable with the next honest sync; a power loss before that takes it. It counts the records that
    /// were lost although a sync had covered them.
    Lie,
    /// Whatever a crash of the node would have left, it leaves a random prefix of what was not synced
    /// ([`OnCrash::Torn`]); a replaced disk stays replaced.
    Torn,
    /// Bit rot: when the fault fires, each durable record goes bad with this probability. That is found when it is read
    /// back, at the latest when the node boots, and counted then. What has rotted stays so: this has no end.
    Rot(Probability),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The targets go down and restart from their disks when the fault ends.
    Crash {
        /// What of the unsynced survives.
        on_crash: OnCrash,
    },
    /// The targets stop handling inputs; everything waits until the fault ends (a stop-the-world pause).
    Pause,
    /// The targets take `factor` times as long for every input (with a CPU cost of 0, `floor` each).
    Slow {
        /// How many times as long.
        factor: u32,
        /// The cost of an input that is otherwise free.
        floor: Duration,
    },
    /// Links are cut.
    Partition {
        /// Who can still talk to whom.
        shape: Shape,
        /// What becomes of clients.
        clients: CutClients,
    },
    /// Messages between nodes on the targets' links are tampered with.
    Packet {
        /// How.
        change: PacketChange,
        /// On which way.
        direction: Direction,
        /// Only on links whose other end is one of these; `None` means any.
        peers: Option<Target>,
        /// Only messages of these kinds (by name); empty means all, client traffic included.
        kinds: Vec<String>,
    },
    /// The targets' clocks go wrong.
    Clock(ClockChange),
    /// The targets' disks go wrong.
    Disk(DiskChange),
    /// The operator wants the cluster changed, and repeats itself until it is, or the fault ends.
    Membership(MemberChange),
}

impl Fault {
    /// The `kind` in scenario files and reports.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Pause => "pause",
            Self::Slow { .. } => "slow",
            Self::Partition { .. } => "partition",
            Self::Packet { .. } => "packet",
            Self::Clock(_) => "clock",
            Self::Disk(_) => "disk",
            Self::Membership(MemberChange::Own { .. }) => "order",
            Self::Membership(_) => "membership",
        }
    }
}

/// What a triggered fault waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cue {
    /// A message of this kind is handled by its receiver.
    Message(String),
    /// A fact of this kind is announced.
    Fact(String),
    /// A fault with this name begins, and hits somebody.
    FaultBegins(Name),
    /// A fault with this name ends that has hit somebody.
    FaultEnds(Name),
}

/// What a fault is called by those that wait for it. Several may share a name.
pub type Name = Arc<str>;

/// Lets a fault wait for something to happen, instead of for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What.
    pub cue: Cue,
    /// How many times, counted from [`Injection::at`].
    pub count: u32,
    /// Only what happens at one of these counts, resolved when counting begins; `None` means anywhere.
    pub node: Option<Target>,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cue {
            Cue::Message(kind) | Cue::Fact(kind) => write!(f, "{} {kind}", self.count),
            Cue::FaultBegins(name) => write!(f, "{} beginning of {name}", self.count),
            Cue::FaultEnds(name) => write!(f, "{} end of {name}", self.count),
        }?;
        self.node.as_ref().map_or(Ok(()), |node| write!(f, " at {node}"))
    }
}

/// One fault at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// Names the fault's stream of random numbers, so that removing another fault does not change this one's luck.
    pub id: u64,
    /// What others that wait for it call it.
    pub name: Option<Name>,
    /// What goes wrong.
    pub fault: Fault,
    /// For whom.
    pub target: Target,
    /// From when.
    pub at: Instant,
    /// Until when; [`Instant::FAR`] means until everything is healed at the end.
    pub until: Instant,
    /// What it waits for from `at` on. It then lasts as long as `until` is behind `at`.
    pub after: Option<Trigger>,
    /// Whether the run is inconclusive if this changes nothing.
    pub must_bite: bool,
}

impl DiskChange {
    /// The key in scenario files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Slow(_) => "slow",
            Self::Stall => "stall",
            Self::FailSync(_) => "fail_sync",
            Self::Full => "full",
            Self::Lie => "lie",
            Self::Torn => "torn",
            Self::Rot(_) => "rot",
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::Partition { shape, clients: CutClients::Only } => {
                write!(f, "partition ({}) of {} from clients", shape.name(), self.target)
            }
            Fault::Partition { shape, .. } => write!(f, "partition ({}) of {}", shape.name(), self.target),
            Fault::Disk(change) => write!(f, "disk ({}) of {}", change.name(), self.target),
            Fault::Clock(change) => write!(f, "clock ({}) of {}", change.name(), self.target),
            Fault::Membership(MemberChange::Own { name, takes: Argument::Number, number, .. }) => {
                write!(f, "order ({name}) of {number}")
            }
            Fault::Membership(MemberChange::Own { name, takes: Argument::Nothing, .. }) => write!(f, "order ({name})"),
            Fault::Membership(change) => write!(f, "{} ({}) of {}", self.fault.kind(), change.name(), self.target),
            fault => write!(f, "{} of {}", fault.kind(), self.target),
        }?;
        self.after.as_ref().map_or(Ok(()), |trigger| write!(f, " after {trigger}"))
    }
}

/// All faults of one run, in order of time, and what they may not do all together.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    injections: Arc<[Injection]>,
    limits: Limits,
}

impl Schedule {
    /// A schedule; sorted by start, and by id at equal starts. What waits begins to wait first: it may be for another
    /// of the same moment.
    #[must_use]
    pub fn new(mut injections: Vec<Injection>) -> Self {
        injections.sort_by_key(|i| (i.at, i.after.is_none(), i.id));
        Self { injections: injections.into(), limits: Limits::default() }
    }

    /// The same faults within these limits.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// What the faults may not do, all together.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The injections in order of time.
    #[must_use]
    pub fn injections(&self) -> &[Injection] {
        &self.injections
    }
}
