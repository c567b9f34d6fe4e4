//! Clients in the engine: routing, timeouts, retries with back-off, leader hints, sessions.

use super::connections::way;
use super::dues::Dues;
use super::near::Near;
use super::outstanding::Outstanding;
use super::{Engine, Event};
use crate::digest::Code;
use crate::network::{Crossing, Passage};
use crate::{
    Client, ClientId, Drop, Instant, Move, Node, NodeId, Observed, Observer, Outcome, Parcel, Patience, Peer, Purpose,
    ReadsFrom, Rng, Routing, Seat, Ticket, hash,
};

/// What a node answers.
#[derive(Clone, Debug, Hash)]
pub(super) enum Answer<R> {
    /// Done, with this result.
    Done(R),
    /// Not done by this try and never will be; ask there.
    Elsewhere(Option<NodeId>),
    /// Nothing yet, but it will be.
    UnderWay,
}

/// One operation that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Pending<N: Node> {
    request: N::Request,
    pub invoked: Instant,
    /// Tries made so far.
    pub attempts: u32,
    /// The node asked last.
    pub asked: NodeId,
    /// Whom to ask next, if a node has said so.
    hint: Option<NodeId>,
    /// When the client loses patience with this try; when the next try is due if `between`.
    pub due: Instant,
    /// Waiting to try again, rather than for an answer.
    pub between: bool,
    /// A try may have taken effect: it was sent and neither answered nor refused. The first says so of the tries before
    /// the latest, the second of all.
    pub doubtful: (bool, bool),
}

/// One client.
#[derive(Clone, Debug)]
pub(super) struct ClientState<N: Node, C> {
    client: C,
    pub seat: Seat,
    rng: Rng,
    link_rng: Rng,
    /// What fancy links do to its messages: made on first use.
    packet_rng: Option<Box<Rng>>,
    pub pending: Outstanding<Pending<N>>,
    /// When each of them wants attention.
    dues: Dues,
    /// The node that answered last or was hinted at.
    favourite: Option<NodeId>,
    /// Where its reads go, if to the nearest.
    near: Option<Near>,
    /// The alarm that is in the queue, if any: one for all pending operations.
    alarm_at: Instant,
    /// When `next` is to be asked again after a `Sleep`; one event in the queue at a time.
    wake_at: Instant,
    stopped: bool,
}

impl<N: Node, C> ClientState<N, C> {
    pub fn new(seed: u64, id: ClientId, seat: Seat, near: Option<Near>, client: C, first: Instant) -> Self {
        Self {
            client,
            seat,
            rng: Rng::stream(seed, Purpose::Client, u64::from(id.0)),
            link_rng: Rng::stream(seed, Purpose::ClientLink, u64::from(id.0)),
            packet_rng: None,
            pending: Outstanding::default(),
            dues: Dues::default(),
            favourite: None,
            near,
            alarm_at: Instant::FAR,
            wake_at: first,
            stopped: false,
        }
    }

    pub const fn is_probe(&self) -> bool {
        self.seat.probe
    }

    pub fn reseed(&mut self, seed: u64, index: u64) {
        self.rng = Rng::stream(seed, Purpose::Client, index);
        self.link_rng = Rng::stream(seed, Purpose::ClientLink, index);
        self.packet_rng = None;
    }

    /// The zone it sits in.
    pub const fn seat_zone(&self) -> u16 {
        self.seat.zone
    }

    /// Whom to ask, of `doors` if nobody has told it better.
    fn choose(
        &mut self,
        (now, doors): (Instant, &[NodeId]),
        request: &N::Request,
        last: Option<NodeId>,
        hint: Option<NodeId>,
    ) -> NodeId
    where
        C: Client<N>,
    {
        let known = match self.seat.routing {
            Routing::Sticky => self.client.route(request, last),
            Routing::Fixed(_) | Routing::At(_) | Routing::Random => None,
        };
        if let Some(known) = known.or(self.seat.at()) {
            known
        } else if N::is_read(request) && self.seat.reads_from != ReadsFrom::Leader {
            self.route_read((now, doors), last, hint)
        } else {
            self.route(doors, last, hint)
        }
    }

