//! Three consensus-like nodes inside one node type: wrapped messages, timers of their own, and a lane each on one disk.

use crate::support::{at, config, faults, ms, us};
use sim_core::fault::{Fault, OnCrash, Target};
use sim_core::{
    Client, Completion, Duration, Effects, Embed, Engine, EngineConfig, Fact, Instant, Kind, Message, Move, Node,
    NodeId, Observed, Observer, Replay, Rng, Routing, Ticket, Timer, Wrap, WriteId,
};

/// A log that its first node writes and the others copy: append, sync, then tell the next value; remembers it all.
#[derive(Clone, Debug)]
struct Chain {
    values: Vec<u64>,
    durable: WriteId,
    last: WriteId,
    ticks: u64,
    failed: u64,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Copy_(u64);
impl Message for Copy_ {
    fn kind(&self) -> Kind {
        Kind::new(0, "copy")
    }
    fn bytes(&self) -> u32 {
        8
    }
}

#[derive(Clone, Copy, Debug, Hash)]
struct Durable(u64);
impl Fact for Durable {
    fn kind(&self) -> Kind {
        Kind::new(0, "durable")
    }
}

const TICK: Timer = Timer(0);
const NEVER: Timer = Timer(1);
const NODES: u32 = 3;

impl Chain {
    fn take(&mut self, value: u64, fx: &mut Effects<'_, Self>) {
        if !self.values.contains(&value) {
            self.values.push(value);
            self.last = fx.append(value);
            fx.sync();
        }
    }
}

impl Node for Chain {
    type Config = u64;
    type Message = Copy_;
    type Request = u64;
    type Response = u64;
    type Record = u64;
    type Fact = Durable;
    fn boot(period: &u64, _: NodeId, disk: Replay<'_, u64>, fx: &mut Effects<'_, Self>) -> Self {
        fx.arm(TICK, us(*period));
        fx.arm(NEVER, ms(1));
        fx.disarm(NEVER);
        let last = disk.iter().next_back().map_or(WriteId(0), |(id, _)| id);
        Self {
            values: disk.iter().filter_map(|(_, v)| v.ok().copied()).collect(),
            durable: last,
            last,
            ticks: 0,
            failed: 0,
        }
    }
    fn on_message(&mut self, _: NodeId, message: Copy_, fx: &mut Effects<'_, Self>) {
        self.take(message.0, fx);
    }
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        assert_eq!(timer, TICK);
        self.ticks += 1;
        if let Some(value) = self.values.last()
            && self.durable >= self.last
        {
            let me = fx.me();
            (0..NODES).map(NodeId).filter(|to| *to != me).for_each(|to| fx.send(to, Copy_(*value)));
        }
        fx.arm(TICK, us(900));
    }
    fn on_request(&mut self, ticket: Ticket, request: u64, fx: &mut Effects<'_, Self>) {
        self.take(request, fx);
        fx.reply(ticket, request);
    }
    fn on_disk(&mut self, done: Completion<u64>, fx: &mut Effects<'_, Self>) {
        match done {
            Completion::Synced { upto } => {
                self.durable = self.durable.max(upto);
                if self.durable >= self.last {
                    fx.note(Durable(self.values.len() as u64));
                }
            }
            Completion::SyncFailed { .. } => self.failed += 1,
            Completion::Read { .. } => {}
        }
    }
    fn request_bytes(_: &u64) -> u32 {
        8
    }
    fn response_bytes(_: &u64) -> u32 {
        8
    }
}

const SHARDS: u16 = 3;
/// Slots an inner node owns.
const SLOTS: u16 = 2;

#[derive(Clone, Debug)]
struct Sharded {
    shards: Vec<Embed<Chain>>,
    booted_with: Vec<Vec<u64>>,
    own: u64,
}

#[derive(Clone, Copy, Debug)]
struct Shard(u16);

#[derive(Clone, Copy, Debug, Hash)]
struct Enveloped(u16, Copy_);
impl Message for Enveloped {
    fn kind(&self) -> Kind {
        self.1.kind()
    }
    fn bytes(&self) -> u32 {
        2 + self.1.bytes()
    }
}

#[derive(Clone, Debug, Hash)]
enum Kept {
    Own,
    Of(u16, u64),
}
impl sim_core::Record for Kept {}

#[derive(Clone, Copy, Debug, Hash)]
struct ShardFact(u16, Durable);
impl Fact for ShardFact {
    fn kind(&self) -> Kind {
        self.1.kind()
    }
}

impl Wrap<Chain, Sharded> for Shard {
    fn message(&self, inner: Copy_) -> Enveloped {
        Enveloped(self.0, inner)
    }
    fn record(&self, inner: u64) -> Kept {
        Kept::Of(self.0, inner)
    }
    fn unwrap_record(&self, outer: &Kept) -> Option<u64> {
        match outer {
            Kept::Of(shard, value) if *shard == self.0 => Some(*value),
            _ => None,
        }
    }
    fn fact(&self, inner: Durable) -> Option<ShardFact> {
        Some(ShardFact(self.0, inner))
    }
    fn reply(&self, _: Ticket, inner: u64) -> Option<u64> {
        Some(inner)
    }
}

