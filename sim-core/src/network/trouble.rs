//! What faults do to messages: cuts and packet changes in force, and what they let through.

use super::{Busy, LinkPolicy};
use crate::fault::{Burst, Direction, PacketChange, Sides};
use crate::sorted::SortedMap;
use crate::{Drop, Duration, Instant, Kind, Peer, Probability, Purpose, Rng, hash};

/// A partition in force.
#[derive(Clone, Debug)]
pub(crate) struct ActiveCut {
    /// Which fault of the schedule.
    pub fault: usize,
    /// Which node is on which side.
    pub sides: Sides,
    /// Which side the clients of each zone are on; `None` if they reach everyone.
    pub zone_side: Vec<Option<u16>>,
    /// Messages dropped.
    pub touched: u64,
}

impl ActiveCut {
    fn side(&self, peer: Peer, client_zone: u16) -> Option<u16> {
        match peer {
            Peer::Node(node) => Some(self.sides.side[node.index()]),
            Peer::Client(_) => self.zone_side[client_zone as usize],
        }
    }

    fn cuts(&self, from: Peer, to: Peer, client_zone: u16) -> bool {
        match (self.side(from, client_zone), self.side(to, client_zone)) {
            (Some(a), Some(b)) => self.sides.blocked[a as usize * self.sides.sides + b as usize],
            _ => false,
        }
    }
}

/// The random numbers of one fault: a stream for each sender, so that neither another fault nor another sender shifts
/// what becomes of a message.
#[derive(Clone, Debug)]
pub(crate) struct Luck {
    seed: u64,
    fault: u64,
    streams: SortedMap<u32, Rng>,
}

impl Luck {
    /// The luck of the fault with this id.
    pub const fn new(seed: u64, fault: u64) -> Self {
        Self { seed, fault, streams: SortedMap::new() }
    }

    pub fn of(&mut self, who: u32) -> &mut Rng {
        let (seed, fault) = (self.seed, self.fault);
        let stream = || Rng::stream(seed, Purpose::Injection, hash::of(&[fault, u64::from(who)]));
        self.streams.entry(who).or_insert_with(stream)
    }

    /// A stream for what is sent from one to another alone.
    fn of_pair(&self, (from, to): (u32, u32)) -> Rng {
        let index = hash::of(&[self.fault, u64::from(from), u64::from(to)]);
        Rng::stream(self.seed, Purpose::PairPacket, index)
    }

    pub fn reseed(&mut self, seed: u64) {
        *self = Self::new(seed, self.fault);
    }
}

/// What a packet fault remembers of the messages from one to another, and what decides about the next.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    rng: Rng,
    /// The last draw of each sort.
    last: [Option<u32>; 5],
    /// The state of [`crate::fault::Burst`].
    bad: bool,
}

/// Where the random numbers about one message come from.
enum Draws<'a> {
    /// Each from the stream of its own.
    Fresh(&'a mut Rng),
    /// Each may repeat the one for the message before.
    Remembered(&'a mut Memory, Probability),
}

/// What a draw is for.
#[derive(Clone, Copy)]
enum Sort {
    Loss,
    Corrupt,
    Duplicate,
    Reorder,
    Delay,
}

impl Draws<'_> {
    fn draw(&mut self, sort: Sort) -> u32 {
        match self {
            Self::Fresh(rng) => rng.next_u32(),
            Self::Remembered(memory, correlation) => {
                let (again, fresh) = (memory.rng.chance(*correlation), memory.rng.next_u32());
                let last = &mut memory.last[sort as usize];
                *last.insert(last.filter(|_| again).unwrap_or(fresh))
            }
        }
    }

    fn chance(&mut self, p: Probability, sort: Sort) -> bool {
        !p.is_never() && p.hit(self.draw(sort))
    }

    fn rng(&mut self) -> &mut Rng {
        match self {
            Self::Fresh(rng) => rng,
            Self::Remembered(memory, _) => &mut memory.rng,
        }
    }

    /// Whether a burst takes the message. The chain then moves.
    fn burst(&mut self, burst: &Burst) -> bool {
        let Self::Remembered(memory, _) = self else { return false };
        let (loss, leave) =
            if memory.bad { (burst.loss_bad, burst.bad_to_good) } else { (burst.loss_good, burst.good_to_bad) };
        let lost = memory.rng.chance(loss);
        memory.bad ^= memory.rng.chance(leave);
        lost
    }
}

