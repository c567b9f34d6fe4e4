//! `foca` 2.0: SWIM membership over datagrams. A node's life (how often it was born, or had to rise again) is what its
//! disk keeps; clients ask nodes how many members they know.
//!
//! The library is given a generator of its own, seeded from the node's luck at every start.

use foca::{AccumulatingRuntime, Config as Library, Foca, Identity, NoCustomBroadcast, OwnedNotification};
use foca::{PeriodicParams, PostcardCodec};
use serde::{Deserialize, Serialize};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::units::DurationText;
use sim_core::workload::{Generated, Load, Verb};
use sim_core::{
    Duration, Effect, Effects, Finished, Kind, LocalInstant, Message, Node, NodeId, NodeSet, Replay, Role, Rule,
    System, Ticket, Timer, Unreadable, Verdict, WriteId,
};
use std::collections::BTreeMap;
use std::num::{NonZeroU8, NonZeroUsize};

use crate::swim_rules::RULES;
pub use crate::swim_rules::{SwimFact, SwimRules};

/// When the library's next event is due, and when those that are missing are asked again.
const NEXT: Timer = Timer(0);
const JOIN: Timer = Timer(1);

sim_core::options! {
    /// What may be written in `[system]`.
    pub struct Options;

    /// What all nodes share.
    #[derive(Clone, Debug)]
    pub struct Config of shape {
        /// How many nodes there are.
        pub nodes: u32 = shape.nodes() as u32, wrong if nodes < 2 => ("{nodes} members"), "two or more";
    }

    options {
        /// How often a member is probed.
        probe_period: DurationText = DurationText::millis(1000);
        /// How long its answer may take before others are asked to probe it.
        probe_rtt: DurationText = DurationText::millis(500),
            wrong if probe_rtt.0 >= probe_period.0 => ("no shorter than probe_period"), "half of it is usual";
        /// How many others are asked.
        indirect_probes: u8 = 3, wrong if *indirect_probes == 0 => ("nobody"), "3 is usual";
        /// How long a suspected member has to say that it lives.
        suspect_to_down_after: DurationText = DurationText::millis(4000);
        /// How often each update is passed on.
        max_transmissions: u8 = 6, wrong if *max_transmissions == 0 => ("never"), "6 is usual";
        /// How often members are told news beside probes.
        gossip_interval: DurationText = DurationText::millis(200);
        /// How often somebody is asked for all members, and how often those who are down or missing are.
        announce_interval: DurationText = DurationText::millis(30_000);
        /// Whether who is down is told so when it speaks.
        notify_down_members: bool = true;
    }
}

/// A member: its place, and which of its lives this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    node: u32,
    life: u32,
}

impl Identity for Member {
    type Addr = u32;
    fn renew(&self) -> Option<Self> {
        Some(Self { life: self.life + 1, ..*self })
    }
    fn addr(&self) -> u32 {
        self.node
    }
    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.life > other.life
    }
}

/// What the library draws from.
struct Luck(sim_core::Rng);

impl rand::TryRng for Luck {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.next_u32())
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next_u64())
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill_with(|| self.0.next_u32() as u8);
        Ok(())
    }
}

/// A datagram.
#[derive(Clone, Debug, Hash)]
pub struct Datagram(Vec<u8>);

/// By the library's words.
#[rustfmt::skip]
const KINDS: &[&str] = &[
    "Ping", "Ack", "PingReq", "IndirectPing", "IndirectAck", "ForwardedAck", "Announce", "Feed", "Gossip", "Broadcast",
    "TurnUndead", "Other",
];

impl Datagram {
    fn header(&self) -> Option<foca::Header<Member>> {
        foca::Codec::decode_header(&mut PostcardCodec, &self.0[..]).ok()
    }
}

