//! What the rules and the report know of the servers: what was decided, what applications believe of their sessions and
//! locks, what followers of the catalog know.

use super::database::{Answer, Command, Index, Key, Session, Why};
use super::message::{Consistency, ConsulFact, ConsulRequest, ConsulResponse};
use super::model::Model;
use super::node::Machine;
use super::options::{Config, Fencing};
use crate::shared::fenced::Write;
use crate::shared::holders::Holders;
use crate::shared::in_the_end;
use sim_core::fault::Fault;
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::track::Track;
use sim_core::{ClientId, Instant, NodeId, Observed, Outcome, Ticket, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// By the database, a lock has one holder, whose session has not ended, and only the holder lets it go.
    pub const ONE_HOLDER: &str = "one_holder";
    /// Each time that a lock is taken which nobody has, its index grows by one.
    pub const LOCK_INDEX_GROWS: &str = "lock_index_grows";
    /// No leader lets anybody try a lock sooner than the lock-delay after it saw the session of the holder end.
    pub const LOCK_DELAY_IS_KEPT: &str = "lock_delay_is_kept";
    /// A store that goes by sequencers takes no write under an older index than one that it has taken.
    pub const NO_LATE_WRITE: &str = "no_late_write";
    /// A session does not expire sooner than its time to live after a leader has said that it lasts.
    pub const SESSIONS_LAST: &str = "sessions_last";
    /// An application that believes in its session and is well renews it within each time to live.
    pub const SESSIONS_ARE_RENEWED: &str = "sessions_are_renewed";
    /// A consistent read is of the key's history, and as new as all that was known before it was asked for.
    pub const READS_ARE_FRESH: &str = "reads_are_fresh";
    /// Every read is of the key's history, as of what the server had carried out.
    pub const READS_ARE_OF_HISTORY: &str = "reads_are_of_history";
    /// What a client was told was written is in the key's history.
    pub const WRITES_SURVIVE: &str = "writes_survive";
    /// What a follower of the catalog knows never goes back, unless it asks for all anew.
    pub const FOLLOWERS_GO_FORWARD: &str = "followers_go_forward";
    /// In the end, followers know what the catalog says.
    pub const FOLLOWERS_SEE_THE_LAST: &str = "followers_see_the_last";
    /// In the end, the catalog says of each node and its service what is true.
    pub const CATALOG_IS_RIGHT: &str = "catalog_is_right";
    /// In the end, nobody waits for a lock.
    pub const LOCKS_ARE_GRANTED: &str = "locks_are_granted";
    /// With a least number of servers, no more than the others lose their votes.
    pub const QUORUM_IS_KEPT: &str = "quorum_is_kept";
}

/// What an application believes of its session.
#[derive(Clone, Copy, Debug)]
struct Believed {
    session: Session,
    /// When it asked last that it lasts.
    renewed: Instant,
    /// Since when nothing has been wrong with its machine.
    well_since: Instant,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub(super) struct Records {
    config: Rc<Config>,
    now: Instant,
    pub model: Model,
    /// What was decided behind something that nobody has told of yet.
    untold: SortedMap<u64, (Command, Answer)>,
    /// How many commands had been carried out when each write was known to a client, at most, by key.
    known: SortedMap<Key, u64>,
    /// What that was when each operation began.
    begun: SortedMap<(ClientId, u64), u64>,
    believed: SortedMap<NodeId, Believed>,
    paused: SortedSet<NodeId>,
    /// When a leader said last that a session lasts, or began it.
    lasts: SortedMap<Session, Instant>,
    /// When each server, in this life, saw the session of a key's holder end.
    freed: SortedMap<(NodeId, Key), Instant>,
    holders: Holders,
    /// What each follower knows of each service: the index, and as of when.
    follows: SortedMap<(NodeId, u64), (Index, u64)>,
    pub counts: SortedMap<&'static str, u64>,
    pub led: Track,
    pub sessions: Track,
    pub checks: Track,
    broken: Option<Violation>,
}

impl Records {
    pub fn new(config: &Rc<Config>) -> Self {
        let led =
            Track::new("leaders", "Who led", "A leader, once it tends sessions and the catalog.", "leads").exclusive();
        let about = "Which session each application believed to have.";
        let sessions = Track::new("sessions", "Sessions", about, "open");
        let about = "When the check of a service said that it fails.";
        let checks = Track::new("services", "Services that failed", about, "critical");
        Self {
            config: Rc::clone(config),
            now: Instant::ZERO,
            model: Model::default(),
            untold: SortedMap::new(),
            known: SortedMap::new(),
            begun: SortedMap::new(),
            believed: SortedMap::new(),
            paused: SortedSet::new(),
            lasts: SortedMap::new(),
            freed: SortedMap::new(),
            holders: Holders::default(),
            follows: SortedMap::new(),
            counts: SortedMap::new(),
            led,
            sessions,
            checks,
            broken: None,
        }
    }

