//! The master: it gives tasks to workers that ask, knows where the outputs of maps are, and answers when all is done.

use super::MapReduceBug;
use super::message::{
    MapReduceFact, MapReduceMessage, MapReduceRecord, MapReduceRequest, MapReduceResponse, News, Owner, Report, Spec,
};
use super::node::{CHECK, CHECKPOINT, Fx};
use super::options::Config;
use super::saved::{Job, Saved};
use super::work::Counters;
use crate::computing::tasks::roster::{Heard, Roster};
use crate::computing::tasks::talk::{Ping, Pong};
use crate::computing::tasks::{Attempt, Cause};
use sim_core::hash::Hashed;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, Effect, LocalInstant, NodeId, Replay, Ticket, Timer, WriteId};
use std::rc::Rc;

/// Executions of a task that the last life may have begun and not written down, at most.
const UNKNOWN: u32 = 100;

/// The master.
#[derive(Clone, Debug)]
pub struct Master {
    config: Rc<Config>,
    life: u64,
    pub(super) saved: Saved,
    roster: Roster,
    /// What reduces have to hear of this run.
    log: Vec<News>,
    tickets: SortedMap<Owner, Ticket>,
    /// Which maps each worker has the input of.
    local: Rc<SortedMap<NodeId, Vec<u32>>>,
    /// Of a master that has come back: who has not said yet which parts there are.
    unlisted: SortedSet<NodeId>,
    /// Workers that should have outputs, in which life, and have not said so yet.
    awaited: SortedMap<NodeId, u64>,
    born: LocalInstant,
    /// When a task was last counted: jobs that get no further are looked at.
    pub(super) moved: LocalInstant,
}

impl Master {
    pub(super) fn boot(config: &Rc<Config>, disk: Replay<'_, MapReduceRecord>, fx: &mut Fx<'_>) -> Self {
        let mut local: SortedMap<NodeId, Vec<u32>> = SortedMap::new();
        for map in 0..config.maps {
            config.holders(map).into_iter().for_each(|holder| local.entry(holder).or_default().push(map));
        }
        let now = fx.now();
        let mut master = Self {
            config: Rc::clone(config),
            life: 1,
            saved: Saved::default(),
            roster: Roster::default(),
            log: Vec::new(),
            tickets: SortedMap::new(),
            local: Rc::new(local),
            unlisted: SortedSet::new(),
            awaited: SortedMap::new(),
            born: now,
            moved: now,
        };
        for (_, record) in disk.iter() {
            match record {
                Ok(MapReduceRecord::Life { life }) => master.life = *life + 1,
                Ok(MapReduceRecord::Checkpoint(saved)) => master.saved = Saved::clone(saved),
                // Whoever can not read its checkpoint knows nothing; clients ask again.
                _ => master.life += 1,
            }
        }
        let write = fx.append(MapReduceRecord::Life { life: master.life });
        fx.sync();
        // Nobody hears of a life that is not on the disk yet.
        fx.after(write, Effect::Arm { timer: CHECK, after: Duration(1) });
        master.recover(fx);
        if config.checkpoint > Duration::ZERO {
            fx.arm(CHECKPOINT, config.checkpoint);
        }
        master
    }

    /// Goes on with the job of a checkpoint: workers will say what they have, the file system which parts there are.
    fn recover(&mut self, fx: &mut Fx<'_>) {
        let Some(job) = &mut self.saved.job else { return };
        job.boards.iter_mut().for_each(|board| board.forget_runs(UNKNOWN));
        self.awaited = job.outputs.values().copied().collect();
        self.log = job.outputs.iter().map(|(map, (worker, _))| (*map, Some(*worker))).collect();
        if !self.config.has(MapReduceBug::RecoverBlindly) {
            self.unlisted = self.config.all_files().collect();
        }
        fx.note(MapReduceFact::Recovered { run: job.run, done: job.done() });
    }

    fn keeps(&self) -> bool {
        self.config.checkpoint > Duration::ZERO
    }

    /// Writes down all it knows, if it is told to.
    fn save(&self, fx: &mut Fx<'_>) -> Option<WriteId> {
        if !self.keeps() {
            return None;
        }
        let life = fx.append(MapReduceRecord::Life { life: self.life });
        let write = fx.append(MapReduceRecord::Checkpoint(Rc::new(Hashed::new(self.saved.clone()))));
        fx.sync();
        // Older checkpoints are of no use once this one is durable; what is lost with it leaves them where they are.
        fx.after(write, Effect::Forget { before: life, lane: 0 });
        Some(write)
    }

