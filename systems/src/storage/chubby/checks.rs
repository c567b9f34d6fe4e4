//! What must hold: of locks by the database, of sessions on both of their sides, of caches, events and the store.

use super::database::{Answer, Command, Database, Epoch, Mode, Path, Session};
use super::message::{ChubbyFact, ChubbyMessage, ChubbyRequest, ChubbyResponse};
use super::model::Model;
use super::node::Machine;
use super::options::Config;
use super::server::{LANE, Member};
use crate::consensus::any::{AnyChecks, AnyProtocol};
use crate::shared::fenced::{Fencing, Write};
use crate::shared::holders::{self, Holders};
use crate::shared::in_the_end;
use crate::shared::replication::{CouncilChecks, Protocol};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::SortedMap;
use sim_core::track::Track;
use sim_core::{ClientId, Instant, NodeId, Observed, Observer, Outcome, Ticket, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// An epoch has one master.
    pub const ONE_MASTER: &str = "one_master_per_epoch";
    /// By the database, an exclusive lock has one holder, whose session has not ended, and only holders let it go.
    pub const ONE_HOLDER: &str = "one_holder";
    /// Each time that a lock is taken which nobody has, its generation grows by one.
    pub const GENERATIONS_GROW: &str = "generations_grow";
    /// A store that goes by sequencers takes no write under an older generation than one that it has taken.
    pub const NO_LATE_WRITE: &str = "no_late_write";
    /// No client counts on its session for longer than the master keeps it.
    pub const SESSIONS_END_IN_ORDER: &str = "sessions_end_in_order";
    /// A read, from a cache or not, is of the file's history, and as new as all that was known before it was asked for.
    pub const READS_ARE_FRESH: &str = "reads_are_fresh";
    /// A session hears the events of a master once, in order, and none is left out.
    pub const EVENTS_IN_ORDER: &str = "events_in_order";
    /// What a client was told was written is in the file's history, behind all that was known before it was asked for.
    pub const WRITES_SURVIVE: &str = "writes_survive";
    /// A call is carried out in the epoch of the master that it was made to.
    pub const CALLS_OF_THEIR_EPOCH: &str = "calls_of_their_epoch";
    /// In the end, nobody waits for a lock.
    pub const LOCKS_ARE_GRANTED: &str = "locks_are_granted";
    /// In the end, an ephemeral file is there only if its program is.
    pub const EPHEMERAL_FILES_GO: &str = "ephemeral_files_go";
    /// The servers' Raft or Paxos keeps the rules of any other.
    pub const SERVERS_AGREE: &str = "servers_agree";
}

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = &[
    MetricKind::new("jeopardies", "sessions in jeopardy", Unit::Number, "how often a client's own count ran out"),
    MetricKind::new("sessions_lost", "sessions lost", Unit::Number, "sessions that ended though their client lived"),
    holders::OVERLAP,
    holders::TAKEN,
    holders::LATE,
    holders::LATE_TAKEN,
    MetricKind::new("keep_alives", "KeepAlives", Unit::Number, "how many were sent"),
    MetricKind::new("cached_reads", "cached reads", Unit::Number, "reads that asked nobody").more_is_better(),
    MetricKind::new("invalidations", "invalidations", Unit::Number, "caches that were told that a file changes"),
];

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct ChubbyChecks {
    config: Rc<Config>,
    council: Box<CouncilChecks<Member, AnyChecks>>,
    masters: SortedMap<Epoch, NodeId>,
    model: Model,
    /// What was decided behind something that nobody has told of yet: whoever has it may have it from a snapshot.
    untold: SortedMap<u64, (Command, Answer)>,
    /// Until when each client surely counts on its session.
    counts_until: SortedMap<Session, Instant>,
    heard: SortedMap<(Session, Epoch), u64>,
    /// The newest version of each file that a client has heard of.
    known: SortedMap<Path, u64>,
    /// What that was when each operation began.
    begun: SortedMap<(ClientId, u64), u64>,
    holders: Holders,
    reads: u64,
    cached: u64,
    written: u64,
    events: u64,
    leases: u64,
    jeopardies: u64,
    lost: u64,
    keep_alives: u64,
    invalidations: u64,
    led: Track,
    sessions: Track,
    now: Instant,
    broken: Option<Violation>,
}