    /// Whom to ask: for the first try the favourite, if there is one, for later tries somebody else than last time.
    fn route(&mut self, doors: &[NodeId], last: Option<NodeId>, hint: Option<NodeId>) -> NodeId {
        match self.seat.routing {
            Routing::Fixed(node) | Routing::At(node) => node,
            Routing::Random => hint.unwrap_or_else(|| self.any(doors)),
            Routing::Sticky => match (self.favourite, last) {
                (Some(favourite), _) => favourite,
                (None, Some(last)) if doors.len() > 1 => self.another(doors, last),
                (None, _) => self.any(doors),
            },
        }
    }

    /// Whom to ask for a read that need not go where writes go.
    fn route_read(&mut self, (now, doors): (Instant, &[NodeId]), last: Option<NodeId>, hint: Option<NodeId>) -> NodeId {
        match (hint, last, &self.near) {
            (Some(hint), ..) => hint,
            (None, last, Some(near)) => near.choose(now, last),
            (None, Some(last), None) if doors.len() > 1 => self.another(doors, last),
            _ => self.any(doors),
        }
    }

    fn any(&mut self, doors: &[NodeId]) -> NodeId {
        doors[self.link_rng.below(doors.len() as u64) as usize]
    }

    /// One of two doors or more, but not `last`.
    fn another(&mut self, doors: &[NodeId], last: NodeId) -> NodeId {
        let step = 1 + self.link_rng.below(doors.len() as u64 - 1) as usize;
        // Who was hinted at need not be among those that are asked unbidden.
        let place = doors.binary_search(&last).unwrap_or(0);
        doors[(place + step) % doors.len()]
    }

    /// The wait before try number `attempts` (counted from 1 for the first retry): doubling, half of it random.
    fn backoff(&mut self, attempts: u32) -> crate::Duration {
        let Patience { backoff, backoff_max, .. } = self.seat.patience;
        let doubled = backoff.times(1 << attempts.saturating_sub(1).min(20));
        let wait = doubled.0.min(backoff_max.0);
        crate::Duration(wait / 2 + self.link_rng.below(wait / 2 + 1))
    }
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// How many operations have not ended.
    #[must_use]
    pub fn pending_operations(&self) -> usize {
        self.clients.iter().map(|c| c.pending.count()).sum()
    }

