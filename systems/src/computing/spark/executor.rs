//! An executor: cores for tasks, memory for partitions, and the outputs of its tasks for shuffles.

use super::SparkBug;
use super::cache::Cache;
use super::doing::{Asked, Doing, Reads, Step};
use super::graph::{Part, Pieces, weight};
use super::message::{Report, SparkFact, SparkMessage, SparkRecord, Spec};
use super::node::{Fx, PING, RETRY, WORK};
use super::options::Config;
use crate::computing::tasks::meter::Meter;
use crate::computing::tasks::talk::{Ping, Pong};
use crate::computing::tasks::{Attempt, How};
use sim_core::hash::Hashed;
use sim_core::sorted::Entry;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, Effect, NodeId, Replay, Timer};
use std::rc::Rc;

/// What a task has written for a shuffle, and whether its rows stand for many.
type Output = (Rc<Hashed<Pieces>>, bool);

/// An executor.
#[derive(Clone, Debug)]
pub struct Executor {
    config: Rc<Config>,
    me: NodeId,
    life: u64,
    pings: u64,
    /// The driver's life that it knows, and whether it has joined.
    driver: u64,
    joined: bool,
    doing: Vec<Doing>,
    ended: Vec<(Attempt, Report)>,
    /// The application that it works for.
    app: u64,
    cache: Cache,
    /// What its tasks have written: by shuffle and partition; and whether their rows stand for many.
    outputs: SortedMap<(u32, u32), Output>,
    meter: Meter,
    /// Whether something waits for an answer, so that the clock for that runs.
    waits: bool,
}

