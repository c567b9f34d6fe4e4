//! A replica of a service: a queue, slots that work and wait for calls, a cache, a rate limit; and its sidecar.

use super::bugs::MeshBug;
use super::cache::Cache;
use super::graph::{Service, ServiceId};
use super::job::{Job, JobNumber, Slab, Stage};
use super::limiter::Limiter;
use super::message::{Cause, Header, Made, MeshFact, MeshMessage, Span};
use super::node::{Fx, GRAY, HELLO};
use super::options::Config;
use super::sidecar::{Ended, Outgoing, Sidecar};
use crate::communication::balancing::{self, Gray, Grayness, Next, RequestNumber, TryNumber, WaitingLine};
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Timer};

/// A request as it arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub from: NodeId,
    pub route: u16,
    pub id: TryNumber,
    pub request: RequestNumber,
    pub span: Span,
    pub within: Option<Duration>,
    pub header: Header,
}

/// What a slot is at.
#[derive(Clone, Copy, Debug)]
struct Work {
    job: JobNumber,
    takes: Duration,
    well: bool,
}

/// A replica.
#[derive(Clone, Debug)]
pub struct Replica {
    service: ServiceId,
    pub(super) sidecar: Sidecar,
    jobs: Slab<Job>,
    line: WaitingLine,
    working: Vec<Option<Work>>,
    idle: Vec<u16>,
    limiter: Option<Limiter>,
    cache: Cache,
    /// Keys that are being fetched, and the jobs that wait for that.
    fetching: SortedMap<u64, Vec<JobNumber>>,
    gray: Grayness,
    /// Slots that would be done, if it did not hang.
    stuck: Vec<u16>,
}

impl Replica {
    pub(super) fn new(config: &Config, service: ServiceId, fx: &mut Fx<'_>) -> Self {
        let this = config.service(service);
        let (me, now) = (fx.me(), fx.now());
        let mine: Vec<_> = config.troubles.iter().filter(|spell| spell.server == Some(me)).copied().collect();
        let gray = Grayness::new(&mine, me, now, fx.rng());
        if let Some(next) = gray.next() {
            fx.arm(GRAY, next.since(now));
        }
        let sidecar = Sidecar::new(config, fx);
        if config.control().is_some() {
            // Not all at the same time.
            let first = Duration(fx.rng().below(config.subscribe_interval.0 / 10 + 1));
            fx.arm(HELLO, first);
        }
        let fixed = config.has(MeshBug::FixedWindow);
        Self {
            service,
            sidecar,
            jobs: Slab::new(),
            line: WaitingLine::new(now),
            working: vec![None; usize::from(this.capacity)],
            idle: (0..this.capacity).rev().collect(),
            limiter: this.limit.map(|(rate, burst)| Limiter::new(rate, burst, fixed, now)),
            cache: Cache::default(),
            fetching: SortedMap::new(),
            gray,
            stuck: Vec::new(),
        }
    }