impl ChubbyChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let council = CouncilChecks::new(SERVERS_AGREE, LANE, AnyProtocol::checks::<Database>(&config.group()));
        let led = Track::new("leaders", "Who led", "A master, from its new epoch on.", "takes over");
        let led = led.or("serves", false).exclusive();
        let about = "What each application knew of its session; in jeopardy it does not know whether it lasts.";
        let sessions = Track::new("sessions", "Sessions", about, "safe").or("in jeopardy", true);
        Self {
            config: Rc::clone(config),
            council: Box::new(council),
            masters: SortedMap::new(),
            model: Model::default(),
            untold: SortedMap::new(),
            counts_until: SortedMap::new(),
            heard: SortedMap::new(),
            known: SortedMap::new(),
            begun: SortedMap::new(),
            holders: Holders::default(),
            reads: 0,
            cached: 0,
            written: 0,
            events: 0,
            leases: 0,
            jeopardies: 0,
            lost: 0,
            keep_alives: 0,
            invalidations: 0,
            led,
            sessions,
            now: Instant::ZERO,
            broken: None,
        }
    }

    fn breaks(&mut self, rule: &str, node: Option<NodeId>, detail: String) {
        if self.broken.is_none() {
            self.broken = Some(Violation { rule: rule.to_owned(), at: self.now, node, detail });
        }
    }

    fn on_fact(&mut self, node: NodeId, fact: ChubbyFact) {
        let at = self.now;
        match fact {
            ChubbyFact::Claimed { epoch } => {
                let first = *self.masters.entry(epoch).or_insert(node);
                if first != node {
                    self.breaks(ONE_MASTER, Some(node), format!("{first} and {node} are the master of epoch {epoch}"));
                }
                self.led.begin_as(0, at, node, format!("epoch {epoch}"));
            }
            ChubbyFact::Serves { epoch } => self.led.begin_as(1, at, node, format!("epoch {epoch}")),
            ChubbyFact::SteppedDown { .. } => self.led.end(at, node),
            ChubbyFact::Decided { number, command, answer } if number > self.model.decided => {
                self.untold.insert(number, (command, answer));
                while let Some((command, answer)) = self.untold.remove(&(self.model.decided + 1)) {
                    self.on_decided(node, command, answer);
                }
            }
            ChubbyFact::Invalidates { sessions } => self.invalidations += u64::from(sessions),
            ChubbyFact::Leased { session, lasts } => self.on_leased(node, session, lasts),
            ChubbyFact::Opened { session } | ChubbyFact::Safe { session } => {
                self.sessions.begin_as(0, at, node, format!("{:x}", session.0));
            }
            ChubbyFact::Jeopardy { session } => {
                self.jeopardies += 1;
                self.sessions.begin_as(1, at, node, format!("{:x}", session.0));
            }
            ChubbyFact::Lost { .. } => {
                self.lost += 1;
                self.sessions.end(at, node);
            }
            ChubbyFact::Heard { session, epoch, number } => {
                self.events += 1;
                let before = self.heard.insert((session, epoch), number).unwrap_or(0);
                if number != before + 1 {
                    let detail = format!("{node} hears event {number} of epoch {epoch} after {before}");
                    self.breaks(EVENTS_IN_ORDER, Some(node), detail);
                }
            }
            ChubbyFact::Holds { lock, session, mode, generation } => {
                let belief = (lock, generation, session.0, mode == Mode::Exclusive);
                let model = &self.model;
                self.holders.take(at, node, belief, |session| model.has_ended(Session(session)));
            }
            ChubbyFact::LetsGo { lock } => self.holders.let_go(at, node, lock),
            ChubbyFact::Written { write, accepted } => self.on_stored(node, write, accepted),
            ChubbyFact::Decided { .. } | ChubbyFact::Group(_) | ChubbyFact::TakesOver { .. } => {}
        }
    }

    fn on_decided(&mut self, node: NodeId, command: Command, answer: Answer) {
        if let Err((rule, detail)) = self.model.decide(command, answer) {
            self.breaks(rule, Some(node), detail);
        }
        if let (Command::Expire { session, .. }, Answer::Done) = (command, answer)
            && let Some(until) = self.counts_until.remove(&session).filter(|until| *until > self.now)
        {
            let app = session.node();
            let detail = format!("{app} counts on its session for {} more, and it is ended", until.since(self.now));
            self.breaks(SESSIONS_END_IN_ORDER, Some(app), detail);
        }
    }

    /// A client counts on its session from now on, or for longer.
    fn on_leased(&mut self, node: NodeId, session: Session, lasts: u64) {
        self.leases += 1;
        let fast = lasts as u128 * u128::from(self.config.max_drift_ppm) / 1_000_000;
        let until = Instant(self.now.0 + lasts - fast as u64);
        self.counts_until.insert(session, until);
        if self.model.has_ended(session) {
            self.breaks(SESSIONS_END_IN_ORDER, Some(node), format!("{node} counts on a session that has ended"));
        }
    }

    fn on_stored(&mut self, node: NodeId, write: Write, accepted: bool) {
        let is_held = self.model.is_held(Path::Lock(write.lock), write.token);
        let wrong = self.holders.stored(self.now, write, accepted, is_held);
        if let Some(detail) = wrong.filter(|_| self.config.fencing == Fencing::Token) {
            self.breaks(NO_LATE_WRITE, Some(node), detail);
        }
    }

    fn on_return(&mut self, ticket: Ticket, request: &ChubbyRequest, outcome: &Outcome<ChubbyResponse>) {
        let before = self.begun.remove(&(ticket.client, ticket.op)).unwrap_or(0);
        let Outcome::Ok(response) = outcome else { return };
        let whose = format!("operation {} of {}", ticket.op, ticket.client);
        match (request, response) {
            (ChubbyRequest::Get { key }, ChubbyResponse::Value { value, version, cached }) => {
                self.reads += 1;
                self.cached += u64::from(*cached);
                let path = Path::Key(*key);
                let held = self.held(path, *version, *value);
                if held != Some(*value) || *version < before {
                    let detail = format!(
                        "{whose} reads {value:x}, version {version} of {path}, which held {held:x?}; version {before} \
                         was known before it was asked for"
                    );
                    self.breaks(READS_ARE_FRESH, None, detail);
                }
                self.learn(path, *version);
            }
            (ChubbyRequest::Set { key, value }, ChubbyResponse::Written { version }) => {
                self.written += 1;
                let path = Path::Key(*key);
                let held = self.held(path, *version, *value);
                if held != Some(*value) || *version <= before {
                    let detail = format!(
                        "{whose} wrote {value:x} as version {version} of {path}, which holds {held:x?}; version \
                         {before} was known before it was asked for"
                    );
                    self.breaks(WRITES_SURVIVE, None, detail);
                }
                self.learn(path, *version);
            }
            _ => {}
        }
    }

    /// What a version of a file held: this, if nobody has told of that yet.
    fn held(&self, path: Path, version: u64, this: u64) -> Option<u64> {
        self.model.held(path, version).or_else(|| (!self.untold.is_empty()).then_some(this))
    }

    fn learn(&mut self, path: Path, version: u64) {
        let known = self.known.entry(path).or_default();
        *known = (*known).max(version);
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let counted = |rule, many: u64, what: &str| match many {
            _ if !self.untold.is_empty() => {
                let why = format!("nobody has told of command {}", self.model.decided + 1);
                Verdict::Inconclusive { rule, why }
            }
            0 => Verdict::Inconclusive { rule, why: format!("there were no {what}") },
            many => Verdict::Pass { rule, detail: format!("{many} {what}") },
        };
        let mut all = vec![
            counted(ONE_MASTER, self.masters.len() as u64, "epochs"),
            counted(ONE_HOLDER, self.model.grants, "grants"),
            counted(GENERATIONS_GROW, self.model.grants, "grants"),
            counted(SESSIONS_END_IN_ORDER, self.leases, "leases"),
            counted(READS_ARE_FRESH, self.reads, "reads"),
            counted(EVENTS_IN_ORDER, self.events, "events"),
            counted(WRITES_SURVIVE, self.written, "acknowledged writes"),
            counted(CALLS_OF_THEIR_EPOCH, self.model.calls(), "calls"),
            in_the_end::verdict(LOCKS_ARE_GRANTED, self.now, waits(nodes)),
            in_the_end::verdict(EPHEMERAL_FILES_GO, self.now, left_behind(nodes)),
            self.council.verdict(nodes),
        ];
        if self.config.fencing == Fencing::Token && self.config.stores > 0 {
            all.push(counted(NO_LATE_WRITE, self.holders.writes[0], "writes to the store"));
        }
        all
    }

    /// What a report shows of a run.
    pub(super) fn measures(&self, end: Instant) -> Measures {
        let mut measures =
            Measures { tracks: vec![self.led.finish(end), self.sessions.finish(end)], ..Measures::default() };
        let numbers = [
            ("jeopardies", self.jeopardies),
            ("sessions_lost", self.lost),
            ("keep_alives", self.keep_alives),
            ("cached_reads", self.cached),
            ("invalidations", self.invalidations),
        ];
        for (name, number) in numbers {
            measures.set(METRICS, name, number as f64);
        }
        self.holders.measure(end, METRICS, &mut measures);
        measures
    }
}

