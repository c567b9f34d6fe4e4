//! Random schedules over the hand-driven cluster: loss, duplication, reordering, cuts, crashes, power losses, retries.

use super::{Cluster, Flight, Paxos, Raft, Subject, TIMERS};
use sim_core::fault::OnCrash;
use sim_core::hand::Told;
use sim_core::record::OpRecord;
use sim_core::{
    Budget, ClientId, Duration, History, Instant, LocalInstant, NodeId, Order, Outcome, Purpose, Rng, Said, Ticket,
    Timer, Verdict, Violation,
};
use systems::consensus::paxos::{self, PaxosBug};
use systems::consensus::raft::{Config, RaftBug};
use systems::shared::kv::{self, KvCommand, KvResponse, Value};

/// What a schedule is made of: how often each kind of trouble strikes, in steps of about a millisecond; 0 is never.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub steps: u64,
    pub crash_every: u64,
    pub power_loss_every: u64,
    /// One node loses its disk, or can not read some of it, and starts anew.
    pub wipe_every: u64,
    pub cut_every: u64,
    /// An operator asks for other members, or for another leader.
    pub order_every: u64,
    /// Of 100 messages.
    pub lose: u64,
    /// Of 100 messages.
    pub duplicate: u64,
    /// Of 100 deliveries, how many take a random message instead of the oldest.
    pub reorder: u64,
    /// Of 100 messages, how many are put aside for a long time.
    pub delay: u64,
}

impl Weather {
    pub const STORM: Self = Self {
        steps: 6_000,
        crash_every: 400,
        power_loss_every: 2_500,
        wipe_every: 0,
        cut_every: 300,
        order_every: 0,
        lose: 2,
        duplicate: 5,
        reorder: 30,
        delay: 2,
    };

    /// Hardly a leader lasts: crashes, cuts, late and repeated messages.
    pub const TURMOIL: Self = Self {
        steps: 8_000,
        crash_every: 80,
        power_loss_every: 1_500,
        wipe_every: 0,
        cut_every: 60,
        order_every: 0,
        lose: 5,
        duplicate: 20,
        reorder: 40,
        delay: 10,
    };
}

#[derive(Debug)]
struct Op {
    command: KvCommand,
    invoked: Instant,
    attempt: u32,
    asked: Instant,
    open: bool,
}

const CLIENTS: usize = 3;
const OUTSTANDING: usize = 3;
const KEYS: u64 = 3;

struct Run<N: Subject> {
    cluster: Cluster<N>,
    rng: Rng,
    now: u64,
    weather: Weather,
    ops: Vec<Vec<Op>>,
    history: History<N>,
    /// The side of a cut each node is on.
    sides: Vec<u64>,
    /// Directions between the sides that are cut.
    one_way: bool,
    late: Vec<Flight<N>>,
}

/// Small numbers, so that snapshots, batches and windows all come into play.
fn config(nodes: u32) -> Config {
    Config {
        snapshot_every: 15,
        snapshot_keep: 3,
        snapshot_chunk: 60,
        max_batch: 200,
        max_inflight: 4,
        ..Config::new(nodes)
    }
}

/// The cluster and the weather of one seed: sizes, options and kinds of trouble take turns.
pub fn storm_of(seed: u64, bug: RaftBug) -> Result<Calm, Violation> {
    let (config, weather) = weather_of(seed, bug);
    storm::<Raft>(config, weather, seed)
}

/// The same with spares, and an operator who can not make up his mind.
pub fn members_storm_of(seed: u64, bug: RaftBug) -> Result<Calm, Violation> {
    let pick = |n: u64, salt: u64| sim_core::hash::of(&[seed, salt]) % n;
    let (mut config, weather) = weather_of(seed, bug);
    config.nodes += [2, 1, 3][pick(3, 11) as usize];
    config.joint = pick(2, 12) == 0;
    config.catch_up_rounds = [1, 3][pick(2, 13) as usize];
    storm::<Raft>(config, Weather { order_every: 150, ..weather }, seed)
}

fn weather_of(seed: u64, bug: RaftBug) -> (Config, Weather) {
    let pick = |n: u64, salt: u64| sim_core::hash::of(&[seed, salt]) % n;
    let base = config([3, 5, 4][pick(3, 3) as usize]);
    let leases = pick(3, 11) == 0;
    let config = Config {
        pre_vote: pick(2, 1) == 0,
        check_quorum: leases || pick(2, 2) == 0,
        leases,
        follower_reads: pick(3, 12) == 0,
        // Hardly any randomness makes many candidates in one term.
        election_max: Duration::millis([300, 155][pick(2, 5) as usize]),
        // One entry a message, or several.
        max_batch: [40, 200][pick(2, 6) as usize],
        bug,
        ..base
    };
    (config, if pick(2, 4) == 0 { Weather::STORM } else { Weather::TURMOIL })
}

