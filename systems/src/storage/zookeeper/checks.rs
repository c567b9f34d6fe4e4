//! What must hold: Zab's order and agreement, what sessions are promised, what the lock recipe is.

use super::history::History;
use super::knowing::{self, Knowing};
use super::message::{ZkFact, ZkMessage, ZkRecord, ZkRequest, ZkResponse};
use super::node::Machine;
use super::options::{Config, SyncBy};
use super::recipes_checks::Recipes;
use super::txn::{Path, Place, Session, Txn, Zxid};
use crate::shared::fenced::{Fencing, Write};
use crate::shared::holders::{self, Holders};
use crate::shared::in_the_end;
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::SortedMap;
use sim_core::track::Track;
use sim_core::{ClientId, Duration, Instant, NodeId, Observed, Observer, Outcome, Ticket, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// An epoch has one leader.
    pub const ONE_LEADER: &str = "one_leader_per_epoch";
    /// Whoever has applied a transaction has applied the same ones before it, in the same order.
    pub const TOTAL_ORDER: &str = "total_order";
    /// A number stands for one transaction, and those of a session come in the order of its calls.
    pub const PRIMARY_ORDER: &str = "primary_order";
    /// A follower is told to commit every transaction, in their order.
    pub const COMMITS_IN_ORDER: &str = "commits_in_order";
    /// What a client was told of is in the history of every later leader.
    pub const ACKNOWLEDGED_SURVIVE: &str = "acknowledged_survive";
    /// A session never sees an older state than it has seen, whichever server it is at.
    pub const SESSION_MONOTONIC: &str = "session_monotonic";
    /// A read answers what the one history held as of the transaction that it names.
    pub const READS_OF_HISTORY: &str = "reads_are_of_the_history";
    /// A write comes behind every one that a client was told of before it was asked for.
    pub const WRITES_IN_REAL_TIME: &str = "writes_in_real_time";
    /// A read after a `sync` by a quorum sees every write that a client was told of before.
    pub const SYNCED_READS_ARE_FRESH: &str = "synced_reads_are_fresh";
    /// Of two that believe to hold one lock, the session of one has been ended.
    pub const LOCK_EXCLUDES: &str = "lock_excludes";
    /// A store that goes by tokens takes no write under an older one than it has taken.
    pub const NO_LATE_WRITE: &str = "no_late_write";
    /// Of two that believe to be elected, the session of one has been ended.
    pub const ONE_ELECTED: &str = "one_elected";
    /// Nobody goes into a double barrier before enough have come.
    pub const EVERYBODY_HAS_COME: &str = "everybody_has_come";
    /// Nobody leaves a double barrier while somebody works inside whose session lasts.
    pub const EVERYBODY_IS_DONE: &str = "everybody_is_done";
    /// In the end, nobody waits for a barrier that enough have come to.
    pub const BARRIERS_OPEN: &str = "barriers_open";
    /// In the end, nobody waits for a lock.
    pub const LOCKS_ARE_GRANTED: &str = "locks_are_granted";
    /// In the end, every server that is up serves the same state.
    pub const FOLLOWERS_KEEP_UP: &str = "followers_keep_up";
    /// In the end, whoever watches the configuration knows it.
    pub const WATCHERS_LEARN: &str = "watchers_learn";
    /// Nobody is connected whose session has ended, as the leader has just said.
    pub const ENDED_ARE_REFUSED: &str = "ended_are_refused";
}

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = &[
    MetricKind::new("sessions_lost", "sessions lost", Unit::Number, "sessions that ended though their client lived"),
    holders::OVERLAP,
    holders::TAKEN,
    holders::LATE,
    holders::LATE_TAKEN,
    knowing::HALF,
    knowing::LAST,
    knowing::EVENTS,
];

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct ZkChecks {
    config: Rc<Config>,
    leaders: SortedMap<u32, NodeId>,
    chains: SortedMap<Zxid, (u64, NodeId)>,
    history: History,
    /// The newest transaction that a client was told of.
    told: Zxid,
    /// What that was when each operation began.
    begun: SortedMap<(ClientId, u64), Zxid>,
    holders: Holders,
    recipes: Recipes,
    knowing: Knowing,
    /// What each application knows of the configuration.
    configured: SortedMap<NodeId, u64>,
    lost_sessions: u64,
    reads: u64,
    synced: u64,
    writes: u64,
    /// A session that has ended, as a server is told in this step.
    ended: Option<(NodeId, Session)>,
    refused: u64,
    /// When each server last began to look for a leader.
    looked: SortedMap<NodeId, Instant>,
    led: Track,
    sessions: Track,
    now: Instant,
    broken: Option<Violation>,
}

