//! A lock service as a sketch, replicated by Raft and by Paxos under faults and judged by its own specification: wrong ones are caught.

use scenarios::Registry;
use scenarios::runner::{RunRequest, TraceMode};
use serde::Serialize;
use sim_core::linearize::Spec;
use sim_core::record::{Ruling, RunRecord};
use sim_core::workload::{Class, Generated, Load, Op, Verb};
use sim_core::{
    Client, Fate, Instant, Move, Node, NodeId, Observed, Observer, Operation, Outcome, Rng, StateMachine, Verdict,
    Violation, hash,
};
use std::cell::Cell;
use std::collections::BTreeMap;
use systems::consensus::{any::AnyProtocol, paxos::PaxosProtocol, raft::RaftProtocol};
use systems::shared::replication::{Replicated, Service, Watches};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Ask {
    Acquire { lock: u64, owner: u64 },
    Release { lock: u64, owner: u64, token: u64 },
    Holder { lock: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Told {
    /// It is the asker's, under this fencing token.
    Granted(u64),
    Refused,
    Released,
    Holder(Option<u64>),
}

impl Ask {
    fn lock(&self) -> u64 {
        let (Self::Acquire { lock, .. } | Self::Release { lock, .. } | Self::Holder { lock }) = self;
        *lock
    }
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// Who holds a lock, and the token that was given out last.
type Lock = (Option<u64>, u64);

/// In one variant a lock that is held is granted again, in another one that changes hands keeps its token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Right,
    GrantsHeld,
    TokenStays,
}

thread_local! {
    /// Which one the runs of this thread have. A type of its own for each would be three more engines to build.
    static VARIANT: Cell<Variant> = const { Cell::new(Variant::Right) };
}

#[derive(Clone, Debug, Default, Hash)]
struct Locks(BTreeMap<u64, Lock>);

impl StateMachine for Locks {
    type Command = Ask;
    type Response = Told;
    type Snapshot = Self;
    fn start() -> Self {
        Self::default()
    }
    fn apply(&mut self, ask: &Ask) -> Told {
        let (holder, newest) = self.0.entry(ask.lock()).or_default();
        match *ask {
            Ask::Acquire { owner, .. } => {
                if holder.is_some_and(|holder| holder != owner) && VARIANT.get() != Variant::GrantsHeld {
                    return Told::Refused;
                }
                // Who asks again has it already.
                if holder.replace(owner) != Some(owner) && (VARIANT.get() != Variant::TokenStays || *newest == 0) {
                    *newest += 1;
                }
                Told::Granted(*newest)
            }
            Ask::Release { owner, token, .. } if (*holder, *newest) == (Some(owner), token) => {
                *holder = None;
                Told::Released
            }
            Ask::Release { .. } => Told::Refused,
            Ask::Holder { .. } => Told::Holder(*holder),
        }
    }
    fn read(&self, ask: &Ask) -> Told {
        Told::Holder(self.0.get(&ask.lock()).and_then(|(holder, _)| *holder))
    }
    fn is_read(ask: &Ask) -> bool {
        Mutex::is_read(ask)
    }
    fn snapshot(&self) -> Self {
        self.clone()
    }
    fn restore(snapshot: &Self) -> Self {
        snapshot.clone()
    }
    fn command_bytes(_: &Ask) -> u32 {
        24
    }
    fn response_bytes(_: &Told) -> u32 {
        9
    }
    fn snapshot_bytes(snapshot: &Self) -> u64 {
        24 * snapshot.0.len() as u64
    }
    fn digest(&self) -> u64 {
        hash::content(self)
    }
}

/// One lock that exists once.
struct Mutex;

impl Spec for Mutex {
    type Request = Ask;
    type Response = Told;
    type State = Lock;
    type Part = u64;

    fn part(ask: &Ask) -> u64 {
        ask.lock()
    }
    fn start(_: &u64) -> Lock {
        (None, 0)
    }
    fn apply(state: &mut Lock, ask: &Ask) -> Told {
        match (*state, ask) {
            ((Some(holder), token), Ask::Acquire { owner, .. }) if holder == *owner => Told::Granted(token),
            ((Some(_), _), Ask::Acquire { .. }) => Told::Refused,
            ((None, token), Ask::Acquire { owner, .. }) => {
                *state = (Some(*owner), token + 1);
                Told::Granted(token + 1)
            }
            ((Some(holder), newest), Ask::Release { owner, token, .. }) if (holder, newest) == (*owner, *token) => {
                *state = (None, newest);
                Told::Released
            }
            (_, Ask::Release { .. }) => Told::Refused,
            ((holder, _), Ask::Holder { .. }) => Told::Holder(holder),
        }
    }
    fn is_read(ask: &Ask) -> bool {
        matches!(ask, Ask::Holder { .. })
    }
}

/// It takes a lock, and gives back what it has.
#[derive(Clone, Debug)]
struct LockClient<N: Node> {
    load: Generated<N>,
    held: BTreeMap<u64, u64>,
    asked: BTreeMap<u64, Ask>,
    issued: u64,
}

fn request(op: &Op) -> Ask {
    let (lock, owner) = (op.key, op.unique >> 40);
    if op.verb == Verb::Get { Ask::Holder { lock } } else { Ask::Acquire { lock, owner } }
}

impl<N: Node<Request = Ask, Response = Told>> Client<N> for LockClient<N> {
    fn next(&mut self, now: Instant, rng: &mut Rng) -> Move<Ask> {
        let mut issue = self.load.next(now, rng);
        if let Move::Issue(ask) = &mut issue {
            if let (Ask::Acquire { lock, owner }, Some(token)) = (&*ask, self.held.get(&ask.lock())) {
                *ask = Ask::Release { lock: *lock, owner: *owner, token: *token };
            }
            self.asked.insert(self.issued, ask.clone());
            self.issued += 1;
        }
        issue
    }
    fn done(&mut self, now: Instant, op: u64, outcome: &Outcome<Told>) {
        self.load.done(now, op, outcome);
        let lock = self.asked.remove(&op).expect("it was asked").lock();
        match outcome {
            Outcome::Ok(Told::Granted(token)) => self.held.insert(lock, *token),
            Outcome::Ok(Told::Released | Told::Refused) => self.held.remove(&lock),
            _ => None,
        };
    }
}

sim_core::rules! {
    /// Nobody is given an older token than somebody had been given before it asked.
    const TOKENS_GROW: &str = "tokens_grow";
}

/// The newest token of each lock that clients have.
#[derive(Clone, Debug, Default)]
struct Tokens {
    given: BTreeMap<u64, (u64, Instant)>,
    late: Option<Violation>,
}

impl<N: Node<Request = Ask, Response = Told>> Observer<N> for Tokens {
    fn observe(&mut self, at: Instant, what: &Observed<'_, N>) {
        let Observed::Returned { request, invoked, outcome, .. } = what else { return };
        let Outcome::Ok(Told::Granted(token)) = outcome else { return };
        let (newest, since) = self.given.entry(request.lock()).or_insert((*token, at));
        if token < newest && *since < *invoked {
            let detail = format!("{request} was given {token} after {newest}");
            self.late.get_or_insert(Violation { rule: TOKENS_GROW.to_owned(), at, node: None, detail });
        } else if token > newest {
            (*newest, *since) = (*token, at);
        }
    }
    fn after_step(&mut self, _: Instant, _: NodeId, _: &[Option<N>]) -> Result<(), Violation> {
        self.late.clone().map_or(Ok(()), Err)
    }
}

impl<N: Node<Request = Ask, Response = Told>> Watches<N> for Tokens {
    fn verdicts(&self) -> Vec<Verdict> {
        let pass = || Verdict::Pass { rule: TOKENS_GROW, detail: format!("{} locks", self.given.len()) };
        vec![self.late.clone().map_or_else(pass, Verdict::Fail)]
    }
}

impl Service for Locks {
    const NAME: Option<&'static str> = Some("locks");
    const ABOUT: &'static str = "locks with fencing tokens";
    const PARTS: &'static str = "locks";
    const RULES: &'static [sim_core::Rule] = RULES;
    type Spec = Mutex;
    type Client<N: Node<Request = Ask, Response = Told>> = LockClient<N>;
    type Watch<N: Node<Request = Ask, Response = Told>> = Tokens;

    fn client<N: Node<Request = Ask, Response = Told>>(load: Load) -> LockClient<N> {
        LockClient { load: Generated::new(load, request), held: BTreeMap::new(), asked: BTreeMap::new(), issued: 0 }
    }
    fn operation(ask: &Ask) -> Operation {
        let (class, name) = match ask {
            Ask::Acquire { .. } => (Class::Write, "acquire"),
            Ask::Release { .. } => (Class::Write, "release"),
            Ask::Holder { .. } => (Class::Read, "holder"),
        };
        Operation { class, name, key: Some(ask.lock()) }
    }
}

type Of<P> = Replicated<P, Locks>;

fn run(variant: Variant, system: &str, seed: u64) -> RunRecord {
    VARIANT.set(variant);
    let registry = Registry::new().with::<Of<RaftProtocol>>().with::<Of<PaxosProtocol>>().with::<Of<AnyProtocol>>();
    let (system, option) = system.split_once(' ').unwrap_or((system, ""));
    let text = format!(
        "[scenario]\nname = \"locks\"\nsystem = \"{system}\"\nduration = \"8s\"\nwarmup = \"500ms\"\nsettle = \"2s\"\n\
         [cluster]\nnodes = 5\n[system]\nsnapshot_every = 50\nsnapshot_keep = 10\n{option}\n\
         [[workload]]\nclients = 6\nrate = \"20/s\"\nread_ratio = 0.3\nkeys = {{ count = 3, dist = \"uniform\" }}\n\
         [expect]\nlinearizable = true\n\
         [[fault]]\nkind = \"crash\"\ntarget = \"leader\"\non_crash = \"lose_unsynced\"\nat = \"1s\"\nmtbf = \"1s\"\nmttr = \"300ms\"\n\
         [[fault]]\nkind = \"partition\"\nshape = \"isolate\"\ntarget = \"random\"\nat = \"1500ms\"\nmtbf = \"1s\"\nmttr = \"500ms\"\n"
    );
    let files = scenarios::Beside::new(std::path::Path::new("locks.toml"));
    let text = scenarios::Text { name: "locks.toml", text: &text, json: false, overrides: &[], files: &files };
    let scenario = scenarios::parse(&text, &registry).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
    let schedule = scenarios::expand(&scenario, seed);
    let request = RunRequest {
        scenario: &scenario,
        schedule: &schedule,
        seed,
        history: None,
        trace: None,
        trace_mode: TraceMode::default(),
        keep_ops: true,
        evidence: None,
        progress: &mut |_| {},
    };
    registry.get(&scenario.system).expect("it is registered").run(request).expect("it runs")
}

#[track_caller]
fn says(record: &RunRecord, rule: &str, ruling: Ruling) {
    let found = record.verdicts.iter().find(|verdict| verdict.rule == rule);
    let broken = || record.verdicts.iter().filter(|verdict| verdict.verdict == Ruling::Fail).collect::<Vec<_>>();
    let verdict = found.unwrap_or_else(|| panic!("nothing is said of {rule}: {:#?}", broken()));
    assert_eq!(verdict.verdict, ruling, "{}, seed {}: {rule}: {}", record.system, record.seed, verdict.detail);
}

const SYSTEMS: [&str; 4] = ["raft-locks", "paxos-locks", "locks consensus = \"raft\"", "locks consensus = \"paxos\""];

#[test]
fn raft_and_paxos_replicate_locks() {
    for (system, seed) in SYSTEMS.into_iter().flat_map(|system| (1..=5).map(move |seed| (system, seed))) {
        let record = run(Variant::Right, system, seed);
        for rule in ["linearizable", TOKENS_GROW, "convergence", "exactly_once"] {
            says(&record, rule, Ruling::Pass);
        }
        assert!(record.ops.iter().filter(|op| op.outcome == Fate::Ok).count() > 500, "{system}, seed {seed}");
    }
}

#[test]
fn a_lock_service_that_is_wrong_is_caught() {
    for system in SYSTEMS {
        says(&run(Variant::GrantsHeld, system, 1), "linearizable", Ruling::Fail);
        says(&run(Variant::TokenStays, system, 1), "linearizable", Ruling::Fail);
    }
}
