//! A consensus group inside other nodes, by either protocol: what is decided is told once, in order and everywhere,
//! over crashes and snapshots, and who proposes learns what became of it.

use sim_core::fault::{CutClients, Fault, Injection, OnCrash, Schedule, Shape, Target};
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::sorted::SortedMap;
use sim_core::workload::Generated;
use sim_core::{
    Completion, Duration, Effects, Engine, EngineConfig, Instant, Kind, Message, Node, NodeId, NodeSetup, Observed,
    Observer, Replay, Role, StateMachine, Timer, Verdict, Violation, hash,
};
use systems::consensus::any::{
    Agreement, AnyChecks, AnyConfig, AnyConsensus, AnyFact, AnyMessage, AnyProtocol, AnyRecord,
};
use systems::shared::replication::{
    Consensus, Council, CouncilChecks, Group, Hosts, Minute, News, Proposal, Protocol, Stamp,
};

/// Counts what it is told, and answers with how much it has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Tally {
    commands: u64,
    sum: u64,
}

impl StateMachine for Tally {
    type Command = u64;
    type Response = u64;
    type Snapshot = Self;

    fn start() -> Self {
        Self::default()
    }
    fn apply(&mut self, command: &u64) -> u64 {
        self.commands += 1;
        self.sum += command;
        self.sum
    }
    fn read(&self, _: &u64) -> u64 {
        self.sum
    }
    fn is_read(_: &u64) -> bool {
        false
    }
    fn snapshot(&self) -> Self {
        self.clone()
    }
    fn restore(snapshot: &Self) -> Self {
        snapshot.clone()
    }
    fn command_bytes(_: &u64) -> u32 {
        8
    }
    fn response_bytes(_: &u64) -> u32 {
        8
    }
    fn snapshot_bytes(_: &Self) -> u64 {
        16
    }
    fn digest(&self) -> u64 {
        hash::content(self)
    }
}

type Member = AnyConsensus<Tally>;
/// The members are the last three of five nodes.
const FIRST: u32 = 2;
const NODES: u32 = 5;
const TIMERS_FROM: u16 = 1;
const LANE: u16 = 3;
const PROPOSE: Timer = Timer(0);

#[derive(Clone, Debug, Hash)]
struct Letter(AnyMessage<Tally>);
impl Message for Letter {
    fn kind(&self) -> Kind {
        self.0.kind()
    }
    fn bytes(&self) -> u32 {
        self.0.bytes()
    }
}

#[derive(Clone, Copy, Debug, Hash)]
struct Said(Minute<AnyFact>);
impl sim_core::Fact for Said {}

impl Hosts<Member> for Board {
    fn message(_: u16, inner: AnyMessage<Tally>) -> Letter {
        Letter(inner)
    }
    fn message_of(_: u16, Letter(inner): &Letter) -> Option<&AnyMessage<Tally>> {
        Some(inner)
    }
    fn record(inner: AnyRecord<Tally>) -> AnyRecord<Tally> {
        inner
    }
    fn record_of(outer: &AnyRecord<Tally>) -> Option<&AnyRecord<Tally>> {
        Some(outer)
    }
    fn fact(_: u16, inner: Minute<AnyFact>) -> Said {
        Said(inner)
    }
    fn fact_of(_: u16, Said(inner): Said) -> Option<Minute<AnyFact>> {
        Some(inner)
    }
    fn council(&self, _: u16) -> Option<&Council<Member>> {
        self.council.as_ref()
    }
}

/// A node that keeps a copy of the sum, of what it is told alone.
#[derive(Clone, Debug)]
struct Board {
    council: Option<Council<Member>>,
    copy: Tally,
    /// What it proposed, and what it came to.
    proposed: SortedMap<Proposal, u64>,
    /// What it was told, by session and number.
    decided: SortedMap<(u32, u64), u64>,
    settled: u64,
    void: u64,
    anew: u64,
    told: u64,
}

impl Board {
    fn follow(&mut self) {
        let Some(council) = &mut self.council else { return };
        while let Some(news) = council.news() {
            match news {
                News::Anew => {
                    self.copy = council.machine().clone();
                    self.anew += 1;
                }
                News::Decided(decided) => {
                    let Stamp { client, op, .. } = decided.stamp;
                    assert_eq!(decided.number, self.copy.commands + 1, "one after the other");
                    assert_eq!(self.copy.apply(&decided.command), decided.response);
                    assert_eq!(self.decided.insert((client.0, op), decided.response), None, "once");
                    self.told += 1;
                }
                News::Settled(proposal, response) => {
                    let command = self.proposed.remove(&proposal).expect("it was proposed, and is settled once");
                    assert!(response.is_none_or(|sum| sum >= command));
                    self.settled += u64::from(response.is_some());
                    self.void += u64::from(response.is_none());
                }
                News::Answer(..) => panic!("nobody asks"),
            }
        }
        assert_eq!(&self.copy, council.machine(), "what it was told is all there is");
    }
}

type Fx<'a> = Effects<'a, Board>;

impl Node for Board {
    type Config = AnyConfig;
    type Message = Letter;
    type Request = u64;
    type Response = u64;
    type Record = AnyRecord<Tally>;
    type Fact = Said;

