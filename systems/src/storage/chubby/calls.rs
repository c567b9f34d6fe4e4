//! What a master does about the calls of sessions: reads, writes that wait for caches, locks that wait for each other.

use super::bugs::ChubbyBug;
use super::database::{Answer, CallNumber, Change, Command, Epoch, Path, Session};
use super::master::{Caller, Pending};
use super::message::{Ask, ChubbyFact, ChubbyMessage, Event, Told};
use super::node::Fx;
use super::server::Server;

impl Server {
    /// A session asks something; the master serves, and has a lease.
    pub(super) fn on_call(&mut self, epoch: Epoch, caller: Caller, floor: CallNumber, ask: Ask, fx: &mut Fx<'_>) {
        let Caller { session, number } = caller;
        let Some(master) = &mut self.master else { return };
        let releases = matches!(ask, Ask::Change(Change::Release { .. }));
        let may = releases && self.config.has(ChubbyBug::UnlockOfOthers) || master.sessions.contains_key(&session);
        if !may {
            let epoch = master.epoch;
            return fx.send(session.node(), ChubbyMessage::Gone { epoch, session });
        }
        let change = match ask {
            Ask::Read(path) => return self.read(path, caller, fx),
            Ask::Reopen(path) => {
                master.open.entry(path).or_default().insert(session);
                return self.say(caller, Told::Answer(Answer::Done), fx);
            }
            Ask::Close(path) => {
                self.on_close(path, session, fx);
                return self.say(caller, Told::Answer(Answer::Done), fx);
            }
            Ask::Change(change) => change,
        };
        // It may have asked once more, over another connection.
        if !master.active.insert(caller) {
            return;
        }
        let database = self.council.machine();
        let held = |path| database.file(path).is_some_and(|file| file.holders.contains_key(&session));
        let command = Command::Call { epoch, session, number, floor, change };
        match change {
            Change::Set { path, .. } => self.on_write(path, caller, command, fx),
            // It has it, and the master that gave it did not come to say so.
            Change::Acquire { path, .. } if held(path) => self.propose(command, Pending::Call(caller), fx),
            Change::Acquire { path, .. } => {
                master.waiting.entry(path).or_default().push_back((caller, command));
                self.grant(path, fx);
            }
            Change::Release { path, .. } => self.propose(command, Pending::Release { path, by: caller }, fx),
            Change::Create { path } => {
                master.open.entry(path).or_default().insert(session);
                self.propose(command, Pending::Call(caller), fx);
            }
        }
    }

    fn say(&mut self, caller: Caller, told: Told, fx: &mut Fx<'_>) {
        let Some(master) = &self.master else { return };
        let (epoch, Caller { session, number }) = (master.epoch, caller);
        fx.send(session.node(), ChubbyMessage::Reply { epoch, session, number, told });
    }

    /// Answers a call that was under way.
    pub(super) fn reply(&mut self, caller: Caller, answer: Answer, fx: &mut Fx<'_>) {
        if self.master.as_mut().is_some_and(|master| master.active.remove(&caller)) {
            self.say(caller, Told::Answer(answer), fx);
        }
    }

    fn read(&mut self, path: Path, caller: Caller, fx: &mut Fx<'_>) {
        let file = self.council.machine().file(path);
        let (value, version) = file.map_or((0, 0), |file| (file.value, file.version));
        let Some(master) = &mut self.master else { return };
        // While it is about to be written, everybody may read it, and nobody may keep it.
        let cachable = !master.writes.contains_key(&path);
        if cachable {
            master.caches.entry(path).or_default().insert(caller.session);
        }
        self.say(caller, Told::Value { value, version, cachable }, fx);
    }

    fn on_write(&mut self, path: Path, caller: Caller, command: Command, fx: &mut Fx<'_>) {
        let Some(master) = &mut self.master else { return };
        let writes = master.writes.entry(path).or_default();
        writes.push_back((caller, command));
        if writes.len() == 1 {
            let caches: Vec<Session> = master.caches.get(&path).into_iter().flatten().copied().collect();
            if !caches.is_empty() {
                fx.note(ChubbyFact::Invalidates { sessions: caches.len() as u32 });
            }
            for session in caches {
                self.tell(session, Event::Changed(path), fx);
            }
        }
        self.write(path, fx);
    }

    /// A session does not have a file in its cache any more.
    pub(super) fn drop_cache(&mut self, path: Path, session: Session, fx: &mut Fx<'_>) {
        if let Some(caches) = self.master.as_mut().and_then(|master| master.caches.get_mut(&path)) {
            caches.remove(&session);
        }
        self.write(path, fx);
    }

    /// Proposes the oldest write of a file, once nobody has the file in its cache.
    fn write(&mut self, path: Path, fx: &mut Fx<'_>) {
        let Some(master) = &mut self.master else { return };
        if master.caches.get(&path).is_some_and(|caches| !caches.is_empty()) {
            return;
        }
        let Some((by, command)) = master.writes.get(&path).and_then(|writes| writes.front()).copied() else { return };
        if master.writing.insert(path) {
            self.propose(command, Pending::Write { path, by }, fx);
        }
    }

    pub(super) fn on_written(&mut self, path: Path, by: Caller, answer: Answer, fx: &mut Fx<'_>) {
        let Some(master) = &mut self.master else { return };
        master.writing.remove(&path);
        if let Some(writes) = master.writes.get_mut(&path) {
            writes.pop_front();
            if writes.is_empty() {
                master.writes.remove(&path);
            }
        }
        self.reply(by, answer, fx);
        self.write(path, fx);
    }

    /// Gives a lock to whoever has waited longest, if it is to be had.
    pub(super) fn grant(&mut self, path: Path, fx: &mut Fx<'_>) {
        let file = self.council.machine().file(path);
        let Some(master) = &mut self.master else { return };
        let Some((to, command)) = master.waiting.get(&path).and_then(|queue| queue.front()).copied() else { return };
        let Command::Call { change: Change::Acquire { mode, .. }, .. } = command else { return };
        if file.is_none_or(|file| file.admits(mode)) && master.granting.insert(path) {
            self.propose(command, Pending::Grant { path, to }, fx);
        }
    }

    pub(super) fn on_granted(&mut self, path: Path, to: Caller, answer: Answer, fx: &mut Fx<'_>) {
        let Some(master) = &mut self.master else { return };
        master.granting.remove(&path);
        if answer != Answer::Busy {
            if let Some(queue) = master.waiting.get_mut(&path) {
                queue.retain(|(caller, _)| *caller != to);
            }
            self.reply(to, answer, fx);
        }
        self.grant(path, fx);
    }

    /// A session has an ephemeral file open no longer.
    pub(super) fn on_close(&mut self, path: Path, session: Session, fx: &mut Fx<'_>) {
        let open = self.master.as_mut().and_then(|master| master.open.get_mut(&path));
        if open.map(|open| (open.remove(&session), open.is_empty())) == Some((true, true)) {
            self.close(path, fx);
        }
    }
}