/// Who is at the other end of a link.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    /// Which nodes.
    pub nodes: Vec<bool>,
    /// Whether clients.
    pub clients: bool,
}

/// A packet fault in force.
#[derive(Clone, Debug)]
pub(crate) struct ActivePacket {
    /// Which fault of the schedule.
    pub fault: usize,
    /// Which nodes are targets.
    pub targets: Vec<bool>,
    /// Who may be at the other end; `None` means anyone, clients included.
    pub peers: Option<Peers>,
    /// On which way of the targets' links.
    pub direction: Direction,
    /// Kinds it works on; empty means everything, client traffic included.
    pub kinds: Vec<String>,
    /// What it does.
    pub change: PacketChange,
    /// The limited links.
    pub busy: Busy,
    /// What decides about each message.
    pub luck: Luck,
    /// What becomes of a message depends on what became of the one before it: only for faults that say so.
    pub memory: SortedMap<(u32, u32), Memory>,
    /// Messages changed.
    pub touched: u64,
}

impl ActivePacket {
    /// What becomes of a message that it concerns.
    fn change(&mut self, crossing: &Crossing) -> Passage {
        let correlation = self.change.correlation;
        let draws = if correlation.is_never() && self.change.burst.is_none() {
            Draws::Fresh(self.luck.of(crossing.luck))
        } else {
            let pair = crossing.pair;
            let rng = || self.luck.of_pair(pair);
            let memory = self.memory.entry(pair).or_insert_with(|| Memory { rng: rng(), last: [None; 5], bad: false });
            Draws::Remembered(memory, correlation)
        };
        change(&self.change, &mut self.busy, crossing, draws)
    }

    pub fn reseed(&mut self, seed: u64) {
        self.luck.reseed(seed);
        for (pair, memory) in &mut self.memory {
            memory.rng = self.luck.of_pair(*pair);
        }
    }

    fn concerns(&self, from: Peer, to: Peer, kind: Option<Kind>) -> bool {
        let kind_fits = self.kinds.is_empty() || kind.is_some_and(|k| self.kinds.iter().any(|name| name == k.name));
        let target = |peer| matches!(peer, Peer::Node(node) if self.targets[node.index()]);
        let other = |peer| match (&self.peers, peer) {
            (None, _) => true,
            (Some(peers), Peer::Node(node)) => peers.nodes[node.index()],
            (Some(peers), Peer::Client(_)) => peers.clients,
        };
        kind_fits
            && match self.direction {
                Direction::To => target(to) && other(from),
                Direction::From => target(from) && other(to),
                Direction::Both => (target(to) && other(from)) || (target(from) && other(to)),
            }
    }
}

/// What becomes of one message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It is dropped.
    Dropped(Drop),
    /// It arrives with this much added to its latency. If once more, `duplicate` are the random bits for the latency of
    /// the second copy.
    Arrives { added: Duration, duplicate: Option<u32> },
}

/// One message on its way.
pub(crate) struct Crossing {
    /// Sender, receiver, and the zone of whichever is a client.
    pub ends: (Peer, Peer, u16),
    /// The link, for those that are limited.
    pub pair: (u32, u32),
    /// Whose luck decides what faults do to it.
    pub luck: u32,
    /// `None` for client traffic.
    pub kind: Option<Kind>,
    pub bytes: u32,
    pub now: Instant,
}

