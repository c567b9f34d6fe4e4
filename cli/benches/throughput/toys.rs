//! The three engine workloads as nodes of the real engine: ping-pong, gossip, timers. Loss, cuts, counters, digest on.

use sim_core::fault::Schedule;
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::{
    Client, Duration, Effects, Engine, EngineConfig, Fact, Instant, Kind, Message, Move, Node, NodeId, NodeSetup,
    Probability, Replay, Rng, Timer,
};

/// 64 bytes of message.
#[derive(Clone, Debug, Hash)]
pub struct Packet(pub [u64; 8]);

impl Message for Packet {
    fn kind(&self) -> Kind {
        const { Kind::new(0, "packet") }
    }
    fn bytes(&self) -> u32 {
        64
    }
}

#[derive(Clone, Copy, Debug, Hash)]
pub struct NoFact;
impl Fact for NoFact {
    fn kind(&self) -> Kind {
        const { Kind::new(0, "none") }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Toy {
    PingPong,
    Gossip { nodes: u32 },
    Timers,
}

const TICK: Timer = Timer(0);

impl Node for Toy {
    type Config = Self;
    type Message = Packet;
    type Request = ();
    type Response = ();
    type Record = ();
    type Fact = NoFact;

    fn boot(config: &Self, me: NodeId, _: Replay<'_, ()>, fx: &mut Effects<'_, Self>) -> Self {
        match config {
            Self::PingPong if me.0 == 0 => fx.send(NodeId(1), Packet([0; 8])),
            Self::PingPong => {}
            Self::Gossip { .. } => {
                let after = Duration(fx.rng().below(10_000_000));
                fx.arm(TICK, after);
            }
            Self::Timers => {
                let after = Duration(fx.rng().below(100_000_000));
                fx.arm(TICK, after);
            }
        }
        *config
    }

    fn on_message(&mut self, from: NodeId, mut message: Packet, fx: &mut Effects<'_, Self>) {
        message.0[0] += 1;
        if matches!(self, Self::PingPong) {
            fx.send(from, message);
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        match *self {
            Self::Gossip { nodes } => {
                for _ in 0..10 {
                    let me = fx.me().0;
                    let to = (me + 1 + fx.rng().below(u64::from(nodes) - 1) as u32) % nodes;
                    fx.send(NodeId(to), Packet([u64::from(to); 8]));
                }
                fx.arm(timer, Duration::millis(10));
            }
            Self::Timers => {
                let jitter = fx.rng().below(10_000_000);
                fx.arm(timer, Duration(95_000_000 + jitter));
            }
            Self::PingPong => {}
        }
    }

    fn request_bytes(_: &()) -> u32 {
        0
    }
    fn response_bytes(_: &()) -> u32 {
        0
    }
}

#[derive(Clone, Debug)]
pub struct Nobody;
impl Client<Toy> for Nobody {
    fn next(&mut self, _: Instant, _: &mut Rng) -> Move<()> {
        Move::Stop
    }
}

fn run(toy: Toy, nodes: usize, latency: Latency, loss: Probability, events: u64) -> u64 {
    let config = EngineConfig {
        seed: 1,
        nodes: vec![NodeSetup::default(); nodes],
        node_zones: vec![0; nodes],
        network: NetworkConfig::uniform(nodes, 1, LinkPolicy { latency, loss, ..LinkPolicy::default() }),
        timers: 1,
        schedule: Schedule::default(),
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let mut engine: Engine<Toy, Nobody, ()> = Engine::new(config, toy, ());
    while engine.events() < events {
        let until = engine.now() + Duration::secs(1);
        engine.run_until(until).expect("nothing is checked");
    }
    std::hint::black_box(engine.digest());
    engine.events()
}

/// W1: two nodes, one 64-byte message at a time, 1 ms.
pub fn ping_pong(events: u64) -> u64 {
    run(Toy::PingPong, 2, Latency::Fixed(Duration::millis(1)), Probability::NEVER, events)
}

/// W2: each node sends 64 bytes to 10 random others every 10 ms, latency uniform 1-10 ms, 1 % loss.
pub fn gossip(nodes: usize, events: u64) -> u64 {
    let latency = Latency::uniform(Duration::millis(1), Duration::millis(10));
    run(Toy::Gossip { nodes: nodes as u32 }, nodes, latency, Probability::per_billion(10_000_000), events)
}

/// W3: one timer a node, 100 ms with 10 ms jitter.
pub fn timers(nodes: usize, events: u64) -> u64 {
    run(Toy::Timers, nodes, Latency::ZERO, Probability::NEVER, events)
}
