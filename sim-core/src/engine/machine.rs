//! The machine a node runs on: clock, CPU, disk, its streams of random numbers, and what it has done.

use crate::disk::{Disk, Lost};
use crate::fault::OnCrash;
use crate::{
    Clock, Completion, DiskPolicy, Duration, Effect, Instant, Node, NodeId, Order, Purpose, Rng, Ticket, Timer, WriteId,
};
use std::collections::VecDeque;
use std::rc::Rc;

/// What a machine is when nothing is wrong with it.
#[derive(Clone, Debug)]
pub struct NodeSetup {
    /// Its clock.
    pub clock: Clock,
    /// Its disk.
    pub disk: Rc<DiskPolicy>,
    /// CPU time each input costs; 0 means inputs are free.
    pub cpu_cost: Duration,
    /// The physical machine it runs on, for machine targets; `None` if it has one to itself.
    pub host: Option<u16>,
    /// Bits per second that leave the physical machine, whoever they are for; 0 means unlimited.
    pub egress: u64,
    /// How many bytes may wait to leave before what is sent is dropped.
    pub egress_queue: u64,
    /// Whether its node may be a member of the cluster, as far as its role says.
    pub member: bool,
    /// Whether clients that sit at no node ask it.
    pub asked: bool,
}

impl Default for NodeSetup {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            disk: Rc::new(DiskPolicy::default()),
            cpu_cost: Duration::ZERO,
            host: None,
            egress: 0,
            egress_queue: 1 << 20,
            member: true,
            asked: true,
        }
    }
}

/// What a machine has done for probes, which are no load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeStats {
    /// Messages about one of their operations alone ([`crate::Message::client`]), in and out.
    pub messages_in: u64,
    /// See above.
    pub messages_out: u64,
    /// Bytes of those, of requests and of answers.
    pub bytes_in: u64,
    /// See above.
    pub bytes_out: u64,
    /// Requests handed to it, or pieces of work, whichever its system counts.
    pub requests: u64,
    /// See above.
    pub work: u64,
    /// Time that its workers worked for them.
    pub busy_ns: u64,
}

impl ProbeStats {
    /// What was done between `earlier` and this.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            messages_in: self.messages_in - earlier.messages_in,
            messages_out: self.messages_out - earlier.messages_out,
            bytes_in: self.bytes_in - earlier.bytes_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
            requests: self.requests - earlier.requests,
            work: self.work - earlier.work,
            busy_ns: self.busy_ns - earlier.busy_ns,
        }
    }
}

/// What a machine has done since the start of the run: what it did for probes is apart, but in its time and on its
/// disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Messages delivered to it by nodes.
    pub messages_in: u64,
    /// Messages it sent to nodes.
    pub messages_out: u64,
    /// Bytes delivered to it, by nodes and clients.
    pub bytes_in: u64,
    /// Bytes it sent, to nodes and clients.
    pub bytes_out: u64,
    /// Client requests handed to it.
    pub requests: u64,
    /// Client requests it answered with a result.
    pub answered: u64,
    /// Pieces of work it has said it did ([`crate::Effects::worked`]).
    pub work: u64,
    /// CPU time used, and time that its workers worked.
    pub busy_ns: u64,
    /// Time its disk spent syncing.
    pub disk_busy_ns: u64,
    /// Syncs completed.
    pub syncs: u64,
    /// Time it was down.
    pub down_ns: u64,
    /// What it did for probes.
    pub probes: ProbeStats,
}

/// The same while it runs: all that a machine does, for probes too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub messages_in: u64,
    pub messages_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub requests: u64,
    pub answered: u64,
    pub work: u64,
    pub busy_ns: u64,
    pub disk_busy_ns: u64,
    pub syncs: u64,
    pub down_ns: u64,
}

impl Counts {
    /// What is left without what was done for probes, with that beside it.
    const fn without(self, probes: ProbeStats) -> NodeStats {
        NodeStats {
            messages_in: self.messages_in - probes.messages_in,
            messages_out: self.messages_out - probes.messages_out,
            bytes_in: self.bytes_in - probes.bytes_in,
            bytes_out: self.bytes_out - probes.bytes_out,
            requests: self.requests - probes.requests,
            answered: self.answered,
            work: self.work - probes.work,
            busy_ns: self.busy_ns - probes.busy_ns,
            disk_busy_ns: self.disk_busy_ns,
            syncs: self.syncs,
            down_ns: self.down_ns,
            probes,
        }
    }
}