/// Everything in force that tampers with messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    pub cuts: Vec<ActiveCut>,
    pub packets: Vec<ActivePacket>,
    /// The limited links of the policies themselves.
    pub busy: Busy,
}

impl Trouble {
    /// Whether anything is in force.
    #[inline]
    pub const fn is_none(&self) -> bool {
        self.cuts.is_empty() && self.packets.is_empty()
    }

    /// Whether a cut stops the message, now.
    #[inline]
    pub fn cut(&mut self, from: Peer, to: Peer, client_zone: u16) -> bool {
        let mut any = false;
        for cut in &mut self.cuts {
            if cut.cuts(from, to, client_zone) {
                // Each that would have stopped it counts: that another does so too makes it no less real.
                cut.touched += 1;
                any = true;
            }
        }
        any
    }

    /// Whether a cut is in force between the two. It counts for none.
    pub fn is_cut(&self, from: Peer, to: Peer, client_zone: u16) -> bool {
        self.cuts.iter().any(|cut| cut.cuts(from, to, client_zone))
    }

    /// What becomes of a message on a link that is not plain, or while something is in force. `rng` is the stream of
    /// the link's own policy; every fault has its own.
    pub fn pass<'a>(&mut self, crossing: &Crossing, policy: &LinkPolicy, rng: impl FnOnce() -> &'a mut Rng) -> Passage {
        let (from, to, client_zone) = crossing.ends;
        if self.cut(from, to, client_zone) {
            return Passage::Dropped(Drop::Cut);
        }
        let mut added = Duration::ZERO;
        let mut duplicate = None;
        if !policy.is_plain() {
            let own = PacketChange {
                duplicate: policy.duplicate,
                reorder: policy.reorder,
                reorder_by: policy.reorder_by,
                corrupt: policy.corrupt,
                rate: policy.bandwidth,
                queue_bytes: policy.queue_bytes,
                ..PacketChange::default()
            };
            match change(&own, &mut self.busy, crossing, Draws::Fresh(rng())) {
                Passage::Arrives { added: more, duplicate: twice } => (added, duplicate) = (added + more, twice),
                dropped @ Passage::Dropped(_) => return dropped,
            }
        }
        for packet in &mut self.packets {
            if !packet.concerns(from, to, crossing.kind) {
                continue;
            }
            match packet.change(crossing) {
                Passage::Arrives { added: more, duplicate: twice } => {
                    packet.touched += u64::from(more != Duration::ZERO || twice.is_some());
                    added = added + more;
                    duplicate = duplicate.or(twice);
                }
                dropped @ Passage::Dropped(_) => {
                    packet.touched += 1;
                    return dropped;
                }
            }
        }
        Passage::Arrives { added, duplicate }
    }
}

fn change(change: &PacketChange, busy: &mut Busy, crossing: &Crossing, mut draws: Draws<'_>) -> Passage {
    let mut lost = draws.chance(change.loss, Sort::Loss);
    let corrupt = draws.chance(change.corrupt, Sort::Corrupt);
    let duplicate = draws.chance(change.duplicate, Sort::Duplicate);
    let reordered = draws.chance(change.reorder, Sort::Reorder);
    let mut added = change.delay.as_ref().map_or(Duration::ZERO, |delay| delay.sample(draws.draw(Sort::Delay)));
    if let Some(burst) = &change.burst {
        lost |= draws.burst(burst);
    }
    if reordered {
        added = added + change.reorder_by;
    }
    if change.rate > 0 {
        match busy.admit(crossing.pair, crossing.now, crossing.bytes, change.rate, change.queue_bytes) {
            Some(wait) => added = added + wait,
            None => return Passage::Dropped(Drop::QueueFull),
        }
    }
    if lost {
        return Passage::Dropped(Drop::Loss);
    }
    if corrupt {
        return Passage::Dropped(Drop::Corrupt);
    }
    Passage::Arrives { added, duplicate: duplicate.then(|| draws.rng().next_u32()) }
}