    /// The rule that was broken.
    pub fn take_broken(&mut self) -> Option<Violation> {
        self.broken.take()
    }

    pub fn breaks(&mut self, rule: &str, node: Option<NodeId>, detail: String) {
        if self.broken.is_none() {
            self.broken = Some(Violation { rule: rule.to_owned(), at: self.now, node, detail });
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// How often something was counted.
    pub fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    pub fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Crashed { node, .. } => {
                self.led.end(at, *node);
                self.sessions.end(at, *node);
                self.checks.end(at, *node);
                self.holders.crash(at, *node);
                self.believed.remove(node);
                self.freed.retain(|(server, _), _| server != node);
                self.follows.retain(|(follower, _), _| follower != node);
            }
            Observed::Paused { node, paused } => {
                let _ = if *paused { self.paused.insert(*node) } else { self.paused.remove(node) };
                if let Some(believed) = self.believed.get_mut(node) {
                    believed.well_since = at;
                }
            }
            Observed::FaultStarted { injection, resolved, .. } => {
                self.believed.values_mut().for_each(|believed| believed.well_since = at);
                // A clock that jumps is not honest, and what rests on it nobody has promised.
                if matches!(injection.fault, Fault::Clock(_)) {
                    self.freed.retain(|(server, _), _| !resolved.contains(server));
                }
            }
            Observed::FaultEnded { .. } => {
                self.believed.values_mut().for_each(|believed| believed.well_since = at);
            }
            Observed::Invoked { ticket, request } => {
                if let Some(key) = key_of(request) {
                    let known = self.known.get(&key).copied().unwrap_or(0);
                    self.begun.insert((ticket.client, ticket.op), known);
                }
            }
            Observed::Returned { ticket, request, outcome, .. } => self.on_return(*ticket, request, outcome),
            _ => {}
        }
    }

    fn on_fact(&mut self, node: NodeId, fact: ConsulFact) {
        let at = self.now;
        match fact {
            ConsulFact::Leads { term } => self.led.begin(at, node, format!("term {term}")),
            ConsulFact::SteppedDown { .. } => self.led.end(at, node),
            ConsulFact::Decided { number, command, answer } => self.on_told(node, number, command, answer),
            ConsulFact::Restored { .. } => self.freed.retain(|(server, _), _| *server != node),
            ConsulFact::Admits { key } => self.on_admitted(node, key),
            ConsulFact::Lasts { session } => _ = self.lasts.insert(session, at),
            ConsulFact::Expires { session } => self.on_expiry(session),
            ConsulFact::Opened { session } => {
                self.believed.insert(node, Believed { session, renewed: at, well_since: at });
                self.sessions.begin(at, node, format!("{:x}", session.0 & 0xffff));
                self.count("sessions");
            }
            ConsulFact::Renews { .. } => {
                if let Some(believed) = self.believed.get_mut(&node) {
                    believed.renewed = at;
                }
            }
            ConsulFact::Closed { .. } => {
                self.believed.remove(&node);
                self.sessions.end(at, node);
            }
            ConsulFact::Lost { .. } => {
                self.believed.remove(&node);
                self.sessions.end(at, node);
                self.count("sessions_lost");
            }
            ConsulFact::Holds { lock, session, lock_index } => {
                let belief = (lock, lock_index, session.0, true);
                let model = &self.model;
                self.holders.take(at, node, belief, |session| model.ended.contains(&Session(session)));
            }
            ConsulFact::LetsGo { lock } => self.holders.let_go(at, node, lock),
            ConsulFact::Written { write, accepted } => self.on_stored(at, node, write, accepted),
            ConsulFact::Follows { service, index, as_of, .. } => self.on_followed(node, service, index, as_of),
            ConsulFact::Checked { passing: true, .. } => self.checks.end(at, node),
            ConsulFact::Checked { passing: false, service } => {
                self.checks.begin(at, node, format!("service {service}"));
                self.count("checks_failed");
            }
            ConsulFact::Deregistered { .. } => self.count("services_deregistered"),
            ConsulFact::Synced { repaired } => {
                self.count("syncs");
                *self.counts.entry("repairs").or_default() += u64::from(repaired);
            }
            ConsulFact::Called { failed, .. } => self.count(if failed { "calls_failed" } else { "calls_served" }),
            ConsulFact::CleansUp { .. } => self.count("servers_cleaned_up"),
            _ => {}
        }
    }