impl Executor {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, SparkRecord>, fx: &mut Fx<'_>) -> Self {
        // Only lives are written here, one record each.
        let life = disk.iter().count() as u64 + 1;
        let write = fx.append(SparkRecord::Life { life });
        fx.sync();
        let after = Duration(fx.rng().below(config.heartbeat.0));
        fx.after(write, Effect::Arm { timer: PING, after });
        Self {
            config: Rc::clone(config),
            me,
            life,
            pings: 0,
            driver: 0,
            joined: false,
            doing: Vec::new(),
            ended: Vec::new(),
            app: 0,
            cache: Cache::default(),
            outputs: SortedMap::new(),
            meter: Meter::new(config.quantum, fx.now()),
            waits: false,
        }
    }

    /// How many executions it has.
    #[must_use]
    pub const fn busy(&self) -> usize {
        self.doing.len()
    }

    /// How much it keeps in memory.
    #[must_use]
    pub const fn kept(&self) -> u64 {
        self.cache.weight()
    }

    fn ping(&mut self, fx: &mut Fx<'_>) {
        self.pings += 1;
        let ping = Ping {
            life: self.life,
            number: self.pings,
            master: self.driver,
            running: self.doing.iter().map(|doing| doing.attempt).collect(),
            ended: self.ended.clone(),
            held: (!self.joined).then(Vec::new),
            known: (self.app, 0),
        };
        fx.send(self.config.driver(), SparkMessage::Ping(Rc::new(ping)));
        fx.arm(PING, self.config.heartbeat);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match timer {
            PING => self.ping(fx),
            WORK => {
                self.look(fx);
                self.work_on(fx);
            }
            _ => self.ask_again(fx),
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: SparkMessage, fx: &mut Fx<'_>) {
        self.look(fx);
        match message {
            SparkMessage::Pong(pong) => self.on_pong(&pong, fx),
            SparkMessage::Fetch { attempt, shuffle, maps, app } => {
                let here = maps.iter().filter(|_| app == self.app);
                let here = here.filter_map(|map| Some((*map, self.outputs.get(&(shuffle, *map))?)));
                let (mut outputs, mut all) = (Vec::new(), 0);
                for (map, (pieces, scaled)) in here {
                    let rows: Vec<_> = pieces.part(attempt.task).cloned().collect();
                    all += weight(&self.config, *scaled, &rows);
                    outputs.push((map, Rc::clone(pieces)));
                }
                let weight = u32::try_from(all).unwrap_or(u32::MAX);
                fx.send(from, SparkMessage::Pieces { attempt, shuffle, outputs, weight });
            }
            SparkMessage::Pieces { attempt, shuffle, outputs, .. } => {
                self.on_pieces(from, (attempt, shuffle), &outputs, fx);
            }
            SparkMessage::Read { attempt, rdd, app } => {
                let found = self.cache.get((rdd, attempt.task)).filter(|_| app == self.app);
                let weight = found.as_ref().map_or(0, |(_, weight)| u32::try_from(*weight).unwrap_or(u32::MAX));
                let rows = found.map(|(rows, _)| rows);
                fx.send(from, SparkMessage::Rows { attempt, rdd, rows, weight });
            }
            SparkMessage::Rows { attempt, rdd, rows, weight } => self.on_rows(from, (attempt, rdd), rows, weight, fx),
            SparkMessage::Saved { attempt, rdd } => {
                if let Some(doing) = self.find(attempt).filter(|doing| doing.step == Step::Saving) {
                    doing.saving.remove(&rdd);
                    doing.saved.push((rdd, attempt.task));
                    self.end_if_saved(attempt, fx);
                }
            }
            SparkMessage::Ping(_) | SparkMessage::Save { .. } => {}
        }
        self.work_on(fx);
    }

    fn find(&mut self, attempt: Attempt) -> Option<&mut Doing> {
        self.doing.iter_mut().find(|doing| doing.attempt == attempt)
    }

    fn on_pong(&mut self, pong: &Pong<Spec, ()>, fx: &mut Fx<'_>) {
        if pong.life < self.driver || pong.to != self.life || pong.number != self.pings {
            return;
        }
        self.driver = pong.life;
        self.ended.retain(|(attempt, _)| !pong.heard.contains(attempt));
        if !pong.joined {
            self.joined = false;
            return self.ping(fx);
        }
        self.joined = true;
        if pong.run != self.app {
            for attempt in self.doing.iter().map(|doing| doing.attempt).collect::<Vec<_>>() {
                self.stop(attempt, fx);
            }
            self.outputs.clear();
            self.ended.clear();
            if !self.config.has(SparkBug::StaleCache) {
                self.cache.clear();
            }
            self.app = pong.run;
        }
        for attempt in &pong.stop {
            self.stop(*attempt, fx);
        }
        for (attempt, spec) in &pong.start {
            self.start(*attempt, spec, fx);
        }
    }

    fn stop(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        if let Some(at) = self.doing.iter().position(|doing| doing.attempt == attempt) {
            self.doing.remove(at);
            fx.note(SparkFact::Ended { attempt, how: How::Stopped });
        }
    }

    fn start(&mut self, attempt: Attempt, spec: &Spec, fx: &mut Fx<'_>) {
        if self.find(attempt).is_some() {
            return;
        }
        let jitter = u64::from(self.config.jitter);
        fx.note(SparkFact::Began { attempt, cause: spec.cause });
        self.doing.push(Doing {
            attempt,
            spec: spec.clone(),
            began: fx.now(),
            step: Step::Starting,
            left: self.config.startup.0,
            luck: 100 + fx.rng().below(2 * jitter + 1) - jitter,
            have: SortedMap::new(),
            blocks: SortedMap::new(),
            avoid: SortedMap::new(),
            reads: SortedMap::new(),
            made: SortedMap::new(),
            saving: SortedMap::new(),
            saved: Vec::new(),
        });
    }

    /// Counts the work that was done since it was counted last.
    fn look(&mut self, fx: &mut Fx<'_>) {
        let done = self.meter.look(fx.now());
        for doing in self.doing.iter_mut().filter(|doing| doing.works()) {
            doing.left = doing.left.saturating_sub(done);
        }
        let over = self.doing.iter().filter(|doing| doing.works() && doing.left == 0).map(|doing| doing.attempt);
        for attempt in over.collect::<Vec<_>>() {
            match self.find(attempt).map(|doing| doing.step) {
                Some(Step::Starting) => {
                    self.plan(attempt, fx);
                    self.go_on(attempt, fx);
                }
                Some(Step::Working) => self.save(attempt, fx),
                _ => {}
            }
        }
    }

    fn work_on(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        match self.doing.iter().filter(|doing| doing.works()).map(|doing| doing.left).min() {
            Some(left) => {
                let after = self.meter.go_on(now, left, self.config.speed(self.me, now));
                fx.arm(WORK, after);
            }
            None => fx.disarm(WORK),
        }
        if !self.waits && self.doing.iter().any(|doing| !doing.works()) {
            self.waits = true;
            fx.arm(RETRY, Duration(self.config.fetch_timeout.0 / 2 + 1));
        }
    }

    /// What an execution needs from elsewhere: the lineage of what it makes, back to what is in memory here or
    /// elsewhere, in the storage, behind a shuffle, or read from the input.
    fn plan(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let Some(at) = self.doing.iter().position(|doing| doing.attempt == attempt) else { return };
        let doing = &mut self.doing[at];
        doing.step = Step::Fetching;
        let (spec, part, now) = (doing.spec.clone(), attempt.task, fx.now());
        let due = now + self.config.fetch_timeout;
        let mut stack = vec![spec.rdd];
        while let Some(number) = stack.pop() {
            let known = doing.have.contains_key(&number) || doing.blocks.contains_key(&number);
            let Some(rdd) = spec.graph.rdd(number).filter(|_| !known) else { continue };
            let elsewhere = spec.places.cached.get(&(number, part)).filter(|_| !doing.avoid.contains_key(&number));
            let asked = Asked { maps: Vec::new(), due, times: 1 };
            if let Some(kept) = self.cache.get((number, part)).filter(|_| rdd.cached) {
                doing.have.insert(number, kept);
            } else if spec.places.saved.contains(&(number, part)) {
                let storage = self.config.storage_of(part);
                doing.blocks.insert(number, (storage, asked));
                fx.send(storage, SparkMessage::Read { attempt, rdd: number, app: self.app });
            } else if let Some(holder) = elsewhere.filter(|holder| **holder != self.me) {
                doing.blocks.insert(number, (*holder, asked));
                fx.send(*holder, SparkMessage::Read { attempt, rdd: number, app: self.app });
            } else if rdd.wide.is_some() {
                if let Entry::Vacant(space) = doing.reads.entry(number) {
                    space.insert(Reads { of: self.config.partitions, ..Reads::default() });
                    self.ask(at, number, fx);
                    return self.plan(attempt, fx);
                }
            } else {
                stack.extend(&rdd.narrow);
            }
        }
    }

    /// Asks for all outputs of a shuffle, each where it is; its own it has.
    fn ask(&mut self, at: usize, shuffle: u32, fx: &mut Fx<'_>) {
        let doing = &mut self.doing[at];
        let (attempt, due) = (doing.attempt, fx.now() + self.config.fetch_timeout);
        let Some(reads) = doing.reads.get_mut(&shuffle) else { return };
        let places = doing.spec.places.outputs.get(&shuffle).map_or(&[][..], Vec::as_slice);
        let (mut wanted, mut nowhere): (SortedMap<NodeId, Vec<u32>>, Vec<u32>) = (SortedMap::new(), Vec::new());
        for (map, place) in (0..).zip(places) {
            match place {
                Some(place) => wanted.entry(*place).or_default().push(map),
                None => nowhere.push(map),
            }
        }
        if !nowhere.is_empty() {
            if self.config.has(SparkBug::MissingIsEmpty) || self.config.has(SparkBug::CountsExecutions) {
                reads.got.extend(nowhere);
            } else {
                // Nobody needed it when the task was given out: the driver has to know why it is needed.
                let gone = doing.avoid.iter().map(|(rdd, at)| ((*rdd, attempt.task), *at)).collect();
                return self.fail(attempt, Report::Failed { gone }, fx);
            }
        }
        for (holder, maps) in wanted {
            if holder == self.me {
                for map in &maps {
                    if let Some((pieces, _)) = self.outputs.get(&(shuffle, *map)) {
                        reads.got.insert(*map);
                        reads.real += 1;
                        reads.rows.extend(pieces.part(attempt.task).cloned());
                    }
                }
            }
            let maps: Vec<u32> = maps.into_iter().filter(|map| !reads.got.contains(map)).collect();
            if !maps.is_empty() {
                reads.asked.insert(holder, Asked { maps: maps.clone(), due, times: 1 });
                fx.send(holder, SparkMessage::Fetch { attempt, shuffle, maps, app: self.app });
            }
        }
    }

    fn on_pieces(
        &mut self,
        from: NodeId,
        (attempt, shuffle): (Attempt, u32),
        outputs: &[(u32, Rc<Hashed<Pieces>>)],
        fx: &mut Fx<'_>,
    ) {
        let lenient = self.config.has(SparkBug::MissingIsEmpty);
        let Some(doing) = self.find(attempt).filter(|doing| doing.step == Step::Fetching) else { return };
        let Some(reads) = doing.reads.get_mut(&shuffle) else { return };
        for (map, pieces) in outputs {
            if reads.got.insert(*map) {
                reads.real += 1;
                reads.rows.extend(pieces.part(attempt.task).cloned());
            }
        }
        let Some(asked) = reads.asked.remove(&from) else { return };
        let missing: Vec<u32> = asked.maps.into_iter().filter(|map| !reads.got.contains(map)).collect();
        if lenient {
            reads.got.extend(missing);
        } else if !missing.is_empty() {
            return self.fail(attempt, Report::FetchFailed { shuffle, from }, fx);
        }
        self.go_on(attempt, fx);
    }

    fn on_rows(
        &mut self,
        from: NodeId,
        (attempt, rdd): (Attempt, u32),
        rows: Option<Part>,
        weight: u32,
        fx: &mut Fx<'_>,
    ) {
        let Some(doing) = self.find(attempt).filter(|doing| doing.step == Step::Fetching) else { return };
        if doing.blocks.get(&rdd).is_none_or(|(holder, _)| *holder != from) {
            return;
        }
        doing.blocks.remove(&rdd);
        match rows {
            Some(rows) => _ = doing.have.insert(rdd, (rows, u64::from(weight))),
            None if doing.spec.places.saved.contains(&(rdd, attempt.task)) => {
                fx.note(SparkFact::CheckpointMissing { rdd, part: attempt.task });
                return self.fail(attempt, Report::Failed { gone: Vec::new() }, fx);
            }
            None => {
                doing.avoid.insert(rdd, from);
                self.plan(attempt, fx);
            }
        }
        self.go_on(attempt, fx);
    }

    fn fail(&mut self, attempt: Attempt, report: Report, fx: &mut Fx<'_>) {
        self.doing.retain(|doing| doing.attempt != attempt);
        fx.note(SparkFact::Ended { attempt, how: How::Failed });
        self.ended.push((attempt, report));
        self.ping(fx);
    }

    /// Computes, if all that it needs is there.
    fn go_on(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let Some(doing) = self.find(attempt).filter(|doing| doing.step == Step::Fetching && doing.is_ready()) else {
            return;
        };
        let (inputs, of) = doing.reads.values().fold((0, 0), |(got, of), reads| (got + reads.real, of + reads.of));
        let remade = doing.avoid.len() as u32;
        doing.step = Step::Working;
        let cost = doing.make(&config);
        doing.left = (u128::from(cost) * u128::from(doing.luck) / 100) as u64;
        fx.note(SparkFact::Ready { attempt, inputs, of, remade });
    }

    /// What it has made is kept, written and saved.
    fn save(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let (config, app, now) = (Rc::clone(&self.config), self.app, fx.now());
        let Some(doing) = self.find(attempt) else { return };
        doing.step = Step::Saving;
        let graph = Rc::clone(&doing.spec.graph);
        for (number, (rows, weight)) in doing.made.clone() {
            if graph.rdd(number).is_some_and(|rdd| rdd.saved) {
                let weight = u32::try_from(weight).unwrap_or(u32::MAX);
                let asked = Asked { maps: Vec::new(), due: now + config.fetch_timeout, times: 1 };
                let storage = config.storage_of(attempt.task);
                fx.send(storage, SparkMessage::Save { attempt, rdd: number, app, rows, weight });
                if config.has(SparkBug::CheckpointUnacknowledged) {
                    doing.saved.push((number, attempt.task));
                } else {
                    doing.saving.insert(number, asked);
                }
            }
        }
        self.end_if_saved(attempt, fx);
    }

    fn end_if_saved(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let Some(at) = self.doing.iter().position(|doing| doing.attempt == attempt && doing.saving.is_empty()) else {
            return;
        };
        let doing = self.doing.remove(at);
        let (mut stored, mut dropped) = (Vec::new(), Vec::new());
        for (number, (rows, weight)) in &doing.made {
            let block = (*number, attempt.task);
            if doing.spec.graph.rdd(*number).is_some_and(|rdd| rdd.cached) {
                match self.cache.put(block, Part::clone(rows), *weight, self.config.memory) {
                    Some(gone) => {
                        stored.push(block);
                        if !gone.is_empty() {
                            fx.note(SparkFact::Memory { refused: false, dropped: gone.len() as u32 });
                        }
                        dropped.extend(gone);
                    }
                    None => fx.note(SparkFact::Memory { refused: true, dropped: 0 }),
                }
            }
        }
        let made = doing.made.get(&doing.spec.rdd).or_else(|| doing.have.get(&doing.spec.rdd));
        let rows = made.map_or_else(|| Rc::new(Hashed::new(Vec::new())), |(rows, _)| Part::clone(rows));
        let result = match doing.spec.shuffle {
            None => Some(rows),
            Some(shuffle) => {
                let scaled = doing.spec.graph.rdd(shuffle).is_some_and(|rdd| rdd.scaled);
                let pieces = Rc::new(Hashed::new(Pieces::of(&self.config, &rows)));
                self.outputs.insert((shuffle, attempt.task), (pieces, scaled));
                None
            }
        };
        stored.retain(|block| !dropped.contains(block));
        fx.worked(None, Duration(fx.now().since(doing.began).0 / u64::from(self.config.cores)));
        fx.note(SparkFact::Ended { attempt, how: How::Done });
        self.ended.push((attempt, Report::Done { rows: result, stored, dropped, saved: doing.saved }));
        self.ping(fx);
    }

    /// Whoever has not answered in time is asked again; who never answers is given up.
    fn ask_again(&mut self, fx: &mut Fx<'_>) {
        self.look(fx);
        self.waits = false;
        let (now, config, app) = (fx.now(), Rc::clone(&self.config), self.app);
        let again = |asked: &mut Asked| {
            let is_due = asked.due <= now;
            if is_due {
                asked.due = now + config.fetch_timeout.times(1 << asked.times.min(6));
                asked.times += 1;
            }
            is_due
        };
        for attempt in self.doing.iter().map(|doing| doing.attempt).collect::<Vec<_>>() {
            let Some(doing) = self.find(attempt) else { continue };
            let (mut failed, mut replan) = (None, false);
            for (shuffle, reads) in &mut doing.reads {
                for (holder, asked) in &mut reads.asked {
                    if again(asked) {
                        let (shuffle, maps) = (*shuffle, asked.maps.clone());
                        fx.send(*holder, SparkMessage::Fetch { attempt, shuffle, maps, app });
                        if asked.times > config.fetch_tries {
                            failed = Some(Report::FetchFailed { shuffle, from: *holder });
                        }
                    }
                }
            }
            for (rdd, (holder, asked)) in &mut doing.blocks {
                if again(asked) {
                    // What is in memory elsewhere can be made again; what is in the storage is waited for.
                    let is_saved = doing.spec.places.saved.contains(&(*rdd, attempt.task));
                    if !is_saved && asked.times > 2 {
                        doing.avoid.insert(*rdd, *holder);
                        replan = true;
                    } else {
                        fx.send(*holder, SparkMessage::Read { attempt, rdd: *rdd, app });
                    }
                }
            }
            for (rdd, asked) in &mut doing.saving {
                if let Some((rows, weight)) = doing.made.get(rdd).filter(|_| again(asked)) {
                    let (storage, rows) = (config.storage_of(attempt.task), Part::clone(rows));
                    let weight = u32::try_from(*weight).unwrap_or(u32::MAX);
                    fx.send(storage, SparkMessage::Save { attempt, rdd: *rdd, app, rows, weight });
                }
            }
            if replan {
                let avoid = doing.avoid.clone();
                doing.blocks.retain(|rdd, _| !avoid.contains_key(rdd));
                self.plan(attempt, fx);
                self.go_on(attempt, fx);
            }
            if let Some(report) = failed {
                self.fail(attempt, report, fx);
            }
        }
        self.work_on(fx);
    }
}