impl ZkChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let led = Track::new("leaders", "Who led", "An established leader, with its epoch.", "leads").exclusive();
        let about = "Whether each application had a server; its session goes on without one until it ends.";
        let sessions = Track::new("sessions", "Sessions", about, "connected").or("without a server", true);
        Self {
            config: Rc::clone(config),
            leaders: SortedMap::new(),
            chains: SortedMap::new(),
            history: History::default(),
            told: Zxid::ZERO,
            begun: SortedMap::new(),
            holders: Holders::default(),
            recipes: Recipes::default(),
            knowing: Knowing::default(),
            configured: SortedMap::new(),
            lost_sessions: 0,
            reads: 0,
            synced: 0,
            writes: 0,
            ended: None,
            refused: 0,
            looked: SortedMap::new(),
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

    fn on_fact(&mut self, node: NodeId, fact: ZkFact) {
        let at = self.now;
        match fact {
            ZkFact::Established { epoch, last } => {
                let first = *self.leaders.entry(epoch).or_insert(node);
                if first != node {
                    self.breaks(ONE_LEADER, Some(node), format!("{first} and {node} lead in epoch {epoch}"));
                }
                if last < self.told {
                    let told = self.told;
                    let detail = format!("{node} leads epoch {epoch} with {last}, but clients were told of {told}");
                    self.breaks(ACKNOWLEDGED_SURVIVE, Some(node), detail);
                }
                self.history.end_at(epoch, last);
                self.led.begin(at, node, format!("epoch {epoch}"));
            }
            ZkFact::Looking { .. } => {
                self.looked.insert(node, at);
                self.led.end(at, node);
            }
            ZkFact::SteppedDown { .. } => self.led.end(at, node),
            ZkFact::Applied { zxid, chain } => {
                let (first, who) = *self.chains.entry(zxid).or_insert((chain, node));
                if first != chain {
                    let detail = format!("{node} and {who} have both applied {zxid}, and not the same before it");
                    self.breaks(TOTAL_ORDER, Some(node), detail);
                }
            }
            ZkFact::WentBack { seen, zxid } => {
                self.breaks(SESSION_MONOTONIC, Some(node), format!("{node} was answered as of {zxid} after {seen}"));
            }
            ZkFact::CommitGap { zxid } => {
                let detail = format!("{node} is told to commit {zxid}, and something else comes before it");
                self.breaks(COMMITS_IN_ORDER, Some(node), detail);
            }
            ZkFact::Holds { lock, token, session } => {
                let two = self.holders.take(at, node, (lock, u64::from(token), session.0, true), |session| {
                    self.history.closed(Session(session)).is_some()
                });
                // Who takes it late, after a pause, is as wrong as who holds it too long.
                if let Some(other) = two.filter(|_| self.history.closed(session).is_none()) {
                    let detail = format!("{node} has lock {lock} by number {token}, and so has {other}");
                    self.breaks(LOCK_EXCLUDES, Some(node), detail);
                }
            }
            ZkFact::Written { write, accepted } => self.on_stored(node, write, accepted),
            ZkFact::LetsGo { lock, .. } => self.holders.let_go(at, node, lock),
            ZkFact::Configured { data } => {
                self.configured.insert(node, data);
                self.knowing.learn(at, node, data);
            }
            ZkFact::Opened { .. } => {}
            ZkFact::LostSession { .. } => {
                self.lost_sessions += 1;
                self.configured.remove(&node);
                self.knowing.forget(node);
                self.sessions.end(at, node);
            }
            ZkFact::Disconnected { .. } => {
                self.sessions.begin_as(1, at, node, "");
            }
            ZkFact::Reconnected { session } => self.sessions.begin(at, node, format!("{:x}", session.0)),
            ZkFact::Leads { .. }
            | ZkFact::Resigns { .. }
            | ZkFact::Enters { .. }
            | ZkFact::Finishes { .. }
            | ZkFact::Leaves { .. } => {
                if let Err((rule, detail)) = self.recipes.on_fact(at, node, fact, (&self.config, &self.history)) {
                    self.breaks(rule, Some(node), detail);
                }
            }
            ZkFact::Elected { .. }
            | ZkFact::Synchronises { .. }
            | ZkFact::Follows { .. }
            | ZkFact::Proposed { .. }
            | ZkFact::Expires { .. } => {}
        }
    }

    fn on_stored(&mut self, node: NodeId, write: Write, accepted: bool) {
        let Write { lock, token, .. } = write;
        let path = Path::child(Place::Lock(lock), token as u32);
        let applied = self.chains.last_key_value().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        let is_held = self.history.is_queued(path, applied);
        let wrong = self.holders.stored(self.now, write, accepted, is_held);
        if let Some(detail) = wrong.filter(|_| self.config.fencing == Fencing::Token) {
            self.breaks(NO_LATE_WRITE, Some(node), detail);
        }
    }

    fn on_return(&mut self, ticket: Ticket, request: &ZkRequest, outcome: &Outcome<ZkResponse>) {
        let before = self.begun.remove(&(ticket.client, ticket.op)).unwrap_or(Zxid::ZERO);
        let Outcome::Ok(response) = outcome else { return };
        let whose = format!("operation {} of {}", ticket.op, ticket.client);
        match (request, response) {
            (ZkRequest::Get { key } | ZkRequest::SyncedGet { key }, ZkResponse::Value { value, zxid }) => {
                self.reads += 1;
                let held = self.history.value(Path::of(Place::Key(*key)), *zxid);
                if held != *value {
                    let detail = format!("{whose}: key {key} held {held:x} as of {zxid}, not {value:x}");
                    self.breaks(READS_OF_HISTORY, None, detail);
                }
                if matches!(request, ZkRequest::SyncedGet { .. }) && self.config.sync_by == SyncBy::Quorum {
                    self.synced += 1;
                    if *zxid < before {
                        let detail = format!("{whose}: as of {zxid}, though {before} was told of before it was asked");
                        self.breaks(SYNCED_READS_ARE_FRESH, None, detail);
                    }
                }
            }
            (_, ZkResponse::Done { zxid }) => {
                self.writes += 1;
                if *zxid <= before {
                    let detail = format!("{whose}: became {zxid}, though {before} was told of before it was asked");
                    self.breaks(WRITES_IN_REAL_TIME, None, detail);
                }
                self.told = self.told.max(*zxid);
            }
            _ => {}
        }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let n = self.history.len();
        let passed = |rule, detail: String| Verdict::Pass { rule, detail };
        let counted = |rule, many: u64, what: &str| match many {
            0 => Verdict::Inconclusive { rule, why: format!("there were no {what}") },
            many => Verdict::Pass { rule, detail: format!("{many} {what}") },
        };
        let mut all = vec![
            counted(ONE_LEADER, self.leaders.len() as u64, "epochs"),
            counted(TOTAL_ORDER, self.chains.len() as u64, "states"),
            counted(PRIMARY_ORDER, n as u64, "transactions"),
            counted(ACKNOWLEDGED_SURVIVE, self.writes, "acknowledged writes"),
            counted(COMMITS_IN_ORDER, n as u64, "transactions"),
            counted(SESSION_MONOTONIC, self.reads + self.writes, "answers"),
            counted(READS_OF_HISTORY, self.reads, "reads"),
            counted(WRITES_IN_REAL_TIME, self.writes, "writes"),
            passed(ENDED_ARE_REFUSED, format!("{} sessions that had ended", self.refused)),
            passed(LOCK_EXCLUDES, format!("{} times", self.holders.taken)),
            in_the_end::verdict(LOCKS_ARE_GRANTED, self.now, Self::waits(nodes)),
            in_the_end::verdict(FOLLOWERS_KEEP_UP, self.now, self.lags(nodes)),
            in_the_end::verdict(WATCHERS_LEARN, self.now, self.unaware(nodes)),
        ];
        if self.recipes.elections > 0 {
            all.push(passed(ONE_ELECTED, format!("{} elections", self.recipes.elections)));
        }
        if self.recipes.entries > 0 {
            let Recipes { entries, exits, .. } = self.recipes;
            all.push(passed(EVERYBODY_HAS_COME, format!("{entries} went in")));
            all.push(counted(EVERYBODY_IS_DONE, exits, "exits from barriers"));
            all.push(in_the_end::verdict(BARRIERS_OPEN, self.now, self.closed(nodes)));
        }
        if self.config.fencing == Fencing::Token && self.config.stores > 0 {
            all.push(counted(NO_LATE_WRITE, self.holders.writes[0], "writes to the store"));
        }
        if self.config.sync_by == SyncBy::Quorum {
            all.push(passed(SYNCED_READS_ARE_FRESH, format!("{} reads", self.synced)));
        }
        all
    }

    /// What the rules above, which have held after every step, say about an order of all: that of the transactions.
    pub(super) fn linearizable(&self) -> Verdict {
        let rule = "linearizable";
        let reads = match self.config.sync_by {
            SyncBy::Quorum => format!("{} synced reads", self.synced),
            SyncBy::Leader => "no reads: `sync` asks the leader alone".to_owned(),
        };
        match self.writes {
            0 => Verdict::Inconclusive { rule, why: "no write succeeded".to_owned() },
            n => Verdict::Pass { rule, detail: format!("{n} writes and {reads}, by the order of their transactions") },
        }
    }

    fn waits(nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let apps = in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.app()?)));
        let mut waiting = apps.filter(|(_, app)| app.locks() > 0);
        waiting.next().map(|(node, app)| (node, format!("{node} waits for {} locks", app.locks())))
    }

    /// Whoever has just begun to look for a leader, because something was late, has time to find one.
    fn lags(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let patience = Duration(self.config.init_limit.0 + self.config.sync_limit.0).times(2);
        let lately = |node: NodeId| self.looked.get(&node).is_some_and(|since| self.now.since(*since) < patience);
        let servers = in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.server()?)));
        // Nor is anything asked of one that is about to look for one.
        let servers: Vec<_> = servers.filter(|(node, server)| !lately(*node) && !server.is_busy()).collect();
        let Some((leader, first)) = servers.iter().find(|(_, server)| server.leads().is_some()) else {
            return servers.first().map(|(node, _)| (*node, "nobody leads".to_owned()));
        };
        let state = |server: &super::server::Server| (server.tree().last(), server.tree().chain());
        let behind = |server: &super::server::Server| !server.serves() || state(server) != state(first);
        servers.iter().find(|(_, server)| behind(server)).map(|(node, server)| {
            let (here, there) = (server.tree().last(), first.tree().last());
            (*node, format!("{node} is at {here}, the leader {leader} at {there}"))
        })
    }

    /// A barrier that enough have come to.
    fn closed(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let mut servers = in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.server()?)));
        let (node, leader) = servers.find(|(_, server)| server.leads().is_some())?;
        let barriers = leader.tree().barriers();
        let mut closed = barriers.filter(|(_, _, many)| *many >= self.config.barrier);
        closed.next().map(|(path, _, many)| (node, format!("{many} wait at {path}")))
    }

    fn unaware(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let leader = in_the_end::each(nodes)
            .find(|(_, machine)| machine.server().is_some_and(|server| server.leads().is_some()));
        let config = leader.and_then(|(_, machine)| machine.server()?.tree().get(Path::of(Place::Config)))?;
        let apps =
            in_the_end::each(nodes).filter(|(_, machine)| machine.app().is_some_and(|app| app.server().is_some()));
        let mut unaware = apps.filter(|(node, _)| self.configured.get(node).is_some_and(|data| *data != config.data));
        unaware.next().map(|(node, _)| {
            (node, format!("{node} knows configuration {:?}, and it is {:x}", self.configured.get(&node), config.data))
        })
    }

    /// What a report shows of a run.
    pub(super) fn measures(&self, end: Instant) -> Measures {
        let mut measures =
            Measures { tracks: vec![self.led.finish(end), self.sessions.finish(end)], ..Measures::default() };
        measures.set(METRICS, "sessions_lost", self.lost_sessions as f64);
        if self.recipes.elections > 0 {
            measures.tracks.push(self.recipes.track(end));
        }
        self.knowing.figures().for_each(|(name, value)| measures.set(METRICS, name, value));
        measures.tables.extend(self.knowing.table());
        measures.curves.extend(self.knowing.curve());
        self.holders.measure(end, METRICS, &mut measures);
        measures
    }
}