impl Message for Datagram {
    const KINDS: &'static [&'static str] = KINDS;
    fn kind(&self) -> Kind {
        let text = self.header().map(|header| format!("{:?}", header.message)).unwrap_or_default();
        let word = text.split(|c: char| !c.is_alphanumeric()).next();
        let number = KINDS.iter().position(|kind| Some(*kind) == word).unwrap_or(KINDS.len() - 1);
        Kind::new(number as u8, KINDS[number])
    }
    fn bytes(&self) -> u32 {
        28 + self.0.len() as u32
    }
    fn describe(&self, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
        match self.header() {
            Some(h) => write!(
                out,
                "{}.{} (incarnation {}) to {}.{}",
                h.src.node, h.src.life, h.src_incarnation, h.dst.node, h.dst.life
            ),
            None => write!(out, "{} bytes", self.0.len()),
        }
    }
}

type Event = foca::Timer<Member>;
type Fx<'e> = Effects<'e, Swim>;

/// A participant.
pub struct Swim {
    config: Config,
    lib: Foca<Member, PostcardCodec, Luck, NoCustomBroadcast>,
    runtime: AccumulatingRuntime<Member>,
    /// The library's events, by when they are due.
    events: BTreeMap<(LocalInstant, u64), Event>,
    numbered: u64,
    /// The record that keeps its life.
    life: WriteId,
}

impl Swim {
    /// Carries out what the library has asked for. Nothing is said in a life that the disk may forget.
    fn settle(&mut self, fx: &mut Fx<'_>) {
        while let Some(told) = self.runtime.to_notify() {
            let fact = match told {
                OwnedNotification::MemberUp(member) => SwimFact::Up { member: NodeId(member.node) },
                OwnedNotification::MemberDown(member) => SwimFact::Down { member: NodeId(member.node) },
                OwnedNotification::Rejoin(member) => {
                    self.life = fx.append(member.life);
                    fx.sync();
                    SwimFact::Rejoined { life: member.life }
                }
                OwnedNotification::Defunct => SwimFact::Defunct,
                _ => continue,
            };
            fx.note(fact);
        }
        while let Some((to, data)) = self.runtime.to_send() {
            let (to, message) = (NodeId(to.node), Datagram(data.to_vec()));
            fx.after(self.life, Effect::Send { to, message });
        }
        while let Some((after, event)) = self.runtime.to_schedule() {
            self.numbered += 1;
            self.events.insert((fx.now() + Duration(after.as_nanos() as u64), self.numbered), event);
        }
        if let Some(((due, _), _)) = self.events.first_key_value() {
            fx.arm(NEXT, Duration(due.0.saturating_sub(fx.now().0)));
        }
    }

    /// The members that it takes to be alive, itself included.
    pub fn members(&self) -> impl Iterator<Item = NodeId> {
        let me = self.lib.identity().node;
        self.lib.iter_members().map(|member| NodeId(member.id().node)).chain([NodeId(me)])
    }
}

impl Node for Swim {
    type Config = Config;
    type Message = Datagram;
    type Request = Verb;
    type Response = u64;
    type Record = u32;
    type Fact = SwimFact;

    fn boot(config: &Config, me: NodeId, disk: Replay<'_, u32>, fx: &mut Fx<'_>) -> Self {
        // A life that can not be read was no later than the number of writes.
        let life = disk.iter().map(|(id, life)| life.map_or_else(|Unreadable| id.0 as u32, |life| *life)).max();
        let life = life.map_or(0, |life| life + 1);
        let time = |time: Duration| std::time::Duration::from_nanos(time.0);
        let count = |n: u8| NonZeroUsize::new(usize::from(n)).unwrap_or(NonZeroUsize::MIN);
        let periodic = |every: Duration, n: u8| Some(PeriodicParams { frequency: time(every), num_members: count(n) });
        let library = Library {
            probe_period: time(config.probe_period),
            probe_rtt: time(config.probe_rtt),
            num_indirect_probes: count(config.indirect_probes),
            max_transmissions: NonZeroU8::new(config.max_transmissions).unwrap_or(NonZeroU8::MIN),
            suspect_to_down_after: time(config.suspect_to_down_after),
            notify_down_members: config.notify_down_members,
            periodic_announce: periodic(config.announce_interval, 1),
            periodic_announce_to_down_members: periodic(config.announce_interval, 2),
            periodic_gossip: periodic(config.gossip_interval, 3),
            ..Library::simple()
        };
        let luck = Luck(fx.rng().clone());
        // Its copy of the node's luck and the node's own must not give the same numbers again.
        for _ in 0..4 {
            fx.rng().next_u64();
        }
        let lib = Foca::new(Member { node: me.0, life }, library, luck, PostcardCodec);
        let (runtime, events) = (AccumulatingRuntime::new(), BTreeMap::new());
        let mut node = Self { config: config.clone(), lib, runtime, events, numbered: 0, life: fx.append(life) };
        fx.sync();
        node.on_timer(JOIN, fx);
        node
    }

