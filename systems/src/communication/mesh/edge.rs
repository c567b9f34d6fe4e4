//! An edge: far from the core, often without it. It answers reads from its cache, or through its sidecar; it takes
//! writes into a queue on its disk, and uploads them in order whenever it can.

use super::bugs::MeshBug;
use super::cache::Cache;
use super::gateway::{entry_call, greet};
use super::job::Slab;
use super::message::{MeshFact, MeshMessage, MeshRecord, MeshRequest, MeshResponse, Queued};
use super::node::{Fx, UPLOAD};
use super::options::Config;
use super::sidecar::{Outgoing, Sidecar};
use sim_core::{Duration, LocalInstant, Replay, Ticket, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// A write that is on its way to the disk.
#[derive(Clone, Copy, Debug)]
struct Writing {
    at: WriteId,
    number: u64,
    /// Who is answered then.
    ticket: Option<Ticket>,
}

/// A machine far from the core.
#[derive(Clone, Debug)]
pub struct Edge {
    pub(super) sidecar: Sidecar,
    cache: Cache,
    pending: Slab<(Ticket, u64, bool)>,
    /// Writes that the hub does not have, in order, each with where it stands on the disk.
    queue: VecDeque<(WriteId, Queued)>,
    /// Those that are not on the disk yet, in order.
    writing: VecDeque<Writing>,
    /// The last write's number, and the last one that is on the disk.
    newest: u64,
    durable: u64,
    /// Whether an upload is not answered, and whether the hub was heard from lately.
    uploading: bool,
    online: bool,
    /// Once this is on the disk, what is before that is not needed.
    needless: Option<(WriteId, WriteId)>,
}

impl Edge {
    pub(super) fn boot(config: &Config, disk: Replay<'_, MeshRecord>, fx: &mut Fx<'_>) -> Self {
        greet(config, fx);
        let mut queue = VecDeque::new();
        let (mut newest, mut done) = (0, 0);
        for (at, record) in disk.iter() {
            match record {
                Ok(MeshRecord::Queued(write)) => {
                    newest = write.number;
                    queue.push_back((at, *write));
                }
                Ok(MeshRecord::Uploaded { upto }) => done = done.max(*upto),
                _ => {}
            }
        }
        queue.retain(|(_, write)| write.number > done);
        let newest = newest.max(done);
        let mut this = Self {
            sidecar: Sidecar::new(config, fx),
            cache: Cache::default(),
            pending: Slab::new(),
            queue,
            writing: VecDeque::new(),
            newest,
            durable: 0,
            uploading: false,
            online: true,
            needless: None,
        };
        if newest > 0 {
            // What is found may only be on its way to the disk: it rests on nothing before this is synced.
            let at = fx.append(MeshRecord::Uploaded { upto: done });
            this.writing.push_back(Writing { at, number: newest, ticket: None });
            fx.sync();
        }
        this
    }

    /// Its sidecar.
    #[must_use]
    pub const fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    /// Writes that the hub does not have, as far as it knows.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// What those say.
    pub(super) fn writes(&self) -> impl Iterator<Item = u64> {
        self.queue.iter().map(|(_, write)| write.unique)
    }

    /// Answers in its cache.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.cache.answers()
    }

    pub(super) fn on_request(&mut self, config: &Config, ticket: Ticket, request: &MeshRequest, fx: &mut Fx<'_>) {
        let now = fx.now();
        if request.write {
            self.newest += 1;
            let write = Queued { number: self.newest, key: request.key, unique: request.unique };
            let at = fx.append(MeshRecord::Queued(write));
            self.queue.push_back((at, write));
            let mut ticket = Some(ticket);
            if config.has(MeshBug::AnsweredBeforeSync) {
                self.answer(ticket.take(), write, fx);
            }
            self.writing.push_back(Writing { at, number: write.number, ticket });
            fx.sync();
            self.cache.forget(request.key);
            if config.has(MeshBug::UploadBeforeSync) {
                self.durable = self.newest;
                self.upload(config, fx);
            }
            return;
        }
        if let Some(made) = self.cache.get(request.key, config.edge_ttl, now) {
            fx.note(MeshFact::CacheHit { by: made.by });
            return fx.reply(ticket, MeshResponse::Cached);
        }
        fx.note(MeshFact::CacheMissed);
        let job = self.pending.add((ticket, request.key, request.write));
        let root = self.sidecar.next_root();
        let header = Sidecar::first_header(ticket.client, root, request.key, false);
        self.sidecar.call(config, Outgoing { job, call: entry_call(config), header, began: now }, None, fx);
    }

    /// What its calls have come to.
    pub(super) fn look(&mut self, config: &Config, fx: &mut Fx<'_>) {
        while let Some(ended) = self.sidecar.next_ended() {
            let Some((ticket, key, _)) = self.pending.take(ended.call.job) else { continue };
            match ended.answer {
                Ok(made) => {
                    let at = LocalInstant(ended.call.began.0.saturating_sub(made.age.0));
                    let at = if config.has(MeshBug::AgeForgotten) { fx.now() } else { at };
                    if config.edge_ttl != Duration::ZERO {
                        self.cache.put(key, made.by, at, config.edge_keys as usize);
                    }
                    fx.reply(ticket, MeshResponse::Served);
                }
                Err(_) => fx.refuse(ticket),
            }
        }
    }

    fn answer(&self, ticket: Option<Ticket>, write: Queued, fx: &mut Fx<'_>) {
        if let Some(ticket) = ticket {
            fx.note(MeshFact::Accepted(write));
            fx.reply(ticket, MeshResponse::Queued);
        }
    }

    /// Everything up to `upto` is on the disk.
    pub(super) fn on_synced(&mut self, config: &Config, upto: WriteId, fx: &mut Fx<'_>) {
        while self.writing.front().is_some_and(|written| written.at <= upto)
            && let Some(written) = self.writing.pop_front()
        {
            self.durable = self.durable.max(written.number);
            let write = self.queue.iter().rev().find(|(at, _)| *at == written.at).map(|(_, write)| *write);
            if let Some(write) = write {
                self.answer(written.ticket, write, fx);
            }
        }
        if let Some((_, before)) = self.needless.take_if(|(at, _)| *at <= upto) {
            fx.forget(before);
        }
        if !self.uploading {
            self.upload(config, fx);
        }
    }

    /// Uploads what comes next, and is on the disk.
    pub(super) fn upload(&mut self, config: &Config, fx: &mut Fx<'_>) {
        let Some(hub) = config.hub() else { return };
        let ready = self.queue.iter().map(|(_, write)| *write).take_while(|write| write.number <= self.durable);
        let writes: Vec<Queued> = ready.take(config.upload_most as usize).collect();
        if writes.is_empty() {
            return;
        }
        self.uploading = true;
        fx.send(hub, MeshMessage::Upload { writes: Rc::new(writes) });
        fx.arm(UPLOAD, config.upload_retry);
    }

    /// The hub has not answered.
    pub(super) fn on_upload_timer(&mut self, config: &Config, fx: &mut Fx<'_>) {
        if core::mem::replace(&mut self.online, false) {
            fx.note(MeshFact::Online { online: false });
        }
        self.upload(config, fx);
    }

    /// The hub has everything up to `upto`.
    pub(super) fn on_uploaded(&mut self, config: &Config, upto: u64, fx: &mut Fx<'_>) {
        if !core::mem::replace(&mut self.online, true) {
            fx.note(MeshFact::Online { online: true });
        }
        let before = self.queue.len();
        self.queue.retain(|(_, write)| write.number > upto);
        if self.queue.len() == before {
            // About what was uploaded before.
            return;
        }
        let at = fx.append(MeshRecord::Uploaded { upto });
        fx.sync();
        // Once that is on the disk, what is before it and what waits is not needed any more.
        self.needless = Some((at, self.queue.front().map_or(at, |(first, _)| *first)));
        self.uploading = false;
        fx.disarm(UPLOAD);
        self.upload(config, fx);
    }
}
