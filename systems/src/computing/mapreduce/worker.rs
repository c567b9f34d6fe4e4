//! A worker: slots for maps and reduces, the outputs of its maps, and blocks of the input.

use super::MapReduceBug;
use super::doing::{Asked, Doing, Shuffle, Step, crash_at};
use super::message::{MapReduceFact, MapReduceMessage, MapReduceRecord, News, Report, Spec};
use super::node::{Fx, PING, RETRY, WORK};
use super::options::Config;
use super::work::{self, Counters, Kind, MapOutput};
use crate::computing::tasks::meter::Meter;
use crate::computing::tasks::talk::{Ping, Pong};
use crate::computing::tasks::{Attempt, How};
use sim_core::hash::Hashed;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, Effect, LocalInstant, NodeId, Replay, Timer};
use std::rc::Rc;

/// Chunks in which a reduce writes its output.
const CHUNKS: usize = 4;

/// What a map has written to the worker's disk.
#[derive(Clone, Debug)]
struct Output {
    attempt: Attempt,
    kind: Kind,
    counters: Counters,
    content: Rc<Hashed<MapOutput>>,
}

/// A worker.
#[derive(Clone, Debug)]
pub struct Worker {
    config: Rc<Config>,
    me: NodeId,
    life: u64,
    pings: u64,
    /// The master's life that it knows, and whether that knows what it holds.
    master: u64,
    joined: bool,
    pub(super) doing: Vec<Doing>,
    ended: Vec<(Attempt, Report)>,
    /// The run that it works for.
    run: u64,
    /// Which news of it have come.
    known: u32,
    /// Where the outputs of maps are, as far as it knows.
    places: Vec<Option<NodeId>>,
    /// What its maps have written.
    outputs: SortedMap<u32, Output>,
    /// Which of them have pairs of a part: each is looked for by every reduce, and most parts of most are empty.
    by_part: SortedMap<u32, Vec<u32>>,
    meter: Meter,
    /// Whether something waits for an answer, so that the clock for that runs.
    waits: bool,
}