    fn on_message(&mut self, _: NodeId, Datagram(data): Datagram, fx: &mut Fx<'_>) {
        // An error says that the datagram is of no use.
        let _ = self.lib.handle_data(&data, &mut self.runtime);
        self.settle(fx);
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        if timer == JOIN {
            // The others' addresses are known, their lives are not: whoever lives there answers.
            let known: NodeSet = self.members().collect();
            for node in (0..self.config.nodes).filter(|other| !known.has(NodeId(*other))) {
                let _ = self.lib.announce(Member { node, life: 0 }, &mut self.runtime);
            }
            fx.arm(JOIN, self.config.announce_interval);
        }
        while let Some(first) = self.events.first_entry().filter(|first| first.key().0 <= fx.now()) {
            let _ = self.lib.handle_timer(first.remove(), &mut self.runtime);
        }
        self.settle(fx);
    }

    fn on_request(&mut self, ticket: Ticket, _: Verb, fx: &mut Fx<'_>) {
        fx.reply(ticket, self.lib.num_members() as u64 + 1);
    }

    fn is_read(_: &Verb) -> bool {
        true
    }
    fn role(&self) -> Role {
        Role::new("member", u64::from(self.lib.identity().life))
    }
    fn progress(&self) -> u64 {
        self.config.nodes.into()
    }
}

const FIRST: MetricKind =
    MetricKind::new("detected_first", "first to notice", Unit::Time, "from a crash until a member says so, at most");
const LAST: MetricKind = MetricKind::new(
    "detected_last",
    "last to notice",
    Unit::Time,
    "from a crash until all that run have said so, at most",
);
const FALSE: MetricKind =
    MetricKind::new("false_alarms", "false alarms", Unit::Number, "members said to be down that ran");

/// What registers it.
pub struct FocaSystem;

impl System for FocaSystem {
    const NAME: &'static str = "foca";
    const ABOUT: &'static str = "membership by foca 2.0 (SWIM), unchanged, from crates.io";
    const TIMERS: u16 = 2;
    const RULES: &'static [&'static [Rule]] = &[RULES];
    const METRICS: &'static [MetricKind] = &[FIRST, LAST, FALSE];
    type Node = Swim;
    type Client = Generated<Swim>;
    type Checks = SwimRules;
    type Options = Options;

    fn client(_: &Config, load: Load) -> Generated<Swim> {
        Generated::new(load, |op| op.verb)
    }
    fn checks(config: &Config) -> SwimRules {
        SwimRules::new(config.probe_period.times(2) + config.suspect_to_down_after)
    }
    fn measure(run: &Finished<'_, Self>) -> Measures {
        let (first, last, alarms) = run.checks.figures();
        let times = [FIRST.with(first), LAST.with(last)].into_iter().filter(|metric| metric.value > 0.0);
        Measures { metrics: times.chain([FALSE.with(alarms)]).collect(), ..Measures::default() }
    }
    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        run.checks.verdicts(run.nodes)
    }
}