/// The same for Paxos.
pub fn paxos_storm_of(seed: u64, bug: PaxosBug) -> Result<Calm, Violation> {
    let (config, weather) = paxos_weather_of(seed, bug);
    storm::<Paxos>(config, weather, seed)
}

fn paxos_weather_of(seed: u64, bug: PaxosBug) -> (paxos::Config, Weather) {
    let pick = |n: u64, salt: u64| sim_core::hash::of(&[seed, salt]) % n;
    let nodes = [3, 5, 4][pick(3, 3) as usize];
    let q2 = if pick(3, 7) == 0 { 2 } else { nodes / 2 + 1 };
    let leases = pick(3, 8) == 0;
    let config = paxos::Config {
        q1: nodes + 1 - q2,
        q2,
        check_quorum: leases || pick(2, 2) == 0,
        leases,
        back_off: pick(2, 9) == 0,
        election_max: Duration::millis([300, 155][pick(2, 5) as usize]),
        snapshot_every: 15,
        snapshot_keep: 3,
        snapshot_chunk: 60,
        max_batch: [40, 200][pick(2, 6) as usize],
        bug,
        ..paxos::Config::new(nodes)
    };
    let weather = if pick(2, 4) == 0 { Weather::STORM } else { Weather::TURMOIL };
    let wipe_every = if pick(2, 10) == 0 { 700 } else { 0 };
    (config, Weather { wipe_every, ..weather })
}

/// The same for Paxos with spares, an operator who can not make up his mind, and few slots open at a time.
pub fn paxos_members_storm_of(seed: u64, bug: PaxosBug) -> Result<Calm, Violation> {
    let pick = |n: u64, salt: u64| sim_core::hash::of(&[seed, salt]) % n;
    let (mut config, weather) = paxos_weather_of(seed, bug);
    config.spares = [2, 1, 3][pick(3, 11) as usize];
    config.alpha = [3, 10, 40][pick(3, 12) as usize];
    storm::<Paxos>(config, Weather { order_every: 150, ..weather }, seed)
}

/// Runs one schedule. Returns the first rule that was broken.
pub fn storm<N: Subject>(config: N::Config, weather: Weather, seed: u64) -> Result<Calm, Violation> {
    let mut run = Run::<N> {
        cluster: Cluster::new(config, seed),
        rng: Rng::stream(seed, Purpose::Client, 99),
        now: 0,
        weather,
        ops: (0..CLIENTS).map(|_| Vec::new()).collect(),
        history: History { kept: true, ..History::default() },
        sides: vec![0; N::nodes(&config) as usize],
        one_way: false,
        late: Vec::new(),
    };
    for _ in 0..weather.steps {
        run.step();
        if let Some(violation) = run.cluster.violation.take() {
            return Err(violation);
        }
    }
    run.finish()
}

/// What a run that broke no rule looks like.
#[derive(Debug)]
pub struct Calm {
    pub verdicts: Vec<Verdict>,
    pub answered: usize,
}