impl NodeStats {
    /// What was done between `earlier` and this.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            messages_in: self.messages_in - earlier.messages_in,
            messages_out: self.messages_out - earlier.messages_out,
            bytes_in: self.bytes_in - earlier.bytes_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
            requests: self.requests - earlier.requests,
            answered: self.answered - earlier.answered,
            work: self.work - earlier.work,
            busy_ns: self.busy_ns - earlier.busy_ns,
            disk_busy_ns: self.disk_busy_ns - earlier.disk_busy_ns,
            syncs: self.syncs - earlier.syncs,
            down_ns: self.down_ns - earlier.down_ns,
            probes: self.probes.since(&earlier.probes),
        }
    }
}

/// One input that waits for its node.
#[derive(Clone, Debug)]
pub(crate) enum Input<N: Node> {
    Message { from: NodeId, number: u32, message: N::Message },
    Timer(Timer),
    Request { ticket: Ticket, request: N::Request },
    Disk(Completion<N::Record>),
    Order(Order),
    Closed { peer: NodeId, next: u32 },
}

/// Inputs that can not be handled at once, and why not.
#[derive(Clone, Debug)]
pub(crate) struct Gate<N: Node> {
    pub waiting: VecDeque<Input<N>>,
    /// The oldest waiting input is being worked on, until a queued CPU event.
    pub work: Option<Work>,
    /// Faults that pause the node.
    pub pauses: u32,
    /// Faults that slow it down: number, factor, floor.
    pub slow: Vec<(usize, u32, Duration)>,
    /// Tells CPU events that count from those of an earlier life, pace or pause.
    pub token: u32,
    /// The node is to boot when the pauses are over.
    pub boots: bool,
}

/// Work on one input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// When it began, or went on after a pause or at another pace.
    pub since: Instant,
    /// How much there was left to do then.
    pub left: Duration,
    /// How much all of it would be at that pace.
    pub all: Duration,
}

impl Work {
    /// All of it costs `all` from now on: what is left keeps its share.
    const fn at_pace(self, all: Duration) -> Self {
        let left = if self.all.0 == 0 {
            self.left
        } else {
            Duration((self.left.0 as u128 * all.0 as u128).div_ceil(self.all.0 as u128) as u64)
        };
        Self { since: self.since, left, all }
    }
}

/// Flag: inputs take time or must wait, so everything goes through the gate.
pub(crate) const GATED: u8 = 1;
/// Flag: the clock does not show true time.
pub(crate) const CLOCK_OFF: u8 = 2;

/// One machine. What nearly every event looks at comes first and fits two cache lines, the rest lies elsewhere.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Machine<N: Node> {
    pub clock: Clock,
    pub cold: Box<Cold<N>>,
    pub stats: Counts,
}

/// Effects, each with the write that it waits for.
pub(crate) type Waiting<N> = VecDeque<(WriteId, Effect<N>)>;

/// What only some events of a machine need.
#[derive(Clone, Debug)]
pub(crate) struct Cold<N: Node> {
    pub cpu_cost: Duration,
    pub disk: Disk<N::Record>,
    pub disk_policy: Rc<DiskPolicy>,
    /// Made on first use: most machines never pause, never lose a packet to a fault, and have a plain disk.
    pub gate: Option<Box<Gate<N>>>,
    spare: Option<Box<Spare>>,
    /// The physical machine, if it is shared.
    pub host: Option<u16>,
    /// Bits per second that leave it, and how many bytes may wait to.
    pub egress: (u64, u64),
    /// Whether its node may be a member, as far as its role says.
    pub member: bool,
    /// Its node can never be a member: by its role, or as it has said when it last booted.
    pub outsider: bool,
    /// Timers that wait for a frozen clock to go on, and for how long after that. Only while it is frozen.
    pub frozen: Vec<(Timer, Duration)>,
    /// What of all that it did was for probes, if it was ever asked by one.
    pub probes: Option<Box<ProbeStats>>,
    /// What waits until a write is durable, in the order in which it was asked for.
    pub waiting: Option<Box<Waiting<N>>>,
    /// Up to which write its node knows everything to be durable, in this life of it.
    pub settled: WriteId,
    /// Faults that keep it down.
    pub downs: u32,
    pub down_since: Option<Instant>,
    /// Its node has died alone: its machine is up, and refuses connections.
    pub refuses: bool,
    seed: u64,
    index: u64,
}