impl Observer<Machine> for ZkChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Appended { node, record: ZkRecord::Txn(entry), .. } => {
                let known = self.history.has(entry.zxid);
                if let (false, Txn::Set { path, data, .. }) = (known, &entry.txn)
                    && *path == Path::of(Place::Config)
                {
                    self.knowing.change(at, *data);
                }
                if let Err(detail) = self.history.add(at, entry) {
                    self.breaks(PRIMARY_ORDER, Some(*node), format!("{node} writes {detail}"));
                }
            }
            Observed::Sent { message: ZkMessage::Event { .. }, .. } => self.knowing.events += 1,
            Observed::Delivered { to, message: ZkMessage::Revalidated { session, alive }, .. } => {
                self.refused += u64::from(!alive);
                self.ended = (!alive).then_some((*to, *session));
            }
            Observed::Sent { from, to, message: ZkMessage::Connected { session }, .. }
                if self.ended == Some((*from, *session)) =>
            {
                let detail =
                    format!("{from} connects {to}, whose session {:x} has ended, as its leader says", session.0);
                self.breaks(ENDED_ARE_REFUSED, Some(*from), detail);
            }
            Observed::Delivered { to, message: ZkMessage::Connected { session }, .. } => {
                self.sessions.begin(at, *to, format!("{:x}", session.0));
            }
            Observed::Crashed { node, .. } => {
                self.led.end(at, *node);
                self.sessions.end(at, *node);
                self.holders.crash(at, *node);
                self.configured.remove(node);
                self.knowing.forget(*node);
                self.recipes.crash(at, *node);
            }
            Observed::Invoked { ticket, .. } => {
                self.begun.insert((ticket.client, ticket.op), self.told);
            }
            Observed::Returned { ticket, request, outcome, .. } => self.on_return(*ticket, request, outcome),
            _ => {}
        }
    }

    fn after_step(&mut self, _: Instant, _: NodeId, _: &[Option<Machine>]) -> Result<(), Violation> {
        self.ended = None;
        self.broken.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::ZkOptions;
    use super::*;

    #[test]
    fn a_server_that_connects_whose_session_has_ended_is_found() {
        let config = Rc::new(ZkOptions::default().validate(&sim_core::Shape::plain(3)).expect("sound options"));
        let (server, client, session) = (NodeId(1), NodeId(4), Session(77));
        let run = |alive: bool, another_step: bool| {
            let mut checks = ZkChecks::new(&config);
            let word = ZkMessage::Revalidated { session, alive };
            let told = Observed::Delivered { from: NodeId(0), to: server, number: 1, message: &word };
            checks.observe(Instant(7), &told);
            if another_step {
                checks.after_step(Instant(7), server, &[]).expect("nothing is wrong so far");
            }
            let (message, arrives) = (&ZkMessage::Connected { session }, Instant(8));
            checks.observe(Instant(7), &Observed::Sent { from: server, to: client, message, arrives, number: 1 });
            checks.after_step(Instant(7), server, &[]).map_err(|violation| violation.rule)
        };
        assert_eq!(run(false, false), Err(ENDED_ARE_REFUSED.to_owned()));
        assert_eq!((run(true, false), run(false, true)), (Ok(()), Ok(())));
    }
}