    fn on_told(&mut self, node: NodeId, number: u64, command: Command, answer: Answer) {
        if number > self.model.decided {
            self.untold.insert(number, (command, answer));
            while let Some((command, answer)) = self.untold.remove(&(self.model.decided + 1)) {
                self.on_decided(command, answer);
            }
        }
        // What this server itself sees end now, it remembers.
        let freed = if number == self.model.decided { self.model.freed.clone() } else { Vec::new() };
        for key in freed {
            self.freed.insert((node, key), self.now);
        }
    }

    fn on_decided(&mut self, command: Command, answer: Answer) {
        let at = self.now;
        if let Err((rule, detail)) = self.model.decide(command, answer) {
            self.breaks(rule, None, detail);
        }
        match (command, answer) {
            (Command::Open { session, .. }, Answer::Done(_)) => _ = self.lasts.insert(session, at),
            (Command::End { why: Why::Expired, .. }, Answer::Done(_)) => self.count("sessions_expired"),
            _ => {}
        }
    }

    /// A leader lets somebody try to take a lock.
    fn on_admitted(&mut self, node: NodeId, key: Key) {
        self.count("admitted");
        let Some(since) = self.freed.get(&(node, key)).copied() else { return };
        let passed = self.now.since(since);
        // Its clock may be fast.
        let delay = self.config.lock_delay.0;
        let surely = delay - (u128::from(delay) * u128::from(self.config.max_drift_ppm) / 1_000_000) as u64;
        if passed.0 < surely && !self.model.freed.contains(&key) {
            let detail = format!("{node} saw the holder's session of {key} end {passed} ago, and lets others try");
            self.breaks(LOCK_DELAY_IS_KEPT, Some(node), detail);
        }
    }

    /// The leader's clock of a session has run out.
    fn on_expiry(&mut self, session: Session) {
        let (at, ttl, app) = (self.now, self.config.session_ttl, session.node());
        let fast = (u128::from(ttl.0) * u128::from(2 * self.config.max_drift_ppm) / 1_000_000) as u64;
        self.count("expiries");
        if let Some(last) = self.lasts.get(&session)
            && at.since(*last).0 + fast < ttl.0
        {
            let detail = format!("session {:x} expires {} after it was said to last", session.0, at.since(*last));
            self.breaks(SESSIONS_LAST, Some(app), detail);
        }
        let Some(believed) = self.believed.get(&app).filter(|believed| believed.session == session) else { return };
        let since = believed.renewed.max(believed.well_since);
        if !self.paused.contains(&app) && at.since(since).0 > ttl.0 + fast {
            let detail = format!("{app} believes in its session, and has not renewed it for {}", at.since(since));
            self.breaks(SESSIONS_ARE_RENEWED, Some(app), detail);
        }
    }

    fn on_stored(&mut self, at: Instant, node: NodeId, write: Write, accepted: bool) {
        let is_held = self.model.is_held(Key::Lock(write.lock), write.token);
        let wrong = self.holders.stored(at, write, accepted, is_held);
        if let Some(detail) = wrong.filter(|_| self.config.fencing == Fencing::Sequencer) {
            self.breaks(NO_LATE_WRITE, Some(node), detail);
        }
    }

