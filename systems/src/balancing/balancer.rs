//! A balancer: takes requests from clients, passes them on, and tries again elsewhere what fails.

use super::config::Config;
use super::message::{BalancingFact, BalancingMessage, Work, Worked};
use super::node::Fx;
use super::picker::Picker;
use super::policy::Policy;
use crate::hashing::key;
use sim_core::{LocalInstant, Ticket, Timer};
use std::collections::VecDeque;

/// Comes due when the oldest try has taken too long.
const DEADLINE: Timer = Timer(0);
/// Retries that may be saved up, in parts per million of one.
const SAVED: u64 = 100 * 1_000_000;

/// A request of a client.
#[derive(Clone, Copy, Debug)]
struct Request {
    ticket: Ticket,
    key: u64,
    /// Tries made.
    tries: u32,
}

/// A request that a server has.
#[derive(Clone, Debug)]
struct Try {
    id: u64,
    request: Request,
    server: u32,
    sent: LocalInstant,
}

/// Spreads requests over servers.
#[derive(Clone, Debug)]
pub struct Balancer {
    picker: Picker,
    /// Tries under way, by the lower half of their number.
    tries: Vec<Option<Try>>,
    free: Vec<u32>,
    newest: u32,
    /// When each try has taken too long, in the order in which they were made.
    deadlines: VecDeque<(LocalInstant, u64)>,
    /// Requests for which no server is free, under a central queue.
    waiting: VecDeque<Request>,
    /// Retries that may be made, in parts per million of one.
    budget: u64,
}

impl Balancer {
    pub(super) fn new(config: &Config, now: LocalInstant) -> Self {
        Self {
            picker: Picker::new(config, now),
            tries: Vec::new(),
            free: Vec::new(),
            newest: 0,
            deadlines: VecDeque::new(),
            waiting: VecDeque::new(),
            budget: 0,
        }
    }

    /// Requests under way or waiting.
    #[must_use]
    pub fn length(&self) -> usize {
        self.tries.len() - self.free.len() + self.waiting.len()
    }

    pub(super) fn on_request(&mut self, config: &Config, ticket: Ticket, work: Work, fx: &mut Fx<'_>) {
        self.budget = (self.budget + u64::from(config.retry_budget_ppm.unwrap_or(0))).min(SAVED);
        self.send(config, Request { ticket, key: work.key, tries: 0 }, None, fx);
    }

    /// Sends a request to some server, but not to `but` if there is another.
    fn send(&mut self, config: &Config, mut request: Request, but: Option<u32>, fx: &mut Fx<'_>) {
        let (now, hash) = (fx.now(), key::of_number(request.key));
        let Some(server) = self.picker.pick(config, hash, but, now, fx.rng()) else {
            if config.policy == Policy::CentralQueue {
                self.waiting.push_back(request);
            } else {
                self.give_up(request.ticket, fx);
            }
            return;
        };
        request.tries += 1;
        let slot = self.free.pop().unwrap_or(self.tries.len() as u32);
        self.newest = self.newest.wrapping_add(1);
        let id = u64::from(self.newest) << 32 | u64::from(slot);
        let this = Some(Try { id, request, server, sent: now });
        match self.tries.get_mut(slot as usize) {
            Some(place) => *place = this,
            None => self.tries.push(this),
        }
        self.picker.sent(server);
        fx.send(config.server(server), BalancingMessage::Forward { id });
        if self.deadlines.is_empty() {
            fx.arm(DEADLINE, config.attempt_timeout);
        }
        self.deadlines.push_back((now + config.attempt_timeout, id));
    }

    fn give_up(&self, ticket: Ticket, fx: &mut Fx<'_>) {
        fx.note(BalancingFact::Dropped);
        fx.refuse(ticket);
    }

    /// The try with this number, if it is still under way; it is not any more.
    fn take(&mut self, id: u64) -> Option<Try> {
        let slot = id as u32;
        let found = self.tries.get_mut(slot as usize)?.take_if(|this| this.id == id)?;
        self.free.push(slot);
        self.picker.ended(found.server);
        Some(found)
    }

    pub(super) fn on_done(&mut self, config: &Config, id: u64, fx: &mut Fx<'_>) {
        let Some(Try { request, server, sent, .. }) = self.take(id) else { return };
        let now = fx.now();
        self.picker.took(server, now.since(sent), now, config.half_life);
        fx.reply(request.ticket, Worked::Done);
        self.send_waiting(config, fx);
    }

    pub(super) fn on_full(&mut self, config: &Config, id: u64, fx: &mut Fx<'_>) {
        if let Some(Try { request, server, .. }) = self.take(id) {
            self.retry(config, request, server, fx);
        }
    }

    pub(super) fn on_queue(&mut self, server: u32, length: u32) {
        self.picker.told(server, length);
    }

    /// Those that have taken too long are tried elsewhere.
    pub(super) fn on_timer(&mut self, config: &Config, fx: &mut Fx<'_>) {
        let now = fx.now();
        while let Some((due, id)) = self.deadlines.front().copied() {
            let is_under_way = self.tries[id as u32 as usize].as_ref().is_some_and(|this| this.id == id);
            if due > now && is_under_way {
                fx.arm(DEADLINE, due.since(now));
                break;
            }
            self.deadlines.pop_front();
            if is_under_way && let Some(Try { request, server, .. }) = self.take(id) {
                // It may have been slow, or dead: so much at least.
                self.picker.took(server, config.attempt_timeout, now, config.half_life);
                fx.note(BalancingFact::GaveUp);
                self.retry(config, request, server, fx);
            }
        }
        self.send_waiting(config, fx);
    }

    fn retry(&mut self, config: &Config, request: Request, server: u32, fx: &mut Fx<'_>) {
        if request.tries >= config.attempts {
            return self.give_up(request.ticket, fx);
        }
        if config.retry_budget_ppm.is_some() {
            let Some(left) = self.budget.checked_sub(1_000_000) else {
                fx.note(BalancingFact::OutOfBudget);
                return self.give_up(request.ticket, fx);
            };
            self.budget = left;
        }
        fx.note(BalancingFact::Retried);
        self.send(config, request, Some(server), fx);
    }

    fn send_waiting(&mut self, config: &Config, fx: &mut Fx<'_>) {
        // Whoever finds no server free is queued again: once for each place that has become free.
        let before = self.waiting.len();
        if let Some(request) = self.waiting.pop_front() {
            self.send(config, request, None, fx);
            if self.waiting.len() == before {
                let back = self.waiting.pop_back().expect("it was just queued");
                self.waiting.push_front(back);
            }
        }
    }
}
