//! A server: its member of the group, what agents ask it, queries that wait for a change, and lock-delay.

use super::bugs::ConsulBug;
use super::database::{Answer, Command, Database, Index, Key, Looks};
use super::leader::{Lead, Pending};
use super::message::{Ask, Consistency, ConsulFact, ConsulMessage, ConsulRecord, Told, Watched};
use super::node::{CLOCK, Fx, Machine};
use super::options::Config;
use super::pool::{Changes, Pool};
use crate::consensus::raft::Raft;
use crate::shared::replication::{Asker, Council, News, Proposal, Reign, hosts};
use sim_core::sorted::SortedMap;
use sim_core::{Completion, Duration, LocalInstant, NodeId, Replay, Timer};
use std::rc::Rc;

/// The first timer slot of the group.
pub(super) const TIMERS_FROM: u16 = 3;
/// Its log on the disk.
pub(super) const LANE: u16 = 1;

/// A member of the group.
pub(super) type Member = Raft<Database>;

hosts! {
    Machine: Member => ConsulMessage::Group, ConsulRecord::Group, ConsulFact::Group;
    |node| node.server().map(|server| &server.council)
}

/// A query that waits.
#[derive(Clone, Debug)]
struct Blocked {
    agent: NodeId,
    number: u64,
    what: Watched,
    index: Index,
    until: LocalInstant,
    /// Whether only the leader may answer it.
    leader: bool,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    pub(super) council: Council<Member>,
    /// What it does beside, while it leads.
    pub(super) lead: Option<Box<Lead>>,
    blocked: Vec<Blocked>,
    /// Until when locks are closed, by this server's memory.
    delays: SortedMap<Key, LocalInstant>,
    /// Reads that wait for a quorum's word.
    confirms: SortedMap<u64, (NodeId, u64, Key)>,
    last_confirm: u64,
}