    fn on_followed(&mut self, node: NodeId, service: u64, index: Index, as_of: u64) {
        self.count("followed");
        let before = self.follows.insert((node, service), (index, as_of));
        // Under stale reads, another server may not be as far.
        let stale = self.config.follow_consistency == Consistency::Stale;
        if let Some((_, before)) = before.filter(|(_, before)| !stale && as_of < *before) {
            let detail = format!("{node} knew service {service} as of {before} commands, and takes it as of {as_of}");
            self.breaks(FOLLOWERS_GO_FORWARD, Some(node), detail);
        }
    }

    fn on_return(&mut self, ticket: Ticket, request: &ConsulRequest, outcome: &Outcome<ConsulResponse>) {
        let before = self.begun.remove(&(ticket.client, ticket.op)).unwrap_or(0);
        let Outcome::Ok(response) = outcome else { return };
        let Some(key) = key_of(request) else { return };
        let whose = format!("operation {} of {}", ticket.op, ticket.client);
        match (request, response) {
            (ConsulRequest::Get { consistency, .. }, ConsulResponse::Value { value, as_of }) => {
                self.count(match consistency {
                    Consistency::Default => "default_reads",
                    Consistency::Consistent => "consistent_reads",
                    Consistency::Stale => "stale_mode_reads",
                });
                let held = self.model.held(key, *as_of);
                if held != *value && self.untold.is_empty() && *as_of <= self.model.decided {
                    let detail = format!("{whose} reads {value:x} as of {as_of} commands: {key} held {held:x}");
                    self.breaks(READS_ARE_OF_HISTORY, None, detail);
                }
                if self.is_old(key, *as_of, before) {
                    match consistency {
                        Consistency::Consistent => {
                            let detail = format!("{whose} reads {key} as of {as_of} commands, and {before} was known");
                            self.breaks(READS_ARE_FRESH, None, detail);
                        }
                        Consistency::Default => self.count("stale_default_reads"),
                        Consistency::Stale => self.count("stale_reads"),
                    }
                }
                // A later read may not see less: by then this one was known.
                if *consistency == Consistency::Consistent {
                    self.learn(key, *as_of);
                }
            }
            (
                ConsulRequest::Set { value, .. } | ConsulRequest::Cas { value, .. },
                ConsulResponse::Written { as_of },
            ) => {
                self.count("written");
                let written = self.model.written(key, *value);
                if written.is_none() && self.untold.is_empty() {
                    self.breaks(WRITES_SURVIVE, None, format!("{whose} wrote {value:x}: {key} has never held it"));
                }
                self.learn(key, written.unwrap_or(*as_of));
            }
            _ => {}
        }
    }

    /// Whether what a read saw is older than something that was known: another value was written between the two.
    fn is_old(&self, key: Key, as_of: u64, known: u64) -> bool {
        as_of < known && self.model.held(key, as_of) != self.model.held(key, known)
    }

    fn learn(&mut self, key: Key, as_of: u64) {
        let known = self.known.entry(key).or_default();
        *known = (*known).max(as_of);
    }

    /// What can be said at the end.
    pub fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let counted = |rule, many: u64, what: &str| match many {
            _ if !self.untold.is_empty() => {
                let why = format!("nobody has told of command {}", self.model.decided + 1);
                Verdict::Inconclusive { rule, why }
            }
            many => Verdict::Pass { rule, detail: format!("{many} {what}") },
        };
        let reads = ["default_reads", "consistent_reads", "stale_mode_reads"].map(|kind| self.counted(kind));
        let mut all = vec![
            counted(ONE_HOLDER, self.model.grants, "grants"),
            counted(LOCK_INDEX_GROWS, self.model.grants, "grants"),
            counted(LOCK_DELAY_IS_KEPT, self.counted("admitted"), "tries of a lock"),
            counted(SESSIONS_LAST, self.counted("sessions"), "sessions"),
            counted(SESSIONS_ARE_RENEWED, self.counted("sessions"), "sessions"),
            counted(READS_ARE_FRESH, reads[1], "consistent reads"),
            counted(READS_ARE_OF_HISTORY, reads.iter().sum(), "reads"),
            counted(WRITES_SURVIVE, self.counted("written"), "acknowledged writes"),
            counted(QUORUM_IS_KEPT, self.model.decided, "commands"),
        ];
        if self.config.follow && self.config.services > 0 {
            all.push(counted(FOLLOWERS_GO_FORWARD, self.counted("followed"), "answers to followers"));
            all.push(in_the_end::verdict(FOLLOWERS_SEE_THE_LAST, self.now, self.behind(nodes)));
        }
        all.push(in_the_end::verdict(CATALOG_IS_RIGHT, self.now, wrong_in_catalog(nodes)));
        all.push(in_the_end::verdict(LOCKS_ARE_GRANTED, self.now, waits(nodes)));
        if self.config.fencing == Fencing::Sequencer && self.config.store().is_some() {
            all.push(counted(NO_LATE_WRITE, self.holders.writes[0], "writes to the store"));
        }
        // What nothing was looked at for says nothing.
        all.retain(|verdict| !matches!(verdict, Verdict::Pass { detail, .. } if detail.starts_with("0 ")));
        all
    }

