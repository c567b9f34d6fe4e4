//! What a master knows beside the database: sessions and their leases, who has what in its cache, who waits for what.
//! None of it survives the master: the next one makes it anew (section 2.9).

use super::bugs::ChubbyBug;
use super::database::{Answer, ByFile, CallNumber, Command, Epoch, Path, Session};
use super::message::{ChubbyFact, ChubbyMessage, Event};
use super::node::Fx;
use super::server::Server;
use crate::shared::replication::{Proposal, Reign};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant, NodeId};
use std::collections::VecDeque;

/// How far a master has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Its epoch is not decided.
    Claiming,
    /// The lease of the master before may last: it says who it is, and nothing else.
    Waiting,
    /// Sessions are kept alive, and hear that it is new.
    TakingOver,
    /// It serves.
    Serving,
}

/// What a proposal of the master is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    Claim {
        at: LocalInstant,
    },
    Renew {
        at: LocalInstant,
    },
    Open {
        session: Session,
        asked: (u64, LocalInstant),
    },
    /// A call that only has to be answered.
    Call(Caller),
    /// The oldest write of a file.
    Write {
        path: Path,
        by: Caller,
    },
    /// Whoever has waited longest for a lock.
    Grant {
        path: Path,
        to: Caller,
    },
    /// Whoever lets a lock go.
    Release {
        path: Path,
        by: Caller,
    },
    Nothing,
}

/// Which call of which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller {
    pub session: Session,
    pub number: CallNumber,
}

/// A session, as the master counts.
#[derive(Clone, Debug)]
pub(super) struct Tended {
    /// When its lease runs out.
    pub ends: LocalInstant,
    /// The KeepAlive that waits for its answer, and since when.
    kept: Option<(u64, LocalInstant)>,
    /// What it was told and has not said it heard; the number of the first of it.
    first: u64,
    events: VecDeque<Event>,
    /// Its end is being decided.
    ending: bool,
}

/// A master.
#[derive(Clone, Debug)]
pub(super) struct Master {
    pub reign: Reign,
    pub epoch: Epoch,
    pub stage: Stage,
    /// When the lease of the master before has surely run out.
    pub waits_until: LocalInstant,
    /// Its own lease.
    pub lease_until: LocalInstant,
    pub renew_at: LocalInstant,
    pub pending: SortedMap<Proposal, Pending>,
    pub sessions: SortedMap<Session, Tended>,
    /// Who may have which file in its cache.
    pub caches: ByFile,
    /// Who has which ephemeral file open.
    pub open: ByFile,
    /// Writes of each file, oldest first: only the first is ever proposed, once nobody has the file in its cache.
    pub writes: SortedMap<Path, VecDeque<(Caller, Command)>>,
    pub writing: SortedSet<Path>,
    /// Who waits for each lock, longest first.
    pub waiting: SortedMap<Path, VecDeque<(Caller, Command)>>,
    pub granting: SortedSet<Path>,
    /// Calls that are under way.
    pub active: SortedSet<Caller>,
    /// Closed locks, and when that is over.
    pub delays: SortedMap<Path, LocalInstant>,
    /// When ephemeral files go that nobody has opened by then.
    pub sweep: Option<LocalInstant>,
    /// What came too early.
    pub early: Vec<(NodeId, LocalInstant, ChubbyMessage)>,
}

impl Master {
    pub fn new(reign: Reign, now: LocalInstant) -> Self {
        Self {
            reign,
            epoch: Epoch(0),
            stage: Stage::Claiming,
            waits_until: now,
            lease_until: now,
            renew_at: now,
            pending: SortedMap::new(),
            sessions: SortedMap::new(),
            caches: ByFile::new(),
            open: ByFile::new(),
            writes: SortedMap::new(),
            writing: SortedSet::new(),
            waiting: SortedMap::new(),
            granting: SortedSet::new(),
            active: SortedSet::new(),
            delays: SortedMap::new(),
            sweep: None,
            early: Vec::new(),
        }
    }

    /// Machines that may count on it.
    pub fn clients(&self) -> SortedSet<NodeId> {
        let tended = self.sessions.keys().map(|session| session.node());
        tended.chain(self.early.iter().map(|(from, ..)| *from)).collect()
    }