impl Server {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, ConsulRecord>, fx: &mut Fx<'_>) -> Self {
        let council = Council::boot(&config.group(), (TIMERS_FROM, LANE), disk, fx);
        Self {
            config: Rc::clone(config),
            me,
            council,
            lead: None,
            blocked: Vec::new(),
            delays: SortedMap::new(),
            confirms: SortedMap::new(),
            last_confirm: 0,
        }
    }

    /// The database, as far as it has carried out what was decided.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.council.machine()
    }

    /// The term in which it leads, once it tends sessions and the catalog.
    #[must_use]
    pub fn leads(&self) -> Option<u64> {
        self.lead.as_ref().filter(|lead| lead.established).map(|lead| lead.reign.0)
    }

    /// Puts a command into the log, and remembers what for.
    pub(super) fn propose(&mut self, command: Command, what: Pending, fx: &mut Fx<'_>) {
        if let Some(proposal) = self.council.propose(command, fx)
            && let Some(lead) = &mut self.lead
        {
            lead.pending.insert(proposal, what);
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: ConsulMessage, pool: &Pool, fx: &mut Fx<'_>) {
        match message {
            ConsulMessage::Group(inner) => self.council.on_message(from, inner, fx),
            ConsulMessage::Rpc { number, ask } => self.on_ask(from, number, ask, fx),
            ConsulMessage::Forward { agent, number, ask } if self.leads().is_some() => {
                self.as_leader(agent, number, ask, fx);
            }
            ConsulMessage::Forward { agent, number, .. } => self.reply(agent, number, Told::NoLeader, fx),
            _ => {}
        }
        self.follow(pool, fx);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, pool: &Pool, fx: &mut Fx<'_>) {
        if timer == CLOCK {
            self.on_clock(pool, fx);
        } else {
            self.council.on_timer(timer, fx);
        }
        self.follow(pool, fx);
    }

    pub(super) fn on_disk(&mut self, done: &Completion<ConsulRecord>, pool: &Pool, fx: &mut Fx<'_>) {
        self.council.on_disk(done, fx);
        self.follow(pool, fx);
    }

    /// Something is due.
    fn on_clock(&mut self, pool: &Pool, fx: &mut Fx<'_>) {
        let now = fx.now();
        let over: Vec<usize> =
            self.blocked.iter().enumerate().filter(|(_, query)| query.until <= now).map(|(at, _)| at).collect();
        for at in over.into_iter().rev() {
            let query = self.blocked.swap_remove(at);
            self.answer_query(&query, fx);
        }
        self.delays.retain(|_, until| *until > now);
        self.tend(pool, fx);
    }

    /// What the pool has learned: the leader sees to it that the catalog says the same.
    pub(super) fn on_changes(&mut self, changes: &Changes, pool: &Pool, fx: &mut Fx<'_>) {
        for (node, _) in changes {
            self.reconcile(*node, pool, fx);
        }
        self.follow(pool, fx);
    }

    /// Takes in what the group has decided, and what that makes of this server.
    pub(super) fn follow(&mut self, pool: &Pool, fx: &mut Fx<'_>) {
        loop {
            let mut changed = false;
            while let Some(news) = self.council.news() {
                match news {
                    News::Anew => {
                        // Lock-delay is nothing that a snapshot knows of.
                        self.delays.clear();
                        fx.note(ConsulFact::Restored { carried: self.database().carried() });
                        changed = true;
                    }
                    News::Decided(decided) => {
                        let (number, command, answer) = (decided.number, decided.command, decided.response);
                        fx.note(ConsulFact::Decided { number, command, answer });
                        self.on_decided(number, command, fx);
                        changed = true;
                    }
                    News::Settled(proposal, answer) => self.on_settled(proposal, answer, fx),
                    News::Answer(Asker::Node(_, op), answer) => self.on_confirmed(op, answer.is_ok(), fx),
                    News::Answer(..) => {}
                }
            }
            if changed {
                self.wake_queries(fx);
            }
            if !self.come_or_go(pool, fx) {
                break;
            }
        }
        self.arm_clock(fx);
    }

    /// Begins to lead, or stops. Whether there may be more to take in.
    fn come_or_go(&mut self, pool: &Pool, fx: &mut Fx<'_>) -> bool {
        let reign = self.council.leads();
        if self.lead.as_ref().is_some_and(|lead| reign != Some(lead.reign)) {
            self.step_down(fx);
        }
        match (reign, &self.lead) {
            (Some(reign), None) => {
                self.begin_to_lead(reign, pool, fx);
                true
            }
            _ => false,
        }
    }

    /// It leads; it tends nothing before it has applied all that was decided before.
    fn begin_to_lead(&mut self, reign: Reign, _: &Pool, fx: &mut Fx<'_>) {
        self.lead = Some(Box::new(Lead::new(reign, fx.now(), &self.config)));
        let looks = Looks::with(self.config.bug);
        self.propose(Command::Barrier { looks }, Pending::Barrier, fx);
    }

    fn step_down(&mut self, fx: &mut Fx<'_>) {
        let Some(lead) = self.lead.take() else { return };
        if lead.established {
            fx.note(ConsulFact::SteppedDown { term: lead.reign.0 });
        }
        let (gone, rest): (Vec<Blocked>, _) = core::mem::take(&mut self.blocked).into_iter().partition(|it| it.leader);
        self.blocked = rest;
        for query in gone {
            self.reply(query.agent, query.number, Told::NoLeader, fx);
        }
    }

    fn on_decided(&mut self, number: u64, command: Command, fx: &mut Fx<'_>) {
        let now = fx.now();
        let freed: Vec<Key> = self.database().freed_by(number).collect();
        for key in freed {
            self.delays.insert(key, now + self.config.lock_delay);
        }
        match command {
            // Whoever waits has to begin anew.
            Command::Restore => self.blocked.iter_mut().for_each(|query| query.index = Index(0)),
            Command::Open { session, .. } => self.begin_session(session, fx),
            Command::End { session, .. } => self.forget_session(session),
            _ => {}
        }
    }

    fn on_settled(&mut self, proposal: Proposal, answer: Option<Answer>, fx: &mut Fx<'_>) {
        let Some(what) = self.lead.as_mut().and_then(|lead| lead.pending.remove(&proposal)) else { return };
        match (what, answer) {
            // Nobody knows whether it was decided.
            (_, None) => {}
            (Pending::Barrier, Some(_)) => self.establish(fx),
            (Pending::Reply(agent, number), Some(answer)) => self.reply(agent, number, Told::Answer(answer), fx),
            (Pending::Synced(agent, number, repaired), Some(_)) => {
                self.reply(agent, number, Told::Synced(repaired), fx);
            }
            (Pending::Nothing, Some(_)) => {}
        }
    }

    pub(super) fn reply(&self, agent: NodeId, number: u64, told: Told, fx: &mut Fx<'_>) {
        fx.send(agent, ConsulMessage::Reply { number, told, as_of: self.database().carried() });
    }

    /// An agent asks something: this server answers, or passes it on to the leader.
    fn on_ask(&mut self, agent: NodeId, number: u64, ask: Ask, fx: &mut Fx<'_>) {
        if ask.consistency() == Consistency::Stale {
            return match ask {
                Ask::Read(key, _) => self.reply(agent, number, self.row(key), fx),
                Ask::Watch(what, index, _) => self.watch(agent, number, what, index, false, fx),
                Ask::Change(_) | Ask::Renew(_) | Ask::Sync(_) => {}
            };
        }
        if self.leads().is_some() {
            return self.as_leader(agent, number, ask, fx);
        }
        match self.council.led_by() {
            Some((leader, _)) if leader != self.me => {
                fx.send(leader, ConsulMessage::Forward { agent, number, ask });
            }
            _ => self.reply(agent, number, Told::NoLeader, fx),
        }
    }

    /// It leads, and is asked something.
    fn as_leader(&mut self, agent: NodeId, number: u64, ask: Ask, fx: &mut Fx<'_>) {
        match ask {
            Ask::Change(command) => {
                if let Command::Acquire { key, .. } = command {
                    if self.delays.get(&key).is_some_and(|until| *until > fx.now()) {
                        return self.reply(agent, number, Told::Delayed, fx);
                    }
                    fx.note(ConsulFact::Admits { key });
                }
                self.propose(command, Pending::Reply(agent, number), fx);
            }
            Ask::Read(key, Consistency::Consistent) => {
                self.last_confirm += 1;
                self.confirms.insert(self.last_confirm, (agent, number, key));
                let asker = Asker::Node(self.me, self.last_confirm);
                self.council.on_request(asker, Command::Confirm, fx);
            }
            Ask::Read(key, _) => self.reply(agent, number, self.row(key), fx),
            Ask::Renew(session) => {
                let lasts = self.renew(session, fx);
                self.reply(agent, number, Told::Renewed(lasts), fx);
            }
            Ask::Watch(what, index, _) => self.watch(agent, number, what, index, true, fx),
            Ask::Sync(services) => self.sync(agent, number, &services, fx),
        }
    }

    /// A quorum has confirmed that it leads, or it does not any more.
    fn on_confirmed(&mut self, op: u64, leads: bool, fx: &mut Fx<'_>) {
        let Some((agent, number, key)) = self.confirms.remove(&op) else { return };
        let told = if leads { self.row(key) } else { Told::NoLeader };
        self.reply(agent, number, told, fx);
    }

    fn row(&self, key: Key) -> Told {
        let (row, index) = (self.database().row(key), self.database().index_of(key));
        let (value, session) = row.map_or((0, None), |row| (row.value, row.session));
        Told::Row { value, index, session, found: row.is_some() }
    }

    fn index_of(&self, what: Watched) -> Index {
        match what {
            Watched::Key(key) => self.database().index_of(key),
            Watched::Service(service) => self.database().index_of_service(service),
        }
    }

    fn watch(&mut self, agent: NodeId, number: u64, what: Watched, index: Index, leader: bool, fx: &mut Fx<'_>) {
        let wait = self.config.wait;
        let jitter = Duration(fx.rng().below(wait.0 / 16 + 1));
        let until = fx.now() + wait + jitter;
        let query = Blocked { agent, number, what, index, until, leader };
        if self.is_due(&query) {
            self.answer_query(&query, fx);
        } else {
            // The agent asks again, to see whether it still waits.
            let before = self.blocked.iter().any(|older| (older.agent, older.number) == (agent, number));
            if before {
                self.reply(agent, number, Told::Waiting, fx);
            } else {
                self.blocked.push(query);
            }
        }
    }

    fn is_due(&self, query: &Blocked) -> bool {
        query.index == Index(0) || self.index_of(query.what) > query.index
    }

    fn answer_query(&self, query: &Blocked, fx: &mut Fx<'_>) {
        let told = match query.what {
            Watched::Key(key) => self.row(key),
            Watched::Service(service) => {
                let index = self.database().index_of_service(service);
                Told::Instances { nodes: self.database().passing(service).collect(), index }
            }
        };
        self.reply(query.agent, query.number, told, fx);
    }

    fn wake_queries(&mut self, fx: &mut Fx<'_>) {
        let due: Vec<usize> =
            self.blocked.iter().enumerate().filter(|(_, query)| self.is_due(query)).map(|(at, _)| at).collect();
        for at in due.into_iter().rev() {
            let query = self.blocked.swap_remove(at);
            self.answer_query(&query, fx);
        }
    }

    /// Whether an operator's bug is on.
    pub(super) fn has(&self, bug: ConsulBug) -> bool {
        self.config.has(bug)
    }

    /// Wakes up when something is due next.
    fn arm_clock(&self, fx: &mut Fx<'_>) {
        let queries = self.blocked.iter().map(|query| query.until);
        let next = queries.chain(self.lead.as_ref().and_then(|lead| lead.next_due())).min();
        match next {
            Some(due) => fx.arm(CLOCK, Duration(due.0.saturating_sub(fx.now().0).max(1))),
            None => fx.disarm(CLOCK),
        }
    }
}