    /// A follower that does not know what the leader's catalog says.
    fn behind(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let leader = leader(nodes)?;
        for (node, machine) in in_the_end::each(nodes) {
            let Some(agent) = machine.agent().filter(|_| machine.pool().is_some_and(super::pool::Pool::is_in)) else {
                continue;
            };
            for service in 0..self.config.services {
                let truth: Vec<NodeId> = leader.database().passing(service).collect();
                if agent.believes(service).is_some_and(|known| known != truth) {
                    let known = agent.believes(service).unwrap_or_default();
                    return Some((
                        node,
                        format!("{node} believes that service {service} runs at {known:?}: {truth:?}"),
                    ));
                }
            }
        }
        None
    }

    /// What a report shows of locks.
    pub fn measure_locks(&self, end: Instant, metrics: &[MetricKind], measures: &mut Measures) {
        self.holders.measure(end, metrics, measures);
    }

    pub fn tracks(&self, end: Instant) -> Vec<Track> {
        vec![self.led.finish(end), self.sessions.finish(end), self.checks.finish(end)]
    }

    /// Reads of the consistent kind, and writes, by what is known of each.
    pub fn linearizable(&self) -> Verdict {
        let detail = "consistent reads and writes, by how many commands had been carried out".to_owned();
        Verdict::Pass { rule: "linearizable", detail }
    }
}

fn key_of(request: &ConsulRequest) -> Option<Key> {
    match request {
        ConsulRequest::Get { key, .. } | ConsulRequest::Set { key, .. } | ConsulRequest::Cas { key, .. } => {
            Some(Key::Value(*key))
        }
        _ => None,
    }
}

/// The server that leads.
fn leader(nodes: &[Option<Machine>]) -> Option<&super::Server> {
    let leads =
        in_the_end::each(nodes).filter_map(|(_, machine)| machine.server()?.leads().map(|term| (term, machine)));
    leads.max_by_key(|(term, _)| *term).and_then(|(_, machine)| machine.server())
}

fn waits(nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
    let mut waiting = in_the_end::each(nodes).filter(|(_, machine)| machine.agent().is_some_and(super::Agent::waits));
    waiting.next().map(|(node, _)| (node, format!("{node} waits for a lock")))
}

/// What the leader's catalog says that is not true.
fn wrong_in_catalog(nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
    let leader = leader(nodes)?;
    for (node, machine) in in_the_end::each(nodes) {
        let Some(pool) = machine.pool().filter(|pool| pool.is_in()) else { continue };
        let registered = leader.database().node(node);
        if pool.has_not_left() && registered.is_none_or(|it| it.health != super::Health::Passing) {
            return Some((node, format!("{node} is there, and the catalog says {:?}", registered.map(|it| it.health))));
        }
        let Some((service, health)) = machine.agent().and_then(super::Agent::offers) else { continue };
        let says = registered.and_then(|it| it.services.get(&service)).map(|it| it.health);
        if says != Some(health) {
            return Some((node, format!("service {service} at {node} is {health:?}, and the catalog says {says:?}")));
        }
    }
    let is_up = |node: NodeId| nodes.get(node.index()).is_some_and(Option::is_some);
    let left = |node: NodeId| {
        nodes[node.index()].as_ref().is_some_and(|it| it.pool().is_some_and(|pool| !pool.has_not_left()))
    };
    for (node, it) in leader.database().nodes() {
        if it.health == super::Health::Passing && !is_up(node) || left(node) {
            return Some((node, format!("{node} is gone, and the catalog says {:?}", it.health)));
        }
    }
    None
}