impl Worker {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, MapReduceRecord>, fx: &mut Fx<'_>) -> Self {
        let lives = disk.iter().filter_map(|(_, record)| match record {
            Ok(MapReduceRecord::Life { life }) => Some(*life),
            _ => None,
        });
        // A life that can not be read counts, too; one that was never durable was never said to anybody.
        let life = lives.max().unwrap_or(0).max(disk.iter().count() as u64) + 1;
        let worker = Self {
            config: Rc::clone(config),
            me,
            life,
            pings: 0,
            master: 0,
            joined: false,
            doing: Vec::new(),
            ended: Vec::new(),
            run: 0,
            known: 0,
            places: Vec::new(),
            outputs: SortedMap::new(),
            by_part: SortedMap::new(),
            meter: Meter::new(config.quantum, fx.now()),
            waits: false,
        };
        let write = fx.append(MapReduceRecord::Life { life });
        fx.sync();
        // It says nothing before the life that it speaks in is on its disk. Workers do not all begin to ping at once.
        let after = Duration(fx.rng().below(config.heartbeat.0));
        fx.after(write, Effect::Arm { timer: PING, after });
        worker
    }

    /// How many executions it has.
    #[must_use]
    pub const fn busy(&self) -> usize {
        self.doing.len()
    }

    fn ping(&mut self, fx: &mut Fx<'_>) {
        self.pings += 1;
        let ping = Ping {
            life: self.life,
            number: self.pings,
            master: self.master,
            running: self.doing.iter().map(|doing| doing.attempt).collect(),
            ended: self.ended.clone(),
            held: (!self.joined)
                .then(|| self.outputs.values().map(|output| (output.attempt, Report::Done(output.counters))).collect()),
            known: (self.run, self.known),
        };
        fx.send(self.config.master(), MapReduceMessage::Ping(Rc::new(ping)));
        fx.arm(PING, self.config.heartbeat);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match timer {
            PING => self.ping(fx),
            WORK => {
                self.look(fx);
                self.go_on(fx);
            }
            _ => self.ask_again(fx),
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: MapReduceMessage, fx: &mut Fx<'_>) {
        self.look(fx);
        match message {
            MapReduceMessage::Pong(pong) => self.on_pong(&pong, fx),
            MapReduceMessage::ReadBlock { attempt } => {
                let weight = self.config.block as u32;
                fx.send(from, MapReduceMessage::Block { attempt, weight });
            }
            MapReduceMessage::Block { attempt, .. } => {
                let config = Rc::clone(&self.config);
                if let Some(doing) = self.find(attempt, |step| matches!(step, Step::Reading(_))) {
                    doing.begin_map(&config);
                    fx.note(MapReduceFact::Ready { attempt, inputs: 1 });
                }
            }
            MapReduceMessage::Fetch { attempt, maps } => self.on_fetch(from, attempt, &maps, fx),
            MapReduceMessage::Pieces { attempt, outputs, .. } => self.on_pieces(from, attempt, outputs, fx),
            MapReduceMessage::Appended { attempt, chunk } => {
                if let Some(doing) = self.find(attempt, |step| step == Step::Writing(chunk)) {
                    doing.step = Step::Writing(chunk + 1);
                    doing.asked.times = 0;
                    self.write(attempt, fx);
                }
            }
            MapReduceMessage::Renamed { attempt } if self.find(attempt, |step| step == Step::Renaming).is_some() => {
                self.finish_reduce(attempt, fx);
            }
            _ => {}
        }
        self.go_on(fx);
    }

    fn find(&mut self, attempt: Attempt, at: impl Fn(Step) -> bool) -> Option<&mut Doing> {
        self.doing.iter_mut().find(|doing| doing.attempt == attempt && at(doing.step))
    }

    fn on_pong(&mut self, pong: &Pong<Spec, News>, fx: &mut Fx<'_>) {
        if pong.life < self.master || pong.to != self.life || pong.number != self.pings {
            return;
        }
        if pong.life > self.master {
            // Another master counts its news anew.
            (self.master, self.joined, self.known) = (pong.life, false, 0);
            self.places.fill(None);
            self.doing.iter_mut().for_each(|doing| doing.shuffle.todo.clear());
        }
        self.ended.retain(|(attempt, _)| !pong.heard.contains(attempt));
        if !pong.joined {
            self.joined = false;
            return self.ping(fx);
        }
        self.joined = true;
        if pong.run != self.run {
            self.begin_run(pong.run, fx);
        }
        for attempt in &pong.stop {
            self.stop(*attempt, fx);
        }
        if pong.from == self.known {
            pong.news.iter().for_each(|news| self.hear(*news));
        }
        for (attempt, spec) in &pong.start {
            self.start(*attempt, spec, fx);
        }
        self.fetch_all(fx);
    }

    /// Another run goes on, or none: what is of the last one may go.
    fn begin_run(&mut self, run: u64, fx: &mut Fx<'_>) {
        for attempt in self.doing.iter().map(|doing| doing.attempt).collect::<Vec<_>>() {
            self.stop(attempt, fx);
        }
        self.outputs.clear();
        self.by_part.clear();
        self.ended.clear();
        (self.run, self.known) = (run, 0);
        self.places = vec![None; self.config.maps as usize];
    }

    fn stop(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        if let Some(at) = self.doing.iter().position(|doing| doing.attempt == attempt) {
            self.doing.remove(at);
            fx.note(MapReduceFact::Ended { attempt, how: How::Stopped });
        }
    }

    fn hear(&mut self, (map, now): News) {
        self.known += 1;
        let Some(place) = self.places.get_mut(map as usize) else { return };
        let before = core::mem::replace(place, now);
        for doing in self.doing.iter_mut().filter(|doing| !doing.is_map()) {
            doing.shuffle.hear(map, before, now);
        }
    }

    fn start(&mut self, attempt: Attempt, spec: &Spec, fx: &mut Fx<'_>) {
        if self.doing.iter().any(|doing| doing.attempt == attempt) {
            return;
        }
        let jitter = u64::from(self.config.jitter);
        let mut doing = Doing {
            attempt,
            spec: spec.clone(),
            began: fx.now(),
            step: Step::Starting,
            left: self.config.startup.0,
            luck: 100 + fx.rng().below(2 * jitter + 1) - jitter,
            crash_at: None,
            shuffle: Shuffle::new(self.config.maps, self.me),
            output: Vec::new(),
            asked: Asked { due: LocalInstant(0), times: 0 },
        };
        let mut local = false;
        if doing.is_map() {
            doing.crash_at = crash_at(&self.config, attempt, &spec.skip);
            local = self.config.holders(attempt.task).contains(&self.me);
        } else {
            for (map, place) in self.places.iter().enumerate() {
                doing.shuffle.hear(map as u32, None, *place);
            }
        }
        fx.note(MapReduceFact::Began { attempt, cause: spec.cause, local });
        self.doing.push(doing);
    }

    /// Counts the work that was done since it was counted last.
    fn look(&mut self, fx: &mut Fx<'_>) {
        let done = self.meter.look(fx.now());
        for doing in self.doing.iter_mut().filter(|doing| doing.works()) {
            doing.left = doing.left.saturating_sub(done);
        }
        let over = self.doing.iter().filter(|doing| doing.works() && doing.left == 0).map(|doing| doing.attempt);
        for attempt in over.collect::<Vec<_>>() {
            self.step(attempt, fx);
        }
    }

    fn go_on(&mut self, fx: &mut Fx<'_>) {
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

    /// A step that was work is over.
    fn step(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let (config, me) = (Rc::clone(&self.config), self.me);
        let Some(doing) = self.find(attempt, |_| true) else { return };
        match doing.step {
            Step::Starting if !doing.is_map() => {
                doing.step = Step::Shuffling;
                self.fetch(attempt, fx);
            }
            Step::Starting if config.holders(attempt.task).contains(&me) => {
                doing.begin_map(&config);
                fx.note(MapReduceFact::Ready { attempt, inputs: 1 });
            }
            Step::Starting => {
                let first = fx.rng().below(u64::from(config.replicas)) as usize;
                doing.step = Step::Reading(first);
                self.read(attempt, fx);
            }
            Step::Mapping => self.finish_map(attempt, fx),
            Step::Sorting => {
                let bytes = doing.shuffle.pairs.len() as u64 * config.pair_bytes(doing.spec.kind);
                doing.work(Step::Reducing, bytes, config.reduce_rate);
            }
            Step::Reducing => {
                let pairs = work::reduce(doing.spec.kind, core::mem::take(&mut doing.shuffle.pairs));
                let size = pairs.len().div_ceil(CHUNKS).max(1);
                doing.output = pairs.chunks(size).map(|chunk| Rc::new(Hashed::new(chunk.to_vec()))).collect();
                doing.step = Step::Writing(0);
                self.write(attempt, fx);
            }
            Step::Reading(_) | Step::Shuffling | Step::Writing(_) | Step::Renaming => {}
        }
    }

    fn wait(&mut self, attempt: Attempt, now: LocalInstant) {
        let timeout = self.config.fetch_timeout;
        if let Some(doing) = self.find(attempt, |_| true) {
            doing.asked.due = now + timeout.times(1 << doing.asked.times.min(6));
            doing.asked.times += 1;
        }
    }

    /// Asks the next of the holders of its block.
    fn read(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let holders = self.config.holders(attempt.task);
        if let Some(doing) = self.find(attempt, |_| true)
            && let Step::Reading(which) = doing.step
        {
            doing.step = Step::Reading(which + 1);
            fx.send(holders[which % holders.len()], MapReduceMessage::ReadBlock { attempt });
        }
        self.wait(attempt, fx.now());
    }

    fn finish_map(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let Some(at) = self.doing.iter().position(|doing| doing.attempt == attempt) else { return };
        let doing = self.doing.remove(at);
        let slots = u64::from(self.config.map_slots + self.config.reduce_slots);
        fx.worked(None, Duration(fx.now().since(doing.began).0 / slots));
        if let Some(record) = doing.crash_at {
            let number = u64::from(attempt.task) * u64::from(self.config.records) + u64::from(record);
            fx.note(MapReduceFact::Crashed { attempt, record: number });
            fx.note(MapReduceFact::Ended { attempt, how: How::Failed });
            self.ended.push((attempt, Report::Crashed { record }));
        } else {
            let (output, counters) = work::map(&self.config, doing.spec.kind, attempt.task, &doing.spec.skip);
            let (kind, content) = (doing.spec.kind, Rc::new(Hashed::new(output)));
            for part in content.parts() {
                self.by_part.entry(part).or_default().push(attempt.task);
            }
            self.outputs.insert(attempt.task, Output { attempt, kind, counters, content });
            fx.note(MapReduceFact::Ended { attempt, how: How::Done });
            self.ended.push((attempt, Report::Done(counters)));
        }
        self.ping(fx);
    }

    fn fetch_all(&mut self, fx: &mut Fx<'_>) {
        let shuffling = self.doing.iter().filter(|doing| doing.step == Step::Shuffling).map(|doing| doing.attempt);
        for attempt in shuffling.collect::<Vec<_>>() {
            self.fetch(attempt, fx);
        }
    }

    /// Fetches from as many workers as it may at the same time; goes on when it has everything.
    fn fetch(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let (config, now) = (Rc::clone(&self.config), fx.now());
        let Some(doing) = self.find(attempt, |step| step == Step::Shuffling) else { return };
        let shuffle = &mut doing.shuffle;
        while shuffle.asked.len() < config.fetches as usize
            && let Some((worker, maps)) = shuffle.next()
        {
            if !maps.is_empty() {
                let asked = Asked { due: now + config.fetch_timeout, times: 1 };
                shuffle.asked.insert(worker, (maps.clone(), asked));
                fx.send(worker, MapReduceMessage::Fetch { attempt, maps });
            }
        }
        let early = config.has(MapReduceBug::ReduceTooSoon) && shuffle.have > 0;
        let is_all = shuffle.have >= config.maps || (early && shuffle.todo.is_empty() && shuffle.asked.is_empty());
        if is_all {
            let (inputs, kind) = (shuffle.have, doing.spec.kind);
            let bytes = shuffle.pairs.len() as u64 * config.pair_bytes(kind);
            shuffle.asked.clear();
            doing.work(Step::Sorting, bytes, config.sort_rate);
            fx.note(MapReduceFact::Ready { attempt, inputs });
        }
    }

    fn on_fetch(&self, from: NodeId, attempt: Attempt, maps: &[u32], fx: &mut Fx<'_>) {
        let (mut outputs, mut weight) = (Vec::new(), 0);
        if attempt.run == self.run {
            let full = self.by_part.get(&attempt.task).map_or(&[][..], Vec::as_slice);
            for (map, output) in maps.iter().filter_map(|map| Some((map, self.outputs.get(map)?))) {
                let content = full.contains(map).then(|| Rc::clone(&output.content));
                let pairs = content.as_ref().map_or(0, |content| content.part(attempt.task).len() as u64);
                weight += pairs * self.config.pair_bytes(output.kind);
                outputs.push((*map, content));
            }
        }
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        fx.send(from, MapReduceMessage::Pieces { attempt, outputs, weight });
    }

    fn on_pieces(
        &mut self,
        from: NodeId,
        attempt: Attempt,
        outputs: Vec<(u32, Option<Rc<Hashed<MapOutput>>>)>,
        fx: &mut Fx<'_>,
    ) {
        let twice = self.config.has(MapReduceBug::FetchedTwice);
        let Some(at) = self.doing.iter().position(|doing| doing.attempt == attempt) else { return };
        let doing = &mut self.doing[at];
        if doing.step != Step::Shuffling {
            return;
        }
        for (map, output) in outputs {
            if doing.shuffle.take(map) || twice {
                doing.shuffle.pairs.extend(output.iter().flat_map(|output| output.part(attempt.task)));
            }
        }
        doing.shuffle.answered(from);
        self.fetch(attempt, fx);
    }

    /// Writes its next chunk, or asks for the name of what it has written.
    fn write(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let files = config.files_of(attempt.task);
        let at_once = config.has(MapReduceBug::OutputNotAtomic);
        let Some(doing) = self.find(attempt, |step| matches!(step, Step::Writing(_) | Step::Renaming)) else { return };
        match doing.step {
            Step::Writing(chunk) if (chunk as usize) < doing.output.len() => {
                let content = Rc::clone(&doing.output[chunk as usize]);
                let weight = content.len() as u64 * config.written_bytes(doing.spec.kind);
                let weight = u32::try_from(weight).unwrap_or(u32::MAX);
                fx.send(files, MapReduceMessage::Append { attempt, chunk, content, at_once, weight });
            }
            Step::Writing(_) if at_once => return self.finish_reduce(attempt, fx),
            _ => {
                doing.step = Step::Renaming;
                fx.send(files, MapReduceMessage::Rename { attempt });
                if config.has(MapReduceBug::DoneBeforeRename) {
                    return self.finish_reduce(attempt, fx);
                }
            }
        }
        self.wait(attempt, fx.now());
    }

    fn finish_reduce(&mut self, attempt: Attempt, fx: &mut Fx<'_>) {
        let Some(at) = self.doing.iter().position(|doing| doing.attempt == attempt) else { return };
        let doing = self.doing.remove(at);
        let slots = u64::from(self.config.map_slots + self.config.reduce_slots);
        fx.worked(None, Duration(fx.now().since(doing.began).0 / slots));
        let written = doing.output.iter().map(|chunk| chunk.len() as u64).sum();
        fx.note(MapReduceFact::Ended { attempt, how: How::Done });
        self.ended.push((attempt, Report::Done(Counters { written, ..Counters::default() })));
        self.ping(fx);
    }

    /// Whoever has not answered in time is asked again, or another one is.
    fn ask_again(&mut self, fx: &mut Fx<'_>) {
        self.look(fx);
        self.waits = false;
        let (now, timeout) = (fx.now(), self.config.fetch_timeout);
        for attempt in self.doing.iter().map(|doing| doing.attempt).collect::<Vec<_>>() {
            let places = &self.places;
            let Some(doing) = self.doing.iter_mut().find(|doing| doing.attempt == attempt) else { continue };
            match doing.step {
                Step::Reading(_) if doing.asked.due <= now => self.read(attempt, fx),
                Step::Writing(_) | Step::Renaming if doing.asked.due <= now => self.write(attempt, fx),
                Step::Shuffling => {
                    let is_at = |map: u32, worker| places[map as usize] == Some(worker);
                    let again = doing.shuffle.again(now, timeout, is_at);
                    for (worker, maps) in again {
                        fx.send(worker, MapReduceMessage::Fetch { attempt, maps });
                    }
                    self.fetch(attempt, fx);
                }
                _ => {}
            }
        }
        self.go_on(fx);
    }
}