impl<N: Subject> Run<N> {
    fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.rng.below(n) == 0
    }

    fn percent(&mut self, n: u64) -> bool {
        self.rng.below(100) < n
    }

    fn any_node(&mut self) -> NodeId {
        NodeId(self.rng.below(u64::from(N::nodes(&self.cluster.config))) as u32)
    }

    fn step(&mut self) {
        self.pass_time();
        if self.one_in(self.weather.crash_every) {
            let id = self.any_node();
            self.crash(id);
        }
        if self.one_in(self.weather.power_loss_every) {
            for id in self.cluster.ids() {
                self.crash(id);
            }
        }
        if self.one_in(self.weather.wipe_every) {
            self.wipe();
        }
        for id in self.cluster.ids() {
            if !self.cluster.is_up(id) && self.one_in(60) {
                self.cluster.restart(id);
            }
        }
        if self.one_in(self.weather.order_every) {
            self.order();
        }
        if self.one_in(self.weather.cut_every) {
            self.one_way = self.one_in(3);
            for side in &mut self.sides {
                *side = self.rng.below(2);
            }
        } else if self.one_in(150) {
            self.sides.fill(0);
        }
        self.deliver();
        if self.one_in(3) {
            let id = self.any_node();
            self.cluster.sync_once(id, true);
        }
        if self.one_in(4) {
            self.ask();
        }
        self.listen();
    }

    fn pass_time(&mut self) {
        self.now += self.rng.below(2_000_000);
        for id in self.cluster.ids() {
            self.cluster.hands[id.index()].now = LocalInstant(self.now);
            for slot in 0..TIMERS {
                if self.cluster.hands[id.index()].due(Timer(slot)).is_some_and(|due| due.0 <= self.now) {
                    self.cluster.fire(id, Timer(slot));
                }
            }
        }
    }

    fn crash(&mut self, id: NodeId) {
        match self.rng.below(3) {
            0 => self.cluster.crash(id, OnCrash::LoseUnsynced),
            1 => self.cluster.crash(id, OnCrash::Keep),
            _ => self.cluster.tear(id, self.rng.below(4) as usize),
        };
    }

    /// Only while all others know what they have promised, and will know it after a crash: no protocol survives the
    /// loss of a majority's memory.
    fn wipe(&mut self) {
        let id = self.any_node();
        let knows = |node: &N| sim_core::Node::role(node).name != "rejoining";
        let mut others = self.cluster.ids().filter(|other| *other != id);
        if others.all(|other| {
            let hand = &self.cluster.hands[other.index()];
            hand.running().is_some_and(knows) && !hand.has_disk_work()
        }) {
            self.cluster.crash(id, OnCrash::LoseUnsynced);
            let rots = self.one_in(2);
            let records = self.cluster.hands[id.index()].records().count() as u64;
            if rots && records > 0 {
                let at = self.rng.below(records) as usize;
                self.cluster.hands[id.index()].rot(at);
            } else {
                self.cluster.wipe(id);
            }
        }
    }

    /// Whoever thinks that it leads is asked for other members, however few, or for another leader.
    fn order(&mut self) {
        let machines = u64::from(N::nodes(&self.cluster.config));
        let order = if self.one_in(4) {
            Order::Lead(self.any_node())
        } else {
            let mut all: Vec<NodeId> = self.cluster.ids().collect();
            self.rng.shuffle(&mut all);
            // Of one or two no disk may be lost.
            let least = if self.weather.wipe_every > 0 { 3 } else { 1 };
            let count = self.rng.between(least, machines.min(5)) as usize;
            Order::Members(all.into_iter().take(count).collect())
        };
        for id in self.leaders() {
            self.cluster.order(id, order);
        }
    }

    fn leaders(&self) -> Vec<NodeId> {
        let leads = |id: &NodeId| sim_core::Node::role(self.cluster.node(*id)).name == "leader";
        self.cluster.ids().filter(|id| self.cluster.is_up(*id)).filter(leads).collect()
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        let (a, b) = (self.sides[from.index()], self.sides[to.index()]);
        if self.one_way { a < b } else { a != b }
    }

    fn deliver(&mut self) {
        for _ in 0..3 {
            if self.cluster.wire.is_empty() {
                break;
            }
            let random = self.percent(self.weather.reorder);
            let at = if random { self.rng.below(self.cluster.wire.len() as u64) as usize } else { 0 };
            let flight = &self.cluster.wire[at];
            if self.is_cut(flight.from, flight.to) || self.percent(self.weather.lose) {
                self.cluster.wire.remove(at);
            } else if self.percent(self.weather.delay) {
                let flight = self.cluster.wire.remove(at);
                self.late.push(flight);
            } else {
                if self.percent(self.weather.duplicate) {
                    let twin = self.cluster.wire[at].clone();
                    self.cluster.wire.push(twin);
                }
                self.cluster.deliver(at);
            }
        }
        if !self.late.is_empty() && self.one_in(40) {
            let at = self.rng.below(self.late.len() as u64) as usize;
            let flight = self.late.swap_remove(at);
            self.cluster.wire.push(flight);
        }
        // A network that holds everything back is not more interesting.
        while self.cluster.wire.len() > 60 {
            self.cluster.wire.remove(0);
        }
    }

    fn ticket(&self, client: usize, op: usize) -> Ticket {
        let floor = self.ops[client].iter().position(|op| op.open).unwrap_or(op) as u64;
        Ticket { client: ClientId(client as u32), op: op as u64, floor, attempt: self.ops[client][op].attempt }
    }

    /// A client starts an operation, or tries one again.
    fn ask(&mut self) {
        let client = self.rng.below(CLIENTS as u64) as usize;
        let open: Vec<usize> =
            (0..self.ops[client].len()).rev().take(40).filter(|i| self.ops[client][*i].open).collect();
        let at = Instant(self.now);
        let op = if open.len() < OUTSTANDING && self.one_in(2) {
            let number = (client as u64) << 32 | self.ops[client].len() as u64;
            let (key, value) = (self.rng.below(KEYS), Value::number(number, 0));
            let command = match self.rng.below(6) {
                0..=2 => KvCommand::Get { key },
                3 => KvCommand::Put { key, value },
                4 => KvCommand::Append { key, value },
                5 if number.is_multiple_of(4) => KvCommand::Delete { key },
                _ => KvCommand::Cas { key, expect: None, value },
            };
            self.ops[client].push(Op { command, invoked: at, attempt: 0, asked: at, open: true });
            self.ops[client].len() - 1
        } else if let Some(op) = self.rng.pick(&open).copied() {
            let op_ = &mut self.ops[client][op];
            if at.since(op_.invoked).0 > 2_000_000_000 {
                op_.open = false;
                return self.end(client, op, Outcome::Unknown);
            }
            if at.since(op_.asked).0 < 60_000_000 {
                return;
            }
            (op_.attempt, op_.asked) = (op_.attempt + 1, at);
            op
        } else {
            return;
        };
        // Usually somebody who thinks that it leads; on both sides of a cut if need be.
        let leaders = self.leaders();
        let to = self.rng.pick(&leaders).copied().unwrap_or(NodeId(0));
        let (ticket, command) = (self.ticket(client, op), self.ops[client][op].command.clone());
        // Some requests, and some answers, are lost.
        if !self.percent(5) {
            self.cluster.request(to, ticket, command);
        }
    }

    fn end(&mut self, client: usize, op: usize, outcome: Outcome<KvResponse>) {
        let entry = &self.ops[client][op];
        self.history.ops.push(OpRecord {
            client: client as u32 + 1,
            op: op as u64,
            class: sim_core::Class::Write,
            probe: false,
            zone: 0,
            shard: 0,
            invoke_ns: entry.invoked.0,
            return_ns: self.now,
            outcome: outcome.fate(),
            node: None,
            attempts: 1,
        });
        self.history.said.push(Said { request: entry.command.clone(), outcome });
    }

    fn listen(&mut self) {
        for (ticket, _, told) in core::mem::take(&mut self.cluster.answers) {
            let (client, op) = (ticket.client.index(), ticket.op as usize);
            if let Told::Done(response) = told
                && self.ops[client][op].open
                && !self.percent(10)
            {
                self.ops[client][op].open = false;
                self.end(client, op, Outcome::Ok(response));
            }
        }
    }

    /// The storm is over: everything heals, and must come to rest.
    fn finish(mut self) -> Result<Calm, Violation> {
        self.weather = Weather {
            steps: 0,
            crash_every: 0,
            power_loss_every: 0,
            wipe_every: 0,
            cut_every: 0,
            order_every: 0,
            ..self.weather
        };
        (self.weather.lose, self.weather.duplicate, self.weather.reorder, self.weather.delay) = (0, 0, 0, 0);
        self.sides.fill(0);
        for id in self.cluster.ids() {
            if !self.cluster.is_up(id) {
                self.cluster.restart(id);
            }
        }
        for step in 0..4_000 {
            self.pass_time();
            // Some load, so that there is something to serve however bad the storm was.
            if step < 3_500 && self.one_in(20) {
                self.ask();
            }
            self.deliver();
            for id in self.cluster.ids() {
                self.cluster.sync(id);
            }
            self.listen();
            if let Some(violation) = self.cluster.violation.take() {
                return Err(violation);
            }
        }
        for client in 0..CLIENTS {
            for op in 0..self.ops[client].len() {
                if self.ops[client][op].open {
                    self.end(client, op, Outcome::Unknown);
                }
            }
        }
        let mut verdicts = self.cluster.verdicts();
        verdicts.push(kv::judge_linearizable(&self.history, Budget::default()));
        let answered = self.history.ops.iter().filter(|op| op.outcome == sim_core::Fate::Ok).count();
        if let Some(Verdict::Fail(violation)) = verdicts.iter().find(|v| matches!(v, Verdict::Fail(_))) {
            return Err(violation.clone());
        }
        Ok(Calm { verdicts, answered })
    }
}