fn waits(nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
    let mut waiting = in_the_end::each(nodes).filter(|(_, machine)| machine.app().is_some_and(super::App::waits));
    waiting.next().map(|(node, _)| (node, format!("{node} waits for a lock")))
}

/// Ephemeral files whose programs have gone, once a master has served for a while.
fn left_behind(nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
    let (node, server) =
        in_the_end::each(nodes).find_map(|(node, machine)| Some((node, machine.server()?)).filter(is_settled))?;
    let appears = |of: u64| nodes.get(of as usize).and_then(Option::as_ref).and_then(Machine::app);
    let mut left = server.database().ephemeral().filter(|path| match path {
        Path::Here(of) => !appears(*of).is_some_and(super::App::appears),
        _ => false,
    });
    left.next().map(|path| (node, format!("{path} is there, and nobody has it open")))
}

fn is_settled((_, server): &(NodeId, &super::Server)) -> bool {
    server.has_swept()
}

impl Observer<Machine> for ChubbyChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        self.council.observe(at, what);
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Sent { message: ChubbyMessage::KeepAlive { .. }, .. } => self.keep_alives += 1,
            Observed::Crashed { node, .. } => {
                self.led.end(at, *node);
                self.sessions.end(at, *node);
                self.holders.crash(at, *node);
                // Who is down counts on nothing.
                self.counts_until.retain(|session, _| session.node() != *node);
            }
            Observed::Invoked { ticket, request: ChubbyRequest::Get { key } | ChubbyRequest::Set { key, .. } } => {
                let known = self.known.get(&Path::Key(*key)).copied().unwrap_or(0);
                self.begun.insert((ticket.client, ticket.op), known);
            }
            Observed::Returned { ticket, request, outcome, .. } => self.on_return(*ticket, request, outcome),
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        self.council.after_step(at, stepped, nodes)?;
        self.broken.take().map_or(Ok(()), Err)
    }
}