/// Streams of random numbers that most machines never use.
#[derive(Clone, Debug)]
struct Spare {
    packet: Rng,
    disk: Rng,
}

impl<N: Node> Machine<N> {
    pub fn new(seed: u64, index: u64, setup: NodeSetup) -> Self {
        let cold = Cold {
            cpu_cost: setup.cpu_cost,
            disk: Disk::new(),
            disk_policy: setup.disk,
            gate: None,
            spare: None,
            host: setup.host,
            egress: (setup.egress, setup.egress_queue),
            member: setup.member,
            outsider: !setup.member,
            frozen: Vec::new(),
            probes: None,
            waiting: None,
            settled: WriteId(0),
            downs: 0,
            down_since: None,
            refuses: false,
            seed,
            index,
        };
        Self { clock: setup.clock, cold: Box::new(cold), stats: Counts::default() }
    }

    pub fn reseed(&mut self, seed: u64) {
        self.cold.seed = seed;
        self.cold.spare = None;
        if let Some(trouble) = self.cold.disk.trouble() {
            trouble.slow.iter_mut().for_each(|(_, _, luck)| luck.reseed(seed));
            trouble.failing.iter_mut().for_each(|(_, _, luck)| luck.reseed(seed));
        }
    }

    fn spare(&mut self) -> &mut Spare {
        let (seed, index) = (self.cold.seed, self.cold.index);
        self.cold.spare.get_or_insert_with(|| {
            Box::new(Spare {
                packet: Rng::stream(seed, Purpose::Packet, index),
                disk: Rng::stream(seed, Purpose::Disk, index),
            })
        })
    }

    /// The stream for what faults and fancy links do to its messages.
    pub fn packet_rng(&mut self) -> &mut Rng {
        &mut self.spare().packet
    }

    /// The stream for its disk.
    pub fn disk_rng(&mut self) -> &mut Rng {
        &mut self.spare().disk
    }

    pub fn gate(&mut self) -> &mut Gate<N> {
        self.cold.gate.get_or_insert_with(|| {
            Box::new(Gate { waiting: VecDeque::new(), work: None, pauses: 0, slow: Vec::new(), token: 0, boots: false })
        })
    }

    /// What it did for probes.
    #[inline(never)]
    pub fn probes(&mut self) -> &mut ProbeStats {
        self.cold.probes.get_or_insert_default()
    }

    /// It sent a message, for a probe or not. Gives the message's number: 1 for the first, modulo 2^32.
    #[inline(always)]
    pub fn sent(&mut self, bytes: u32, probe: bool) -> u32 {
        self.stats.messages_out += 1;
        self.stats.bytes_out += u64::from(bytes);
        if probe {
            let probes = self.probes();
            probes.messages_out += 1;
            probes.bytes_out += u64::from(bytes);
        }
        self.stats.messages_out as u32
    }

    /// A message reached it.
    #[inline(always)]
    pub fn received(&mut self, bytes: u32, probe: bool) {
        self.stats.messages_in += 1;
        self.stats.bytes_in += u64::from(bytes);
        if probe {
            let probes = self.probes();
            probes.messages_in += 1;
            probes.bytes_in += u64::from(bytes);
        }
    }

    /// A request reached it.
    #[inline(always)]
    pub fn asked(&mut self, bytes: u32, probe: bool) {
        self.stats.requests += 1;
        self.stats.bytes_in += u64::from(bytes);
        if probe {
            let probes = self.probes();
            probes.requests += 1;
            probes.bytes_in += u64::from(bytes);
        }
    }

    /// It did a piece of work.
    pub fn worked(&mut self, took: Duration, probe: bool) {
        self.stats.work += 1;
        self.stats.busy_ns += took.0;
        if probe {
            let probes = self.probes();
            probes.work += 1;
            probes.busy_ns += took.0;
        }
    }

    /// What the engine must know before it can leave the machine alone: most never have a flag set.
    pub fn flags(&self) -> u8 {
        let held = self
            .cold
            .gate
            .as_ref()
            .is_some_and(|g| g.work.is_some() || g.pauses > 0 || !g.slow.is_empty() || !g.waiting.is_empty());
        let gated = self.cold.cpu_cost != Duration::ZERO || held;
        (if gated { GATED } else { 0 }) | (if self.clock.is_honest() { 0 } else { CLOCK_OFF })
    }