    fn boot(config: &AnyConfig, me: NodeId, disk: Replay<'_, AnyRecord<Tally>>, fx: &mut Fx<'_>) -> Self {
        let council = (me.0 >= FIRST).then(|| Council::boot(config, (TIMERS_FROM, LANE), disk, fx));
        fx.arm(PROPOSE, Duration::millis(3));
        let (copy, proposed, decided) = (Tally::start(), SortedMap::new(), SortedMap::new());
        let mut board = Self { council, copy, proposed, decided, settled: 0, void: 0, anew: 0, told: 0 };
        board.follow();
        board
    }
    fn on_message(&mut self, from: NodeId, Letter(message): Letter, fx: &mut Fx<'_>) {
        let council = self.council.as_mut().expect("others are not written to");
        council.on_message(from, message, fx);
        self.follow();
    }
    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        if timer == PROPOSE {
            let command = fx.rng().below(100);
            if let Some(council) = &mut self.council
                && let Some(proposal) = council.propose(command, fx)
            {
                assert_eq!(self.proposed.insert(proposal, command), None, "a proposal has its own number");
            }
            fx.arm(PROPOSE, Duration::millis(3));
        } else {
            assert!(self.council.as_mut().is_some_and(|council| council.on_timer(timer, fx)));
        }
        self.follow();
    }
    fn on_disk(&mut self, done: Completion<AnyRecord<Tally>>, fx: &mut Fx<'_>) {
        if let Some(council) = &mut self.council {
            council.on_disk(&done, fx);
        }
        self.follow();
    }
    fn role(&self) -> Role {
        self.council.as_ref().map_or(Role::NONE, |council| council.inside().role())
    }
}

struct Watch {
    checks: CouncilChecks<Member, AnyChecks>,
    settled: u64,
    void: u64,
    anew: u64,
    told: u64,
}

impl Observer<Board> for Watch {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Board>) {
        self.checks.observe(at, what);
    }
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Board>]) -> Result<(), Violation> {
        if let Some(board) = &nodes[stepped.index()] {
            self.settled = self.settled.max(board.settled);
            self.void = self.void.max(board.void);
            self.anew = self.anew.max(board.anew);
            self.told = self.told.max(board.told);
        }
        self.checks.after_step(at, stepped, nodes)
    }
}

/// How many proposals were settled, and void, how often a state was another one, and how much one node was told.
fn run(agreement: Agreement) -> [u64; 4] {
    let second = |s| Instant::ZERO + Duration::secs(s);
    let fault = |id, fault, target, at, until| Injection {
        id,
        name: None,
        fault,
        target,
        at: second(at),
        until: second(until),
        after: None,
        must_bite: true,
    };
    let crash = || Fault::Crash { on_crash: OnCrash::LoseUnsynced };
    let cut = || Fault::Partition { shape: Shape::Isolate, clients: CutClients::Free };
    let faults = vec![
        fault(1, crash(), Target::Role("leader".into()), 2, 3),
        fault(2, Fault::Pause, Target::Role("leader".into()), 4, 6),
        fault(3, crash(), Target::All, 8, 9),
        fault(4, crash(), Target::Node(NodeId(3)), 10, 13),
        // Who is cut off goes on proposing in vain; one day it leads again.
        fault(5, cut(), Target::Role("leader".into()), 14, 15),
        fault(6, Fault::Pause, Target::Role("leader".into()), 16, 17),
        fault(7, cut(), Target::Role("leader".into()), 18, 19),
        fault(8, Fault::Pause, Target::Role("leader".into()), 20, 21),
        fault(9, Fault::Pause, Target::Role("leader".into()), 22, 23),
    ];
    let latency = Latency::uniform(Duration::millis(1), Duration::millis(4));
    let config = EngineConfig {
        seed: 5,
        nodes: vec![NodeSetup::default(); NODES as usize],
        node_zones: vec![0; NODES as usize],
        network: NetworkConfig::uniform(NODES as usize, 1, LinkPolicy { latency, ..LinkPolicy::default() }),
        timers: TIMERS_FROM + Member::TIMERS,
        schedule: Schedule::new(faults),
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let group = Group { nodes: NODES, first: FIRST, snapshot_every: 100, snapshot_keep: 10, ..Group::of(3) };
    let config_of_group = AnyConfig::of(agreement, &group);
    let checks = CouncilChecks::new("councils_agree", LANE, AnyProtocol::checks::<Tally>(&config_of_group));
    let watch = Watch { checks, settled: 0, void: 0, anew: 0, told: 0 };
    let mut engine: Engine<Board, Generated<Board>, Watch> = Engine::new(config, config_of_group, watch);
    engine.run_until(second(25)).expect("every rule holds");
    let nodes: Vec<&Board> = engine.nodes()[FIRST as usize..].iter().map(|n| n.as_ref().expect("all are up")).collect();
    let most = nodes.iter().map(|board| board.copy.commands).max().expect("three");
    assert!(most > 1_000, "{agreement:?}: {most}");
    assert!(nodes.iter().all(|board| board.copy.commands + 100 > most), "all have what was decided a while ago");
    let Verdict::Pass { detail, .. } = engine.observer().checks.verdict(engine.nodes()) else {
        panic!("{agreement:?}")
    };
    for rule in ["validity", "acknowledged_writes_survive", "exactly_once", "convergence"] {
        assert!(detail.contains(rule), "{detail}");
    }
    let Watch { settled, void, anew, told, .. } = engine.observer();
    [*settled, *void, *anew, *told]
}

#[test]
fn what_a_group_decides_is_told_once_and_in_order() {
    for agreement in [Agreement::Raft, Agreement::Paxos] {
        let [settled, void, anew, told] = run(agreement);
        assert!(settled > 200 && told > 500, "{agreement:?}: {settled} settled, {told} told");
        assert!(void > 0, "{agreement:?}: some proposals of a leader that was cut off are void");
        assert!(anew > 1, "{agreement:?}: who was away long gets a snapshot");
    }
}