impl Node for Sharded {
    type Config = ();
    type Message = Enveloped;
    type Request = u64;
    type Response = u64;
    type Record = Kept;
    type Fact = ShardFact;
    fn boot((): &(), _: NodeId, disk: Replay<'_, Kept>, fx: &mut Effects<'_, Self>) -> Self {
        // One record of its own, in lane 0.
        let own = disk.iter().count() as u64;
        fx.append(Kept::Own);
        fx.sync();
        let shards: Vec<_> = (0..SHARDS)
            .map(|s| Embed::boot(&(300 + 200 * u64::from(s)), (s * SLOTS, s + 1), disk, &Shard(s), fx))
            .collect();
        Self { booted_with: shards.iter().map(|s| s.node().values.clone()).collect(), shards, own }
    }
    fn on_message(&mut self, from: NodeId, Enveloped(shard, message): Enveloped, fx: &mut Effects<'_, Self>) {
        self.shards[shard as usize].on_message(from, message, &Shard(shard), fx);
    }
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        let owners = self.shards.iter_mut().zip(0..).filter_map(|(s, i)| Some((s.timer(timer, SLOTS)?, s, i)));
        let mut owners: Vec<_> = owners.collect();
        assert_eq!(owners.len(), 1, "{timer:?} belongs to one shard");
        let (inner, shard, i) = owners.remove(0);
        shard.step(&Shard(i), fx, |node, fx| node.on_timer(inner, fx));
    }
    fn on_request(&mut self, ticket: Ticket, request: u64, fx: &mut Effects<'_, Self>) {
        let shard = (request % u64::from(SHARDS)) as u16;
        self.shards[shard as usize].step(&Shard(shard), fx, |node, fx| node.on_request(ticket, request, fx));
    }
    fn on_disk(&mut self, done: Completion<Kept>, fx: &mut Effects<'_, Self>) {
        for (shard, i) in self.shards.iter_mut().zip(0..) {
            shard.on_disk(&done, &Shard(i), fx);
        }
    }
    fn request_bytes(_: &u64) -> u32 {
        8
    }
    fn response_bytes(_: &u64) -> u32 {
        8
    }
}

/// Writes 0, 1, 2 ... every 2 ms.
#[derive(Clone, Debug)]
struct Writer(u64);
impl Client<Sharded> for Writer {
    fn next(&mut self, now: Instant, _: &mut Rng) -> Move<u64> {
        let due = Instant::ZERO + ms(2).times(self.0 + 1);
        if due > now {
            return Move::Sleep(due);
        }
        self.0 += 1;
        Move::Issue(self.0 - 1)
    }
}

/// How many durable values each shard has announced.
#[derive(Clone, Debug, Default)]
struct Facts([u64; SHARDS as usize], u64);
impl Observer<Sharded> for Facts {
    fn observe(&mut self, _: Instant, what: &Observed<'_, Sharded>) {
        match what {
            Observed::Noted { fact: ShardFact(shard, Durable(n)), .. } => {
                self.0[*shard as usize] = self.0[*shard as usize].max(*n);
            }
            Observed::Returned { outcome, .. } => self.1 += u64::from(matches!(outcome, sim_core::Outcome::Ok(_))),
            _ => {}
        }
    }
}

fn cluster(config: EngineConfig) -> Engine<Sharded, Writer, Facts> {
    let mut run = Engine::new(EngineConfig { timers: SHARDS * SLOTS, ..config }, (), Facts::default());
    run.add_client(crate::support::seat(Routing::Fixed(NodeId(0))), Writer(0));
    run
}

#[test]
fn shards_share_a_machine_without_hearing_each_other() {
    let mut run = cluster(config(NODES as usize));
    run.run_until(at(301)).expect("nothing is checked");
    for node in run.nodes().iter().flatten() {
        for (s, shard) in node.shards.iter().enumerate() {
            let values = &shard.node().values;
            assert!(values.iter().all(|v| v % u64::from(SHARDS) == s as u64), "shard {s} has {values:?}");
            assert!(values.len() >= 48 && shard.node().ticks > 300, "shard {s}: {} values", values.len());
        }
    }
    let Facts(durable, ok) = run.observer();
    assert!(durable.iter().all(|n| *n >= 48) && *ok >= 148, "{durable:?} {ok}");
}

#[test]
fn a_restart_gives_each_shard_its_own_lane_back() {
    for (on_crash, seed) in [(OnCrash::LoseUnsynced, 1), (OnCrash::Keep, 1), (OnCrash::Torn, 2), (OnCrash::Wipe, 1)] {
        let mut config = EngineConfig { seed, ..config(NODES as usize) };
        config.schedule = faults(vec![(Fault::Crash { on_crash }, Target::Node(NodeId(1)), at(100), at(120))]);
        let mut run = cluster(config);
        run.run_until(Instant(at(100).0 - 1)).expect("nothing is checked");
        let before = run.nodes()[1].clone().expect("it is up");
        run.run_until(at(120)).expect("nothing is checked");
        let after = run.nodes()[1].clone().expect("it is up again");
        assert_eq!(after.own, u64::from(on_crash != OnCrash::Wipe), "its own lane");
        for (s, (was, found)) in before.shards.iter().zip(&after.booted_with).enumerate() {
            let was = &was.node().values;
            assert!(was.len() > 10);
            assert!(was.starts_with(found), "shard {s} found {found:?} of {was:?}");
            match on_crash {
                OnCrash::Wipe => assert!(found.is_empty()),
                OnCrash::Keep => assert_eq!(found, was),
                // The newest may not have been synced when the power went.
                OnCrash::LoseUnsynced | OnCrash::Torn => assert!(found.len() + 1 >= was.len()),
            }
        }
        run.run_until(at(300)).expect("nothing is checked");
        let last = run.nodes()[1].as_ref().expect("it is up");
        assert!(last.shards.iter().all(|s| s.node().ticks > 150), "every shard's timers run again");
        assert!(last.shards.iter().all(|s| s.node().values.len() > 25), "and it hears of new values");
        assert_ne!(Duration::ZERO, ms(1));
    }
}