    /// Which service it runs.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// Its sidecar.
    #[must_use]
    pub const fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    /// Requests that wait for a slot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether a slot is idle and could work.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        !self.idle.is_empty() && !self.hangs()
    }

    /// Slots that are taken.
    #[must_use]
    pub const fn busy(&self) -> usize {
        self.working.len() - self.idle.len()
    }

    /// Answers in its cache.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.cache.answers()
    }

    const fn too_much(&self) -> Cause {
        Cause { at: self.service, slow: true }
    }

    fn hangs(&self) -> bool {
        !self.gray.is_never() && self.gray.now() == Some(Gray::Hung)
    }

    /// A call arrives.
    pub(super) fn on_call(&mut self, config: &Config, arrival: Arrival, fx: &mut Fx<'_>) {
        let service = config.service(self.service);
        let now = fx.now();
        let Arrival { from, route, id, request, span, within, header } = arrival;
        let full = MeshMessage::Full { route, id, span, client: header.client, cause: self.too_much() };
        if self.limiter.as_mut().is_some_and(|limiter| !limiter.admits(now)) {
            fx.note(MeshFact::RateLimited);
            return fx.send(from, full);
        }
        let hangs = self.hangs();
        let has_room = self.line.len() < service.queue;
        if !has_room && (hangs || self.idle.is_empty()) {
            fx.note(MeshFact::Refused);
            // One that hangs says nothing.
            return if hangs { fx.note(MeshFact::LetGo { span, expired: true }) } else { fx.send(from, full) };
        }
        let expires = within.map(|within| now + within);
        let job = Job { from, route, id, request, span, header, expires, stage: Stage::Waits, made: None };
        let number = self.jobs.add(job);
        let slot = if hangs { None } else { self.idle.pop() };
        match slot {
            Some(slot) => self.begin(service, slot, number, fx),
            None => self.line.push(waiting(number, expires, now, header, fx.me()), now),
        }
    }

    fn begin(&mut self, service: &Service, slot: u16, number: JobNumber, fx: &mut Fx<'_>) {
        let takes = service.law.draw(fx.rng());
        let (takes, well) = self.gray.strain(takes, fx.rng());
        if let Some(job) = self.jobs.get_mut(number) {
            job.stage = Stage::Works(slot);
        }
        self.working[usize::from(slot)] = Some(Work { job: number, takes, well });
        fx.arm(Timer(slot), takes);
    }

    /// A slot is done with a service's own work.
    pub(super) fn on_slot(&mut self, config: &Config, slot: u16, fx: &mut Fx<'_>) {
        if self.hangs() {
            return self.stuck.push(slot);
        }
        let Some(Work { job: number, takes, well }) = self.working[usize::from(slot)].take() else { return };
        let service = config.service(self.service);
        let now = fx.now();
        let Some(job) = self.jobs.get_mut(number) else { return self.release(config, slot, fx) };
        fx.worked(Some(job.header.client), Duration(takes.0 / u64::from(service.capacity)));
        fx.note(MeshFact::Worked { span: job.span, took: takes });
        if job.expires.is_some_and(|expires| expires <= now) {
            let span = job.span;
            fx.note(MeshFact::LetGo { span, expired: true });
            self.jobs.take(number);
            return self.release(config, slot, fx);
        }
        if !well {
            return self.finish(config, number, Err(Cause { at: self.service, slow: false }), fx);
        }
        let key = job.header.key;
        if let Some(ttl) = service.cache_ttl
            && !job.header.write
        {
            if let Some(made) = self.cache.get(key, ttl, now) {
                job.made = Some((made.by, LocalInstant(now.0.saturating_sub(made.age.0))));
                fx.note(MeshFact::CacheHit { by: made.by });
                return self.finish(config, number, Ok(()), fx);
            }
            fx.note(MeshFact::CacheMissed);
            job.stage = Stage::Calls { slot, step: 0, open: 0 };
            if service.coalesce {
                if let Some(others) = self.fetching.get_mut(&key) {
                    return others.push(number);
                }
                self.fetching.insert(key, Vec::new());
            }
        }
        job.stage = Stage::Calls { slot, step: 0, open: 0 };
        self.step(config, number, fx);
    }

    /// Makes the calls of the next step that has any to wait for; answers after the last.
    fn step(&mut self, config: &Config, number: JobNumber, fx: &mut Fx<'_>) {
        let service = config.service(self.service);
        loop {
            let Some(job) = self.jobs.get_mut(number) else { return };
            let Stage::Calls { slot, step, .. } = job.stage else { return };
            let Some(calls) = service.steps.get(usize::from(step)) else {
                return self.finish(config, number, Ok(()), fx);
            };
            let (header, span, expires) = (job.header, job.span, job.expires);
            let now = fx.now();
            // A call that nobody waits for is not made.
            if expires.is_some_and(|expires| expires <= now) {
                return self.finish(config, number, Err(self.too_much()), fx);
            }
            let left = expires.map(|expires| expires.since(now));
            let mut open = 0;
            // First of all how many, because a call may be over at once.
            let hit: Vec<bool> = calls.iter().map(|call| fx.rng().chance(call.probability)).collect();
            for (call, _) in calls.iter().zip(&hit).filter(|(_, hit)| **hit) {
                open += u16::from(!call.mirror);
            }
            job.stage = Stage::Calls { slot, step: step + 1, open };
            for (call, _) in calls.iter().zip(hit).filter(|(_, hit)| *hit) {
                let header = Header { parent: span, mirrored: header.mirrored || call.mirror, ..header };
                self.sidecar.call(config, Outgoing { job: number, call: *call, header, began: now }, left, fx);
            }
            if open > 0 {
                return;
            }
        }
    }

    /// What its calls have come to.
    pub(super) fn look(&mut self, config: &Config, fx: &mut Fx<'_>) {
        while let Some(Ended { call, answer }) = self.sidecar.next_ended() {
            // Nobody waits for the answer to a copy.
            if call.call.mirror && !config.has(MeshBug::MirrorAnswers) {
                continue;
            }
            let Some(job) = self.jobs.get_mut(call.job) else { continue };
            let Stage::Calls { slot, step, open } = job.stage else { continue };
            match answer {
                Ok(made) => job.rests_on(made, call.began),
                Err(_) if call.call.optional || call.call.mirror => {}
                Err(cause) => {
                    self.finish(config, call.job, Err(cause), fx);
                    continue;
                }
            }
            let open = open.saturating_sub(1);
            job.stage = Stage::Calls { slot, step, open };
            if open == 0 {
                self.step(config, call.job, fx);
            }
        }
    }

    /// A job is over, and its slot goes on with the next.
    fn finish(&mut self, config: &Config, number: JobNumber, how: Result<(), Cause>, fx: &mut Fx<'_>) {
        let Some(job) = self.jobs.take(number) else { return };
        let now = fx.now();
        let Job { from, route, id, request, span, header, made, .. } = job;
        let client = header.client;
        let (by, at) = made.unwrap_or((span, now));
        match how {
            Ok(()) => {
                fx.send(
                    from,
                    MeshMessage::Done { route, id, request, span, client, made: Made { by, age: now.since(at) } },
                );
            }
            Err(cause) => fx.send(from, MeshMessage::Failed { route, id, span, client, cause }),
        }
        let service = config.service(self.service);
        if service.cache_ttl.is_some() {
            self.keep(config, service, &header, (how, by, at), fx);
        }
        match job.stage {
            Stage::Works(slot) | Stage::Calls { slot, .. } => self.release(config, slot, fx),
            Stage::Waits => {}
        }
    }

    /// What a cache keeps of an answer, and what becomes of those that waited for it.
    fn keep(
        &mut self,
        config: &Config,
        service: &Service,
        header: &Header,
        (how, by, at): (Result<(), Cause>, Span, LocalInstant),
        fx: &mut Fx<'_>,
    ) {
        if header.write {
            return self.cache.forget(header.key);
        }
        if how.is_ok() {
            let at = if config.has(MeshBug::AgeForgotten) { fx.now() } else { at };
            self.cache.put(header.key, by, at, service.cache_keys);
        }
        for number in self.fetching.remove(&header.key).unwrap_or_default() {
            if let Some(other) = self.jobs.get_mut(number) {
                other.made = Some((by, at));
                self.finish(config, number, how, fx);
            }
        }
    }

    /// A slot is free: whatever is worth it, if anything waits.
    fn release(&mut self, config: &Config, slot: u16, fx: &mut Fx<'_>) {
        let service = config.service(self.service);
        if !self.hangs() {
            while let Some(next) = self.line.next(&service.discipline, fx.now()) {
                match next {
                    Next::Work(job) => return self.begin(service, slot, JobNumber(job.id.0), fx),
                    Next::Expired(job) => {
                        if let Some(job) = self.jobs.take(JobNumber(job.id.0)) {
                            fx.note(MeshFact::LetGo { span: job.span, expired: true });
                        }
                    }
                    Next::Shed(job) => {
                        if let Some(Job { from, route, id, span, header, .. }) = self.jobs.take(JobNumber(job.id.0)) {
                            fx.note(MeshFact::Shed);
                            let client = header.client;
                            fx.send(from, MeshMessage::Full { route, id, span, client, cause: self.too_much() });
                        }
                    }
                }
            }
        }
        self.idle.push(slot);
    }

    /// It turns gray, or is well again.
    pub(super) fn turn(&mut self, config: &Config, fx: &mut Fx<'_>) {
        let (now, before) = (fx.now(), self.gray.now());
        self.gray.turn(now, fx.rng());
        if let Some(next) = self.gray.next() {
            fx.arm(GRAY, next.since(now));
        }
        if self.gray.now() != before {
            let how = self.gray.now().map(|gray| match gray {
                Gray::Slow { .. } => 0,
                Gray::Failing { .. } => 1,
                Gray::Hung => 2,
            });
            fx.note(MeshFact::TurnedGray { how });
        }
        if !self.hangs() {
            for slot in core::mem::take(&mut self.stuck) {
                self.on_slot(config, slot, fx);
            }
            for slot in core::mem::take(&mut self.idle) {
                self.release(config, slot, fx);
            }
        }
    }

    /// Its caller does not need this any more. What a slot has is done all the same.
    pub(super) fn on_cancel(&mut self, from: NodeId, route: u16, id: TryNumber, fx: &mut Fx<'_>) {
        let is_it = |job: &Job| (job.from, job.route, job.id, job.stage) == (from, route, id, Stage::Waits);
        let found = self.jobs.iter().find(|(_, job)| is_it(job)).map(|(number, _)| number);
        if let Some(number) = found
            && self.line.cancel(fx.me(), TryNumber(number.0))
            && let Some(job) = self.jobs.take(number)
        {
            fx.note(MeshFact::LetGo { span: job.span, expired: false });
        }
    }

    /// Somebody asks how it is.
    pub(super) fn is_well(&self, connect: bool, fx: &mut Fx<'_>) -> Option<bool> {
        match self.gray.now() {
            _ if connect => Some(true),
            Some(Gray::Hung) => None,
            Some(Gray::Failing { share, .. }) => Some(!fx.rng().chance(share)),
            Some(Gray::Slow { .. }) | None => Some(true),
        }
    }
}

fn waiting(
    number: JobNumber,
    expires: Option<LocalInstant>,
    came: LocalInstant,
    header: Header,
    me: NodeId,
) -> balancing::Job {
    balancing::Job { from: me, id: TryNumber(number.0), client: header.client, came, expires }
}