    /// The disk loses what `how` says; what that was.
    pub fn crash_disk(&mut self, how: OnCrash, next_write: WriteId) -> Lost {
        let mut rng = self.disk_rng().clone();
        let lost = self.cold.disk.crash(how, next_write, &mut rng);
        *self.disk_rng() = rng;
        lost
    }

    /// Notes the CPU time used on the input being worked on; nothing while paused, when none is used.
    pub fn charge_work(&mut self, now: Instant) {
        if let Some(gate) = &mut self.cold.gate
            && gate.pauses == 0
            && let Some(work) = &mut gate.work
        {
            let used = now.since(work.since);
            self.stats.busy_ns += used.0;
            *work = Work { since: now, left: work.left - used, ..*work };
        }
    }

    /// What one input costs now. A floor is what an input costs at least, not what is multiplied.
    pub fn cost(&self) -> Duration {
        let mut cost = self.cold.cpu_cost;
        for (_, factor, floor) in self.cold.gate.iter().flat_map(|g| &g.slow) {
            cost = cost.times(u64::from(*factor)).max(*floor);
        }
        cost
    }

    /// The pace has changed: what is left of the work under way costs another time. If it goes on at once: how long it
    /// still takes, and the token of the event that ends it.
    pub fn change_pace(&mut self, now: Instant) -> Option<(Duration, u32)> {
        self.charge_work(now);
        let all = self.cost();
        let gate = self.cold.gate.as_mut()?;
        let work = gate.work.as_mut()?;
        if work.all == all {
            return None;
        }
        *work = work.at_pace(all);
        let left = work.left;
        // While it pauses there is no event to overtake: the pause's end makes one.
        (gate.pauses == 0).then(|| {
            gate.token += 1;
            (left, gate.token)
        })
    }

    pub fn stats_at(&self, now: Instant) -> NodeStats {
        let mut stats = self.stats;
        stats.disk_busy_ns += self.cold.disk.busy(now).0;
        if let Some(gate) = &self.cold.gate
            && gate.pauses == 0
            && let Some(work) = &gate.work
        {
            stats.busy_ns += now.since(work.since).0;
        }
        if let Some(since) = self.cold.down_since {
            stats.down_ns += now.since(since).0;
        }
        stats.without(self.cold.probes.as_deref().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effects, Fact, Kind, Message, Replay};
    use core::mem::size_of;

    /// A node without state: what is left is what the simulator costs.
    #[derive(Debug)]
    struct Idle;
    #[derive(Clone, Copy, Debug, Hash)]
    struct Nothing;
    impl Message for Nothing {
        fn kind(&self) -> Kind {
            Kind::new(0, "nothing")
        }
        fn bytes(&self) -> u32 {
            0
        }
    }
    impl Fact for Nothing {
        fn kind(&self) -> Kind {
            Kind::new(0, "nothing")
        }
    }
    impl Node for Idle {
        type Config = ();
        type Message = Nothing;
        type Request = ();
        type Response = ();
        type Record = u64;
        type Fact = Nothing;
        fn boot((): &(), _: NodeId, _: Replay<'_, u64>, _: &mut Effects<'_, Self>) -> Self {
            Self
        }
        fn on_message(&mut self, _: NodeId, _: Nothing, _: &mut Effects<'_, Self>) {}
        fn on_timer(&mut self, _: Timer, _: &mut Effects<'_, Self>) {}
        fn request_bytes((): &()) -> u32 {
            0
        }
        fn response_bytes((): &()) -> u32 {
            0
        }
    }

    #[test]
    fn an_idle_machine_costs_less_than_two_kibibytes() {
        const TIMERS: usize = 8;
        const QUEUE_KEYS: usize = 16 * TIMERS * 2;
        assert!(size_of::<Machine<Idle>>() <= 128, "a machine's hot part no longer fits two cache lines");
        let streams = 2 * size_of::<Rng>();
        let machine = size_of::<Machine<Idle>>() + size_of::<Cold<Idle>>() + size_of::<Option<Idle>>() + streams;
        let timers = TIMERS * crate::engine::timers::SLOT_BYTES;
        // Its zone and site, its timers' queue keys with room to grow, and the streams it may come to need.
        let total = machine + timers + QUEUE_KEYS + 4;
        assert!(total <= 1_536, "{total} bytes: machine {machine}, timers {timers}, keys {QUEUE_KEYS}");
        let worst = total + size_of::<Spare>() + size_of::<Gate<Idle>>();
        assert!(worst < 2_560, "{worst} bytes for one that has paused, lost packets and drawn from its disk");
    }
}