    fn answer(&mut self, owner: Owner, response: MapReduceResponse, fx: &mut Fx<'_>) {
        self.saved.answers.insert(owner, response.clone());
        let write = self.save(fx);
        let Some(ticket) = self.tickets.remove(&owner) else { return };
        let what = tell_client(ticket, response);
        match write {
            Some(write) => fx.after(write, what),
            None => fx.forward(what),
        }
    }

    pub(super) fn on_request(&mut self, ticket: Ticket, request: MapReduceRequest, fx: &mut Fx<'_>) {
        let kind = match request {
            MapReduceRequest::Status => return fx.reply(ticket, self.status()),
            MapReduceRequest::Empty => {
                // It is taken as others are: a master that keeps its jobs writes it down first.
                let what = Effect::Reply { ticket, response: MapReduceResponse::Taken };
                if self.keeps() {
                    let write = fx.append(MapReduceRecord::Life { life: self.life });
                    fx.sync();
                    return fx.after(write, what);
                }
                return fx.forward(what);
            }
            MapReduceRequest::Run(kind) => kind,
        };
        let owner = (ticket.client, ticket.op);
        self.saved.answers.retain(|(client, op), _| *client != ticket.client || *op >= ticket.floor);
        if let Some(answer) = self.saved.answers.get(&owner) {
            return fx.forward(tell_client(ticket, answer.clone()));
        }
        self.tickets.insert(owner, ticket);
        fx.progress(ticket);
        let is_known = self.saved.job.as_ref().is_some_and(|job| job.owner == owner)
            || self.saved.queue.iter().any(|(other, _)| *other == owner);
        if !is_known {
            self.saved.queue.push((owner, kind));
            self.begin_job(fx);
            self.save(fx);
        }
    }

    fn status(&self) -> MapReduceResponse {
        let done = self.saved.job.as_ref().map_or(0, Job::done);
        let of = if self.saved.job.is_some() { self.config.maps + self.config.reduces } else { 0 };
        MapReduceResponse::Status { done, of, waiting: self.saved.queue.len() as u32 }
    }

    /// The next job, if none is going on.
    fn begin_job(&mut self, fx: &mut Fx<'_>) {
        if self.saved.job.is_some() || self.saved.queue.is_empty() {
            return;
        }
        let (owner, kind) = self.saved.queue.remove(0);
        self.saved.runs += 1;
        let run = self.life << 20 | self.saved.runs;
        self.saved.job = Some(Job::new(owner, run, kind, self.config.maps, self.config.reduces));
        self.log.clear();
        self.roster.clear();
        self.moved = fx.now();
        fx.note(MapReduceFact::JobBegan { run, kind });
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        if timer == CHECKPOINT {
            if self.saved.job.is_some() {
                self.save(fx);
            }
            return fx.arm(CHECKPOINT, self.config.checkpoint);
        }
        let now = fx.now();
        for (worker, attempts) in self.roster.silent(now, self.config.worker_timeout) {
            self.lose(worker, &attempts, fx);
        }
        if now.since(self.born) > self.config.worker_timeout {
            for (worker, _) in core::mem::take(&mut self.awaited) {
                self.lose(worker, &[], fx);
            }
        }
        if let Some(job) = &self.saved.job {
            let run = job.run;
            self.unlisted.iter().for_each(|files| fx.send(*files, MapReduceMessage::List { run }));
        }
        self.tickets.values().for_each(|ticket| fx.progress(*ticket));
        fx.arm(CHECK, self.config.heartbeat);
    }