    fn tend(&mut self, session: Session, ends: LocalInstant) -> &mut Tended {
        let tended = Tended { ends, kept: None, first: 1, events: VecDeque::new(), ending: false };
        self.sessions.entry(session).or_insert(tended)
    }

    /// When it has to do something next.
    pub fn next_due(&self, now: LocalInstant, answer_before: Duration) -> Option<LocalInstant> {
        let of_sessions = self.sessions.values().filter(|tended| !tended.ending).map(|tended| match tended.kept {
            Some(_) => LocalInstant(tended.ends.0.saturating_sub(answer_before.0)),
            None => tended.ends,
        });
        match self.stage {
            Stage::Claiming => None,
            _ if !self.has_lease(now) => Some(self.renew_at),
            Stage::Waiting => Some(self.waits_until.min(self.renew_at)),
            Stage::TakingOver | Stage::Serving => {
                of_sessions.chain(self.delays.values().copied()).chain(self.sweep).chain([self.renew_at]).min()
            }
        }
    }

    /// Whether a majority has said lately that it is the master.
    pub fn has_lease(&self, now: LocalInstant) -> bool {
        now < self.lease_until
    }
}

impl Server {
    /// What only a master can answer.
    pub(super) fn on_client(&mut self, from: NodeId, received: LocalInstant, message: ChubbyMessage, fx: &mut Fx<'_>) {
        let now = fx.now();
        let Some(master) = &mut self.master else {
            let hint = self.council.led_by().map(|(leader, _)| leader).filter(|leader| *leader != self.me);
            return fx.send(from, ChubbyMessage::NotMaster { hint });
        };
        let epoch = match message {
            // Until its epoch is decided, nothing can be said.
            _ if master.stage == Stage::Claiming => return master.early.push((from, received, message)),
            ChubbyMessage::Find => return fx.send(from, ChubbyMessage::Found { epoch: master.epoch }),
            ChubbyMessage::Open { epoch, .. }
            | ChubbyMessage::KeepAlive { epoch, .. }
            | ChubbyMessage::Call { epoch, .. } => epoch,
            _ => return,
        };
        let looks = !self.config.has(ChubbyBug::OldEpoch);
        if epoch != master.epoch && (looks || !matches!(message, ChubbyMessage::Call { .. })) {
            return fx.send(from, ChubbyMessage::Found { epoch: master.epoch });
        }
        let keeps_alive = matches!(message, ChubbyMessage::KeepAlive { .. });
        let least = if keeps_alive { Stage::TakingOver } else { Stage::Serving };
        if master.stage < least || !master.has_lease(now) {
            return master.early.push((from, received, message));
        }
        match message {
            ChubbyMessage::Open { session, number, .. } => self.on_open(session, (number, received), fx),
            ChubbyMessage::KeepAlive { session, number, heard, .. } => {
                self.on_keep_alive(session, (number, received), heard, fx)
            }
            ChubbyMessage::Call { epoch, session, number, floor, ask } => {
                self.on_call(epoch, Caller { session, number }, floor, ask, fx);
            }
            _ => {}
        }
    }

    /// What came too early may be answered now.
    pub(super) fn replay(&mut self, fx: &mut Fx<'_>) {
        let early = self.master.as_mut().map(|master| core::mem::take(&mut master.early)).unwrap_or_default();
        for (from, received, message) in early {
            self.on_client(from, received, message, fx);
        }
    }

    fn on_open(&mut self, session: Session, asked: (u64, LocalInstant), fx: &mut Fx<'_>) {
        let Some(master) = &mut self.master else { return };
        let epoch = master.epoch;
        if master.sessions.get(&session).is_some_and(|tended| !tended.ending) {
            return self.on_opened(session, asked, fx);
        }
        self.propose(Command::Open { epoch, session }, Pending::Open { session, asked }, fx);
    }

    fn on_opened(&mut self, session: Session, (number, received): (u64, LocalInstant), fx: &mut Fx<'_>) {
        let (now, lease) = (fx.now(), self.config.lease);
        let Some(master) = &mut self.master else { return };
        let epoch = master.epoch;
        master.tend(session, now + lease).ends = now + lease;
        let granted = now.since(received).0 + lease.0;
        fx.send(session.node(), ChubbyMessage::Opened { epoch, session, number, granted });
    }