    /// How often clients looked at an operation that had not ended: a few times for each event, however many wait.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.clients.iter().map(|client| client.pending.looks()).sum()
    }

    /// No client starts another operation; those under way go on.
    pub fn stop_clients(&mut self) {
        self.clients.iter_mut().for_each(|c| c.stopped = true);
    }

    /// Ends every operation that has not ended: nobody will ever know. For the end of a run: no client starts another.
    pub fn abandon_operations(&mut self) {
        self.stop_clients();
        for client in 0..self.clients.len() {
            for op in self.clients[client].pending.numbers() {
                self.end(ClientId(client as u32), op, None, Outcome::Unknown);
            }
        }
    }

    pub(super) fn wake(&mut self, id: ClientId, at: Instant) {
        let state = &mut self.clients[id.index()];
        if state.wake_at != at {
            return;
        }
        state.wake_at = Instant::FAR;
        self.act(id);
    }

    /// Asks the client for operations until it wants to wait.
    fn act(&mut self, id: ClientId) {
        loop {
            let state = &mut self.clients[id.index()];
            if state.stopped {
                return;
            }
            match state.client.next(self.now, &mut state.rng) {
                Move::Issue(request) => self.issue(id, request),
                Move::Sleep(until) => {
                    if until < state.wake_at {
                        // The event for the later time will surface too, and be ignored. Time must pass, or a client
                        // that sleeps until now would sleep forever.
                        let until = until.max(self.now + crate::Duration::nanos(1));
                        state.wake_at = until;
                        self.push(until, Event::Wake { client: id, at: until });
                    }
                    return;
                }
                Move::Await => return,
                Move::Stop => {
                    state.stopped = true;
                    return;
                }
            }
        }
    }

    fn issue(&mut self, id: ClientId, request: N::Request) {
        let now = self.now;
        let state = &mut self.clients[id.index()];
        let op = state.pending.next();
        let ticket = Ticket { client: id, op, floor: state.pending.base(), attempt: 0 };
        self.observer.observe(now, &Observed::Invoked { ticket, request: &request });
        self.digest.event(now.0, u64::from(id.0), Code::Client, hash::content(&(op, &request)));
        let state = &mut self.clients[id.index()];
        let to = state.choose((now, &self.doors), &request, None, None);
        let patience = state.seat.patience;
        let due = now + patience.attempt_timeout.min(patience.timeout);
        state.pending.begin(Pending {
            request: request.clone(),
            invoked: now,
            attempts: 1,
            asked: to,
            hint: None,
            due,
            between: false,
            doubtful: (false, true),
        });
        self.ask(ticket, to, request, due);
    }

    /// Tries an operation again.
    pub(super) fn try_again(&mut self, id: ClientId, op: u64) {
        let now = self.now;
        let state = &mut self.clients[id.index()];
        let patience = state.seat.patience;
        let floor = state.pending.base();
        let pending = state.pending.get(op).expect("an operation that is tried is pending");
        let (request, last, hint) = (pending.request.clone(), pending.asked, pending.hint.take());
        let to = state.choose((now, &self.doors), &request, Some(last), hint);
        let pending = state.pending.get(op).expect("an operation that is tried is pending");
        let ticket = Ticket { client: id, op, floor, attempt: pending.attempts };
        pending.attempts += 1;
        pending.asked = to;
        pending.between = false;
        pending.doubtful = (pending.doubtful.1, true);
        pending.due = (now + patience.attempt_timeout).min(pending.invoked + patience.timeout);
        let due = pending.due;
        self.ask(ticket, to, request, due);
    }

    /// Sends one try of an operation, which its client loses patience with when it is `due`.
    fn ask(&mut self, ticket: Ticket, to: NodeId, request: N::Request, due: Instant) {
        let (id, now) = (ticket.client, self.now);
        self.set_due(id, ticket.op, due);
        self.observer.observe(now, &Observed::Asked { ticket, to });
        let bytes = N::request_bytes(&request);
        if self.is_tcp() && !self.is_seated(id) {
            let ends = (Peer::Client(id), Peer::Node(to));
            return self.stream_for(ticket, ends, bytes, Event::Request { ticket, to, request });
        }
        if let Some((after, twice)) = self.client_link(Parcel::Request(ticket), to, bytes, || 0) {
            if let Some(again) = twice {
                // Whatever one copy is answered, the other may still take effect.
                let pending =
                    self.clients[id.index()].pending.get(ticket.op).expect("an operation that is tried is pending");
                pending.doubtful.0 = true;
                self.push(now + again, Event::Request { ticket, to, request: request.clone() });
            }
            self.push(now + after, Event::Request { ticket, to, request });
        }
    }

    /// Tries an operation again after a wait, if its client's patience lasts that long.
    fn try_after(&mut self, id: ClientId, op: u64, wait: crate::Duration) {
        if wait == crate::Duration::ZERO {
            self.try_again(id, op);
            return;
        }
        let now = self.now;
        let state = &mut self.clients[id.index()];
        let timeout = state.seat.patience.timeout;
        let pending = state.pending.get(op).expect("an operation that is tried again is pending");
        pending.between = true;
        pending.due = (now + wait).min(pending.invoked + timeout);
        let due = pending.due;
        self.set_due(id, op, due);
    }

    /// The operation wants attention when it is `due`.
    pub(super) fn set_due(&mut self, id: ClientId, op: u64, due: Instant) {
        self.clients[id.index()].dues.push(due, op);
        self.set_alarm(id, due);
    }

    fn set_alarm(&mut self, id: ClientId, due: Instant) {
        let state = &mut self.clients[id.index()];
        if due < state.alarm_at {
            state.alarm_at = due;
            self.push(due, Event::Alarm { client: id, at: due });
        }
    }

    /// Some operation of this client may have run out of patience, or be due for another try.
    pub(super) fn alarm(&mut self, id: ClientId, at: Instant) {
        let state = &mut self.clients[id.index()];
        if state.alarm_at != at {
            return;
        }
        state.alarm_at = Instant::FAR;
        let now = self.now;
        // First all that are due now: what is begun meanwhile is not due yet, or has an alarm of its own.
        let mut ops = Vec::new();
        while let Some((due, op)) = state.dues.first()
            && (due <= now || state.pending.get(op).is_none_or(|pending| pending.due != due))
        {
            state.dues.pop();
            if state.pending.get(op).is_some_and(|pending| pending.due == due) {
                ops.push(op);
            }
        }
        ops.sort_unstable();
        for op in ops {
            self.attend(id, op);
        }
        let state = &mut self.clients[id.index()];
        while let Some((due, op)) = state.dues.first() {
            if state.pending.get(op).is_some_and(|pending| pending.due == due) {
                return self.set_alarm(id, due);
            }
            state.dues.pop();
        }
    }

    /// An operation has run out of patience, or is due for another try, unless it has been attended to at this instant.
    pub(super) fn attend(&mut self, id: ClientId, op: u64) {
        let now = self.now;
        let state = &mut self.clients[id.index()];
        let patience = state.seat.patience;
        let Some(pending) = state.pending.get(op).filter(|pending| pending.due <= now) else { return };
        let deadline = pending.invoked + patience.timeout;
        let (between, attempts, asked, doubtful) =
            (pending.between, pending.attempts, pending.asked, pending.doubtful.1);
        if !between && state.favourite == Some(asked) {
            // Silence: whoever was the favourite is so no longer.
            state.favourite = None;
        }
        if !between && let Some(near) = &mut state.near {
            near.was_silent(asked, now, patience.attempt_timeout);
        }
        if now >= deadline || (!between && attempts >= patience.attempts) {
            let outcome = if doubtful { Outcome::Unknown } else { Outcome::Failed };
            self.end(id, op, None, outcome);
        } else if between {
            self.try_again(id, op);
        } else {
            let wait = state.backoff(attempts);
            self.try_after(id, op, wait);
        }
    }

    /// A request has crossed the network.
    pub(super) fn request_arrives(&mut self, ticket: Ticket, to: NodeId, request: N::Request) {
        let (client, node) = (Peer::Client(ticket.client), Peer::Node(to));
        let zone = self.clients[ticket.client.index()].seat.zone;
        if self.is_seated(ticket.client) {
            self.request_reaches(ticket, to, request);
        } else if self.is_ordered(way(client, node)) {
            if let Some(event) = self.comes_through(way(client, node), Event::Request { ticket, to, request }) {
                self.land(event, self.now);
            }
        } else if self.trouble.cut(client, node, zone) {
            self.drop_message(client, node, Parcel::Request(ticket), Drop::Cut, 0);
        } else {
            self.request_reaches(ticket, to, request);
        }
    }

    /// Whether something is done for a probe: those measure the load and are none.
    #[inline(always)]
    pub(super) fn is_for_probe(&self, client: Option<ClientId>) -> bool {
        client.and_then(|client| self.clients.get(client.index())).is_some_and(|client| client.is_probe())
    }

    /// A request is at its node's door.
    pub(super) fn request_reaches(&mut self, ticket: Ticket, to: NodeId, request: N::Request) {
        let (client, node) = (Peer::Client(ticket.client), Peer::Node(to));
        if self.nodes[to.index()].is_some() {
            if self.is_udp() && self.is_gated(to) && !self.has_room(to, N::request_bytes(&request)) {
                return self.drop_message(client, node, Parcel::Request(ticket), Drop::Overflow, 0);
            }
            self.take_request(to, ticket, request);
        } else if self.is_seated(ticket.client) {
            self.wait_for_machine(ticket);
        } else {
            // Silence, not a refused connection: the client can not tell a dead machine from a slow one.
            self.drop_message(client, node, Parcel::Request(ticket), Drop::Down, 0);
        }
    }

    /// A node answers a client.
    pub(super) fn answer(&mut self, from: NodeId, ticket: Ticket, answer: Answer<N::Response>, bytes: u32) {
        let probe = self.is_for_probe(Some(ticket.client));
        let leaving = if self.is_seated(ticket.client) { 0 } else { u64::from(bytes) };
        let machine = &mut self.machines[from.index()];
        machine.stats.bytes_out += leaving;
        if probe {
            machine.probes().bytes_out += leaving;
        }
        if !matches!(answer, Answer::UnderWay) {
            let redirect = matches!(answer, Answer::Elsewhere(_));
            let names = if let Answer::Elsewhere(hint) = answer { hint } else { None };
            self.observer.observe(self.now, &Observed::Answered { ticket, node: from, redirect, names });
        }
        if self.is_tcp() && !self.is_seated(ticket.client) {
            let ends = (Peer::Node(from), Peer::Client(ticket.client));
            return self.stream_for(ticket, ends, bytes, Event::Answer { ticket, from, answer });
        }
        if let Some((after, twice)) = self.client_link(Parcel::Answer(ticket), from, bytes, || hash::content(&answer)) {
            if let Some(again) = twice {
                let answer = answer.clone();
                self.push(self.now + again, Event::Answer { ticket, from, answer });
            }
            self.push(self.now + after, Event::Answer { ticket, from, answer });
        }
    }

    /// An answer has crossed the network.
    pub(super) fn answer_arrives(&mut self, ticket: Ticket, from: NodeId, answer: Answer<N::Response>) {
        let (node, client) = (Peer::Node(from), Peer::Client(ticket.client));
        let zone = self.clients[ticket.client.index()].seat.zone;
        if self.is_seated(ticket.client) {
            self.answer_reaches(ticket, from, answer);
        } else if self.is_ordered(way(node, client)) {
            if let Some(event) = self.comes_through(way(node, client), Event::Answer { ticket, from, answer }) {
                self.land(event, self.now);
            }
        } else if self.trouble.cut(node, client, zone) {
            self.drop_message(node, client, Parcel::Answer(ticket), Drop::Cut, hash::content(&answer));
        } else {
            self.answer_reaches(ticket, from, answer);
        }
    }

    /// An answer is at its client's door.
    pub(super) fn answer_reaches(&mut self, ticket: Ticket, from: NodeId, answer: Answer<N::Response>) {
        let id = ticket.client;
        let now = self.now;
        let what = hash::content(&(ticket.op, &answer));
        self.digest.event(now.0, u64::from(from.0) << 32 | u64::from(id.0), Code::Answer, what);
        let state = &mut self.clients[id.index()];
        let patience = state.seat.patience;
        if let Some(near) = &mut state.near {
            near.answered(from);
        }
        let Some(pending) = state.pending.get(ticket.op) else { return };
        match answer {
            Answer::Done(response) => {
                if !N::is_read(&pending.request) || state.seat.reads_from == ReadsFrom::Leader {
                    state.favourite = Some(from);
                }
                self.end(id, ticket.op, Some(from), Outcome::Ok(response));
            }
            // Only the latest try counts: what becomes of an older one says nothing about the one under way.
            Answer::Elsewhere(_) | Answer::UnderWay if pending.between || pending.attempts != ticket.attempt + 1 => {}
            Answer::UnderWay => {
                pending.due = (now + patience.attempt_timeout).min(pending.invoked + patience.timeout);
                let due = pending.due;
                self.set_due(id, ticket.op, due);
            }
            Answer::Elsewhere(hint) => {
                // This try will never take effect: what is in doubt is what was before it.
                pending.doubtful.1 = pending.doubtful.0;
                let attempts = pending.attempts;
                let doubtful = pending.doubtful.1;
                let request = pending.request.clone();
                state.client.turned_away(&request, from, hint);
                if attempts >= patience.attempts {
                    let outcome = if doubtful { Outcome::Unknown } else { Outcome::Failed };
                    self.end(id, ticket.op, Some(from), outcome);
                    return;
                }
                let news = hint.filter(|h| *h != from);
                state.favourite = news;
                // A hint is followed at once the first time; without one, or when hints lead in circles, the client
                // backs off.
                let wait =
                    if news.is_some() && attempts <= 2 { crate::Duration::ZERO } else { state.backoff(attempts) };
                state.pending.get(ticket.op).expect("it was pending a moment ago").hint = news;
                self.try_after(id, ticket.op, wait);
            }
        }
    }

    fn end(&mut self, id: ClientId, op: u64, node: Option<NodeId>, outcome: Outcome<N::Response>) {
        let now = self.now;
        let state = &mut self.clients[id.index()];
        let floor = state.pending.base();
        let Some(ended) = state.pending.end(op) else { return };
        self.digest.event(now.0, u64::from(id.0), Code::Client, op << 3 | (outcome.fate() as u64) << 1 | 1);
        let ticket = Ticket { client: id, op, floor, attempt: ended.attempts.saturating_sub(1) };
        self.observer.observe(
            now,
            &Observed::Returned { ticket, request: &ended.request, invoked: ended.invoked, outcome: &outcome, node },
        );
        let state = &mut self.clients[id.index()];
        state.client.done(now, op, &outcome);
        self.act(id);
    }

    /// One crossing between a client and a node: when it arrives (and a duplicate of it), or `None` if it is lost.
    /// `content` is the hash of what it says, unless that is in the digest already.
    fn client_link(
        &mut self,
        what: Parcel,
        node: NodeId,
        bytes: u32,
        content: impl FnOnce() -> u64,
    ) -> Option<(crate::Duration, Option<crate::Duration>)> {
        let (id, to_node) = match what {
            Parcel::Request(ticket) => (ticket.client, true),
            Parcel::Answer(ticket) => (ticket.client, false),
            Parcel::Message(..) => unreachable!("messages between nodes go another way"),
        };
        if self.is_seated(id) {
            return Some((crate::Duration::ZERO, None));
        }
        if self.is_udp() {
            let ends =
                if to_node { (Peer::Client(id), Peer::Node(node)) } else { (Peer::Node(node), Peer::Client(id)) };
            return self.client_datagram(what, ends, bytes, content);
        }
        // What a client sends leaves a machine of its own, with room enough.
        let queued = if to_node { Some(crate::Duration::ZERO) } else { self.leave_machine(node, None, bytes) };
        let state = &mut self.clients[id.index()];
        let zone = state.seat.zone;
        let network = &*self.network;
        let (near, far) = (network.client_site[zone as usize], network.node_site[node.index()]);
        let policy = if to_node { network.policy(near, far) } else { network.policy(far, near) };
        let (client, node_peer) = (Peer::Client(id), Peer::Node(node));
        let (from, to) = if to_node { (client, node_peer) } else { (node_peer, client) };
        let bits = state.link_rng.next_u64();
        let ordered = policy.ordered;
        let mut latency = policy.latency.sample(bits as u32) + queued.unwrap_or_default();
        let mut lost = queued.is_none().then_some(Drop::QueueFull);
        lost = lost.or(policy.loss.hit((bits >> 32) as u32).then_some(Drop::Loss));
        let mut twice = None;
        if lost.is_none() && !self.calm {
            // Clients' numbers lie beyond the nodes', so that limited links do not mix them up. Both ways draw from the
            // client's own luck: a client more must not shift what happens between nodes.
            let (c, n) = (1 << 31 | id.0, node.0);
            let pair = if to_node { (c, n) } else { (n, c) };
            let crossing = Crossing { ends: (from, to, zone), pair, luck: c, kind: None, bytes, now: self.now };
            let fresh = || Box::new(Rng::stream(self.seed, Purpose::ClientPacket, u64::from(id.0)));
            let packet_rng = &mut state.packet_rng;
            match self.trouble.pass(&crossing, policy, move || packet_rng.get_or_insert_with(fresh)) {
                Passage::Dropped(why) => lost = Some(why),
                Passage::Arrives { added, duplicate } => {
                    latency = latency + added;
                    twice = duplicate.map(|bits| policy.latency.sample(bits) + added);
                }
            }
        }
        if ordered {
            return Some((self.in_order(way(from, to), latency, lost), None));
        }
        if let Some(why) = lost {
            self.drop_message(from, to, what, why, content());
            return None;
        }
        Some((latency, twice))
    }
}