    /// A worker is gone: what it was doing is to be done again, and so are its maps, whose output nobody can read.
    fn lose(&mut self, worker: NodeId, attempts: &[Attempt], fx: &mut Fx<'_>) {
        let Some(job) = &mut self.saved.job else { return };
        for attempt in attempts.iter().filter(|attempt| attempt.run == job.run) {
            job.boards[attempt.stage as usize].give_up(attempt.task, attempt.number, Cause::WorkerLost);
        }
        let mut outputs = 0;
        if !job.boards[1].is_done() && !self.config.has(MapReduceBug::DeadMapsKept) {
            let gone = job.outputs.iter().filter(|(_, (at, _))| *at == worker).map(|(map, _)| *map);
            for map in gone.collect::<Vec<_>>() {
                job.outputs.remove(&map);
                job.boards[0].lose(map);
                outputs += 1;
                tell(&mut self.log, &self.config, (map, None));
            }
        }
        if outputs > 0 || !attempts.is_empty() {
            fx.note(MapReduceFact::WorkerLost { worker, outputs });
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: MapReduceMessage, fx: &mut Fx<'_>) {
        match message {
            MapReduceMessage::Ping(ping) => self.on_ping(from, &ping, fx),
            MapReduceMessage::Listed { run, parts } if self.saved.run() == run && self.unlisted.remove(&from) => {
                for (part, written) in parts {
                    let attempt = Attempt { run, stage: 1, task: part, number: 0 };
                    self.on_done(attempt, from, 0, Counters { written, ..Counters::default() }, fx);
                }
            }
            _ => {}
        }
    }

    /// How many processes a record has killed when it is skipped.
    fn deaths(&self) -> usize {
        if self.config.has(MapReduceBug::SkipTooSoon) { 1 } else { 2 }
    }

    /// Records of a block that are to be skipped.
    fn skips(&self, job: &Job, block: u32) -> Vec<u32> {
        let enough = self.deaths();
        if !self.config.skip_bad_records {
            return Vec::new();
        }
        let first = u64::from(block) * u64::from(self.config.records);
        let here = job.gasps.range(first..first + u64::from(self.config.records));
        here.filter(|(_, crashes)| crashes.len() >= enough).map(|(record, _)| (*record - first) as u32).collect()
    }

    fn on_ping(&mut self, from: NodeId, ping: &Ping<Report>, fx: &mut Fx<'_>) {
        let now = fx.now();
        let tells = ping.master == self.life && ping.held.is_some();
        let (joined, lost) = match self.roster.hear(from, ping.life, ping.number, tells, now) {
            Heard::Stale => return,
            Heard::Stranger(lost) => (false, Some(lost)),
            Heard::Joins(lost) => (true, Some(lost)),
            Heard::Known => (true, None),
        };
        if let Some(lost) = lost {
            // Of an earlier life nothing is left.
            let outputs = self.saved.job.iter().flat_map(|job| job.outputs.values());
            let has_old = outputs.clone().any(|(at, life)| *at == from && *life != ping.life);
            if has_old || !lost.is_empty() {
                self.lose(from, &lost, fx);
            }
        }
        let run = self.saved.run();
        let mut pong = Pong {
            life: self.life,
            to: ping.life,
            number: ping.number,
            joined,
            run,
            heard: Vec::new(),
            start: Vec::new(),
            stop: Vec::new(),
            from: 0,
            news: Vec::new(),
        };
        if joined {
            self.take_in(from, ping, &mut pong, fx);
            // What came of that may have ended the job.
            pong.run = self.saved.run();
            self.give_out(from, &mut pong, fx);
            let known = if ping.known.0 == pong.run && ping.master == self.life { ping.known.1 } else { 0 };
            pong.from = known;
            pong.news = self.log.get(known as usize..).unwrap_or(&[]).to_vec();
        }
        fx.send(from, MapReduceMessage::Pong(Rc::new(pong)));
    }

    /// What a worker says: what it has, what has ended, what it does.
    fn take_in(&mut self, from: NodeId, ping: &Ping<Report>, pong: &mut Pong<Spec, News>, fx: &mut Fx<'_>) {
        let run = pong.run;
        if let Some(held) = &ping.held {
            self.awaited.remove(&from);
            for (attempt, report) in held {
                if let Report::Done(counters) = report {
                    self.on_done(*attempt, from, ping.life, *counters, fx);
                }
            }
            // What it should have and has not.
            let has = |map: &u32| held.iter().any(|(attempt, _)| attempt.run == run && attempt.task == *map);
            let outputs = self.saved.job.iter().flat_map(|job| &job.outputs);
            let missing = outputs.filter(|(map, (at, _))| *at == from && !has(map));
            if missing.count() > 0 {
                self.lose(from, &[], fx);
                for (attempt, report) in held {
                    if let Report::Done(counters) = report {
                        self.on_done(*attempt, from, ping.life, *counters, fx);
                    }
                }
            }
        }
        for (attempt, report) in &ping.ended {
            pong.heard.push(*attempt);
            self.roster.take(from, *attempt);
            match report {
                Report::Done(counters) => self.on_done(*attempt, from, ping.life, *counters, fx),
                Report::Crashed { record } => self.on_crash(*attempt, *record, fx),
            }
        }
        let now = fx.now();
        for attempt in &ping.running {
            // Its slot may have been given to another execution meanwhile.
            let has_slot = self.busy(from, attempt.stage) < self.slots(attempt.stage);
            let job = self.saved.job.as_mut().filter(|job| job.run == attempt.run);
            let wanted = job.is_some_and(|job| {
                let board = &mut job.boards[attempt.stage as usize];
                board.run(attempt.task, attempt.number).is_some_and(|run| run.worker == from)
                    || (has_slot && board.adopt(attempt.task, attempt.number, from, now))
            });
            if wanted {
                self.roster.give(from, *attempt);
            } else {
                self.roster.take(from, *attempt);
                pong.stop.push(*attempt);
            }
        }
        // What it was given and does not know of never reached it, or nobody wants it any more.
        let given = self.roster.get(from).into_iter().flat_map(|member| member.doing.iter().copied());
        for attempt in given.filter(|attempt| !ping.running.contains(attempt)).collect::<Vec<_>>() {
            let job = self.saved.job.as_ref().filter(|job| job.run == attempt.run);
            let run = job.and_then(|job| job.boards[attempt.stage as usize].run(attempt.task, attempt.number));
            match run.map(|run| run.cause) {
                Some(cause) => pong.start.push((attempt, self.spec(attempt, cause))),
                None => _ = self.roster.take(from, attempt),
            }
        }
    }

    fn spec(&self, attempt: Attempt, cause: Cause) -> Spec {
        let job = self.saved.job.as_ref();
        let skip = job.filter(|_| attempt.stage == 0).map(|job| self.skips(job, attempt.task)).unwrap_or_default();
        let kind = job.map_or(super::work::Kind::Sort, |job| job.kind);
        Spec { kind, cause, skip: Rc::new(skip) }
    }

    fn on_done(&mut self, attempt: Attempt, worker: NodeId, life: u64, counters: Counters, fx: &mut Fx<'_>) {
        let Some(job) = self.saved.job.as_mut().filter(|job| job.run == attempt.run) else { return };
        let (stage, task) = (attempt.stage as usize, attempt.task);
        let is_new = !job.counted.contains_key(&(attempt.stage, task));
        if is_new || self.config.has(MapReduceBug::CountedTwice) {
            job.counted.insert((attempt.stage, task), counters);
            job.counters = job.counters.plus(counters);
        }
        if job.boards[stage].finish(task, attempt.number, worker) {
            self.moved = fx.now();
            fx.note(MapReduceFact::Counted { attempt, worker });
            if stage == 0 {
                job.outputs.insert(task, (worker, life));
                tell(&mut self.log, &self.config, (task, Some(worker)));
                if job.boards[0].is_done() {
                    fx.note(MapReduceFact::MapsDone { run: job.run });
                }
            }
        }
        // A master that has come back may find all parts there, and does not know yet what some maps have counted.
        if job.boards[1].is_done() && job.counted.len() as u64 == u64::from(self.config.maps + self.config.reduces) {
            let (owner, run, counters) = (job.owner, job.run, job.counters);
            fx.note(MapReduceFact::JobDone { run, counters });
            self.end_job(owner, MapReduceResponse::Done { run, counters }, fx);
        }
    }

    fn end_job(&mut self, owner: Owner, response: MapReduceResponse, fx: &mut Fx<'_>) {
        self.saved.job = None;
        self.unlisted.clear();
        self.awaited.clear();
        self.log.clear();
        self.roster.clear();
        self.answer(owner, response, fx);
        self.begin_job(fx);
    }

    /// A map's process has crashed at a record, which is skipped when it has killed more than one. A task that crashes
    /// again and again, for whatever other reason, ends the job.
    fn on_crash(&mut self, attempt: Attempt, record: u32, fx: &mut Fx<'_>) {
        let enough = self.deaths();
        let Some(job) = self.saved.job.as_mut().filter(|job| job.run == attempt.run) else { return };
        let board = &mut job.boards[attempt.stage as usize];
        board.give_up(attempt.task, attempt.number, Cause::Failed);
        let record = u64::from(attempt.task) * u64::from(self.config.records) + u64::from(record);
        let crashes = job.gasps.entry(record).or_default();
        if crashes.insert(attempt.number) && crashes.len() == enough && self.config.skip_bad_records {
            fx.note(MapReduceFact::Skips { record, crashes: enough as u32 });
            board.forgive(attempt.task);
        }
        let crashes = board.task(attempt.task).map_or(0, |task| task.crashes);
        if crashes >= self.config.max_crashes && !board.is_task_done(attempt.task) {
            let (owner, run, map) = (job.owner, job.run, attempt.task);
            fx.note(MapReduceFact::JobFailed { run, task: map });
            self.end_job(owner, MapReduceResponse::GivenUp { run, map }, fx);
        }
    }

    /// How many slots of a worker are taken by executions of a stage.
    fn busy(&self, worker: NodeId, stage: u32) -> u32 {
        let doing = self.roster.get(worker).into_iter().flat_map(|member| &member.doing);
        doing.filter(|attempt| attempt.stage == stage).count() as u32
    }

    fn slots(&self, stage: u32) -> u32 {
        if stage == 0 { self.config.map_slots } else { self.config.reduce_slots }
    }

    /// Tasks for the slots that a worker has free.
    fn give_out(&mut self, worker: NodeId, pong: &mut Pong<Spec, News>, fx: &mut Fx<'_>) {
        let now = fx.now();
        let waits = !self.unlisted.is_empty() || self.recovering(now);
        while !waits && self.saved.job.is_some() {
            let free = [0, 1].map(|stage| self.busy(worker, stage) < self.slots(stage));
            let Some((stage, task)) = self.choose(worker, free, now) else { return };
            let Some(job) = &mut self.saved.job else { return };
            let (number, cause) = job.boards[stage as usize].begin(task, worker, now);
            let attempt = Attempt { run: job.run, stage, task, number };
            self.roster.give(worker, attempt);
            fx.note(MapReduceFact::Given { attempt, worker });
            pong.start.push((attempt, self.spec(attempt, cause)));
        }
    }

    /// Whether it has only just come back: whoever runs something will say so before it is given to somebody else.
    fn recovering(&self, now: LocalInstant) -> bool {
        self.life > 1 && now.since(self.born) < self.config.heartbeat.times(2)
    }

    fn choose(&self, worker: NodeId, free: [bool; 2], now: LocalInstant) -> Option<(u32, u32)> {
        let config = &self.config;
        let job = self.saved.job.as_ref()?;
        let [maps, reduces] = &job.boards;
        if free[0] {
            if let Some(map) = self.next_map(worker, job) {
                return Some((0, map));
            }
            if let Some(map) = self.backup(0, job, worker, now) {
                return Some((0, map));
            }
        }
        if free[1] && u64::from(maps.done()) * 100 >= u64::from(config.slow_start) * u64::from(config.maps) {
            if let Some(reduce) = reduces.idle().next() {
                return Some((1, reduce));
            }
            if let Some(reduce) = self.backup(1, job, worker, now) {
                return Some((1, reduce));
            }
        }
        None
    }

    /// The next map for a worker: one that it has the input of, one whose input is in its zone, any.
    fn next_map(&self, worker: NodeId, job: &Job) -> Option<u32> {
        const LOOKED_AT: usize = 64;
        let board = &job.boards[0];
        if self.config.locality {
            let mut local = self.local.get(&worker).into_iter().flatten();
            if let Some(map) = local.find(|map| board.is_idle(**map)) {
                return Some(*map);
            }
            let zone = |node: NodeId| self.config.zones[node.index()];
            let near = |map: &u32| self.config.holders(*map).into_iter().any(|at| zone(at) == zone(worker));
            if let Some(map) = board.idle().take(LOOKED_AT).find(near) {
                return Some(map);
            }
        }
        board.idle().next()
    }

    /// Near the end of a stage, one that still runs is begun once more elsewhere.
    fn backup(&self, stage: usize, job: &Job, worker: NodeId, now: LocalInstant) -> Option<u32> {
        let (config, board) = (&self.config, &job.boards[stage]);
        let near = u64::from(board.done()) * 100 >= u64::from(config.backup_after) * u64::from(board.len());
        // While maps go on, reduces wait for them and not for a better machine.
        let ready = stage == 0 || job.boards[0].is_done();
        (config.backups && near && ready && board.idle().next().is_none()).then(|| board.straggler(worker, now))?
    }
}

/// The answer to a job: one that is given up is not served, however often it is asked for.
fn tell_client(ticket: Ticket, response: MapReduceResponse) -> Effect<super::node::Machine> {
    match response {
        MapReduceResponse::GivenUp { .. } => Effect::Redirect { ticket, hint: None },
        response => Effect::Reply { ticket, response },
    }
}

/// News for reduces.
fn tell(log: &mut Vec<News>, config: &Config, news: News) {
    let again = config.has(MapReduceBug::OldLocations) && log.iter().any(|(map, _)| *map == news.0);
    if !again {
        log.push(news);
    }
}