    fn on_keep_alive(&mut self, session: Session, kept: (u64, LocalInstant), heard: u64, fx: &mut Fx<'_>) {
        let Some(master) = &mut self.master else { return };
        let epoch = master.epoch;
        let Some(tended) = master.sessions.get_mut(&session) else {
            return fx.send(session.node(), ChubbyMessage::Gone { epoch, session });
        };
        tended.kept = Some(kept);
        let mut changed = Vec::new();
        while tended.first <= heard
            && let Some(event) = tended.events.pop_front()
        {
            tended.first += 1;
            if let Event::Changed(path) = event {
                changed.push(path);
            }
        }
        self.answer_if_due(session, fx);
        for path in changed {
            self.drop_cache(path, session, fx);
        }
        self.serve_if_all_know(fx);
    }

    /// Answers the KeepAlive of a session if there is something to tell, or its lease is about to run out.
    fn answer_if_due(&mut self, session: Session, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), &self.config);
        let Some(master) = self.master.as_mut().filter(|master| master.has_lease(now)) else { return };
        let epoch = master.epoch;
        let Some(tended) = master.sessions.get_mut(&session).filter(|tended| !tended.ending) else { return };
        let due = !tended.events.is_empty() || tended.ends.0.saturating_sub(config.answer_before.0) <= now.0;
        let Some((number, received)) = tended.kept.filter(|_| due) else { return };
        tended.kept = None;
        tended.ends = now + config.lease;
        let granted = now.since(received).0 + config.lease.0;
        let (first, events) = (tended.first, tended.events.iter().copied().collect());
        fx.send(session.node(), ChubbyMessage::KeptAlive { epoch, session, number, granted, first, events });
    }

    /// Tells a session something: with the answer to its KeepAlive.
    pub(super) fn tell(&mut self, session: Session, event: Event, fx: &mut Fx<'_>) {
        if let Some(tended) = self.master.as_mut().and_then(|master| master.sessions.get_mut(&session)) {
            tended.events.push_back(event);
        }
        self.answer_if_due(session, fx);
    }

    /// The lease of the master before has run out. Steps 3 to 5: sessions and locks as the database has them, each
    /// session with the longest lease that it may have been given; all hear that there is a new master.
    fn take_over(&mut self, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), self.config.clone());
        let sessions: Vec<Session> = self.council.machine().sessions().collect();
        let delayed: Vec<Path> = self.council.machine().delayed().collect();
        let Some(master) = &mut self.master else { return };
        let lease = if config.has(ChubbyBug::ForgottenLeases) { Duration::ZERO } else { config.lease };
        let ends = now + lease;
        master.stage = Stage::TakingOver;
        for session in &sessions {
            master.tend(*session, ends).events.push_back(Event::FailOver);
        }
        master.delays = delayed.into_iter().map(|path| (path, now + config.lock_delay)).collect();
        fx.note(ChubbyFact::TakesOver { epoch: master.epoch, sessions: sessions.len() as u32 });
        self.replay(fx);
        self.serve_if_all_know(fx);
    }

    /// Steps 6 and 7: every session has heard that the master is new, or has ended.
    pub(super) fn serve_if_all_know(&mut self, fx: &mut Fx<'_>) {
        let (now, wait) = (fx.now(), self.config.ephemeral_wait);
        let Some(master) = self.master.as_mut().filter(|master| master.stage == Stage::TakingOver) else { return };
        if master.sessions.values().any(|tended| tended.first == 1 && !tended.events.is_empty()) {
            return;
        }
        master.stage = Stage::Serving;
        master.sweep = Some(now + wait);
        fx.note(ChubbyFact::Serves { epoch: master.epoch });
        self.replay(fx);
    }

    /// Something may be due.
    pub(super) fn on_clock(&mut self, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), self.config.clone());
        let Some(master) = &mut self.master else { return };
        let epoch = master.epoch;
        if master.stage == Stage::Claiming {
            return;
        }
        if master.renew_at <= now {
            master.renew_at = now + Duration(config.master_lease.0 / 3);
            self.propose(Command::Renew { epoch }, Pending::Renew { at: now }, fx);
        }
        let Some(master) = self.master.as_mut().filter(|master| master.has_lease(now)) else { return };
        if master.stage == Stage::Waiting {
            if master.waits_until <= now {
                self.take_over(fx);
            }
            return;
        }
        let over = master.sessions.iter_mut().filter(|(_, tended)| tended.ends <= now && !tended.ending);
        let mut ended = Vec::new();
        for (session, tended) in over {
            tended.ending = true;
            ended.push(*session);
        }
        let kept: Vec<Session> =
            master.sessions.iter().filter(|(_, tended)| tended.kept.is_some()).map(|(session, _)| *session).collect();
        let open: Vec<Path> = master.delays.iter().filter(|(_, until)| **until <= now).map(|(path, _)| *path).collect();
        open.iter().for_each(|path| _ = master.delays.remove(path));
        let sweeps = master.sweep.take_if(|at| *at <= now).is_some();
        let delay = config.lock_delay > Duration::ZERO;
        for session in ended {
            self.propose(Command::Expire { epoch, session, delay }, Pending::Nothing, fx);
        }
        kept.into_iter().for_each(|session| self.answer_if_due(session, fx));
        for path in open {
            let nobody = Caller { session: Session(0), number: CallNumber(0) };
            self.propose(Command::EndDelay { epoch, path }, Pending::Release { path, by: nobody }, fx);
        }
        if sweeps {
            self.council.machine().ephemeral().collect::<Vec<_>>().into_iter().for_each(|path| self.close(path, fx));
        }
    }

    /// Deletes an ephemeral file that nobody has open.
    pub(super) fn close(&mut self, path: Path, fx: &mut Fx<'_>) {
        let Some(master) = &self.master else { return };
        // A new master does not know yet who has it open.
        if master.sweep.is_none() && master.open.get(&path).is_none_or(SortedSet::is_empty) {
            self.propose(Command::Delete { epoch: master.epoch, path }, Pending::Nothing, fx);
        }
    }

    /// A session has ended, by the log.
    pub(super) fn on_expired(&mut self, session: Session, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), self.config.clone());
        let delayed: Vec<Path> = self.council.machine().delayed().collect();
        let Some(master) = self.master.as_mut().filter(|master| master.stage >= Stage::TakingOver) else { return };
        let epoch = master.epoch;
        let kept = master.sessions.remove(&session).is_some_and(|tended| tended.kept.is_some());
        if kept {
            fx.send(session.node(), ChubbyMessage::Gone { epoch, session });
        }
        master.active.retain(|caller| caller.session != session);
        if !config.has(ChubbyBug::GrantToTheDead) {
            master.waiting.values_mut().for_each(|queue| queue.retain(|(caller, _)| caller.session != session));
        }
        for path in delayed {
            master.delays.entry(path).or_insert(now + config.lock_delay);
        }
        let of = |files: &ByFile| files.iter().filter(|(_, by)| by.contains(&session)).map(|(path, _)| *path).collect();
        let (cached, opened): (Vec<Path>, Vec<Path>) = (of(&master.caches), of(&master.open));
        let waited: Vec<Path> = master.waiting.keys().copied().collect();
        cached.into_iter().for_each(|path| self.drop_cache(path, session, fx));
        for path in opened {
            self.on_close(path, session, fx);
        }
        waited.into_iter().for_each(|path| self.grant(path, fx));
        self.serve_if_all_know(fx);
    }

    /// What a proposal has come to.
    pub(super) fn on_done(&mut self, what: Pending, answer: Answer, fx: &mut Fx<'_>) {
        let surely = self.config.surely(self.config.master_lease);
        match what {
            Pending::Renew { at } => {
                if let Some(master) = &mut self.master {
                    master.lease_until = master.lease_until.max(at + surely);
                }
                self.replay(fx);
                self.on_clock(fx);
            }
            Pending::Open { session, asked } => self.on_opened(session, asked, fx),
            Pending::Call(caller) => self.reply(caller, answer, fx),
            Pending::Write { path, by } => self.on_written(path, by, answer, fx),
            Pending::Grant { path, to } => self.on_granted(path, to, answer, fx),
            Pending::Release { path, by } => {
                self.reply(by, answer, fx);
                self.grant(path, fx);
            }
            Pending::Claim { .. } | Pending::Nothing => {}
        }
    }
}
