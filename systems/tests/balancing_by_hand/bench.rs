//! One machine driven by hand.

use sim_core::hand::Hand;
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Duration, Effect, Effects, LocalInstant, Node, NodeId, Ticket};
use std::fmt::Write as _;
use std::rc::Rc;
use systems::communication::balancing::{
    BalancingFact, BalancingMessage as M, BalancingOptions, Config, Machine, Part, Policy, TryNumber, Work,
};

/// Who asks.
pub const CLIENT: ClientId = ClientId(0);

/// One machine whose peers are played by the test.
pub struct Bench {
    hand: Hand<Machine>,
    /// What it sent, announced and answered since the test last looked.
    pub sent: Vec<(NodeId, M)>,
    pub facts: Vec<BalancingFact>,
    /// Requests that were served, and refused.
    pub served: Vec<u64>,
    pub refused: Vec<u64>,
    asked: u64,
    /// The story, and the names of tries in it.
    pub told: String,
    names: SortedMap<TryNumber, usize>,
    start: LocalInstant,
}

impl Bench {
    /// The machine at place `me` of a cluster of `nodes`. One that takes turns begins with the first server, so that a
    /// story is easy to follow.
    pub fn new(options: &BalancingOptions, nodes: u32, spares: u32, me: u32) -> Self {
        let turns = matches!(options.policy, Policy::RoundRobin | Policy::WeightedRoundRobin) && me < options.balancers;
        let begins = |seed: &u64| Self::of_seed(options, nodes, spares, me, *seed).ask().map(|(to, _)| to.0);
        let first = |seed: &u64| !turns || begins(seed).is_none_or(|to| to == options.balancers);
        let seed = (1..1000).find(first).expect("one of many begins there");
        Self::of_seed(options, nodes, spares, me, seed)
    }

    /// The same, with luck of its own.
    pub fn of_seed(options: &BalancingOptions, nodes: u32, spares: u32, me: u32, seed: u64) -> Self {
        let config: Rc<Config> = Rc::new(
            options
                .validate(&sim_core::Shape { spares, ..sim_core::Shape::plain(nodes as usize) })
                .expect("options that make sense"),
        );
        let start = sim_core::Clock::honest(sim_core::Instant::ZERO);
        let mut hand = Hand::down(&config, NodeId(me), seed);
        hand.now = start;
        let out = hand.boot();
        let mut this = Self {
            hand,
            sent: Vec::new(),
            facts: Vec::new(),
            served: Vec::new(),
            refused: Vec::new(),
            asked: 0,
            told: String::new(),
            names: SortedMap::new(),
            start,
        };
        this.take(out);
        this
    }

    pub fn step(&mut self, input: impl FnOnce(&mut Machine, &mut Effects<'_, Machine>)) {
        let out = self.hand.step(input);
        self.take(out);
    }

    pub fn tell(&mut self, line: &str) {
        let at = self.now().since(self.start).0 / 1_000_000;
        let _ = writeln!(self.told, "{at:>6} ms  {line}");
    }

    fn take(&mut self, out: Vec<Effect<Machine>>) {
        for effect in out {
            match effect {
                Effect::Send { to, message } => {
                    if let M::Forward { id, .. } = message {
                        let name = self.names.len() + 1;
                        self.names.insert(id, name);
                        self.tell(&format!("  sends try {name} to {to}"));
                    }
                    self.sent.push((to, message));
                }
                Effect::Reply { ticket, .. } => {
                    self.served.push(ticket.op);
                    self.tell(&format!("  request {} is served", ticket.op));
                }
                Effect::Redirect { ticket, .. } => {
                    self.refused.push(ticket.op);
                    self.tell(&format!("  request {} is refused", ticket.op));
                }
                Effect::Note { fact } => {
                    self.facts.push(fact);
                    self.tell(&format!("  {fact:?}"));
                }
                _ => {}
            }
        }
    }

    /// Lets time pass, with all timers that come due.
    pub fn pass(&mut self, millis: u64) {
        let until = self.now() + Duration::millis(millis);
        while let Some(due) = self.hand.next_due()
            && due <= until
        {
            // One at a time, so that the story says when each thing happens.
            let out = self.hand.run(due.since(self.now()));
            self.take(out);
        }
        self.hand.now = until;
    }

    /// What its clock shows.
    pub const fn now(&self) -> LocalInstant {
        self.hand.now
    }

    pub fn machine(&self) -> &Machine {
        self.hand.node()
    }

    /// A client asks. Gives the first try and whom it went to.
    pub fn ask(&mut self) -> Option<(NodeId, TryNumber)> {
        self.asked += 1;
        let ticket = Ticket { client: CLIENT, op: self.asked, floor: 0, attempt: 0 };
        self.tell(&format!("request {}", self.asked));
        self.step(|machine, fx| machine.on_request(ticket, Work { key: ticket.op, write: false }, fx));
        self.forwards().pop()
    }

    pub fn hear(&mut self, from: NodeId, message: M) {
        let name = |id: &TryNumber| self.names.get(id).copied().unwrap_or(0);
        match &message {
            M::Done { id, .. } => self.tell(&format!("{from} has done try {}", name(id))),
            M::Failed { id, .. } => self.tell(&format!("{from} fails try {}", name(id))),
            M::Full { id, .. } => self.tell(&format!("{from} is full, for try {}", name(id))),
            _ => {}
        }
        self.step(|machine, fx| machine.on_message(from, message, fx));
    }

    /// The tries sent since the test last looked.
    pub fn forwards(&mut self) -> Vec<(NodeId, TryNumber)> {
        let forward = |(to, message): &(NodeId, M)| match message {
            M::Forward { id, .. } => Some((*to, *id)),
            _ => None,
        };
        let found = self.sent.iter().filter_map(forward).collect();
        self.sent.retain(|(_, message)| !matches!(message, M::Forward { .. }));
        found
    }

    /// Asks, and the server that gets it fails it if it is one of `bad`; the others do it. Gives who got it.
    pub fn ask_and_answer(&mut self, bad: &[NodeId]) -> Option<NodeId> {
        let (to, id) = self.ask()?;
        self.hear(
            to,
            if bad.contains(&to) { M::Failed { id, client: CLIENT } } else { M::Done { id, client: CLIENT } },
        );
        Some(to)
    }

    /// So many requests, one after the other.
    pub fn go_through(&mut self, requests: u32, bad: &[NodeId]) {
        for _ in 0..requests {
            self.ask_and_answer(bad);
        }
    }

    pub fn in_flight(&self) -> (u64, u64) {
        match self.machine().part() {
            Part::Balancer(balancer) => balancer.in_flight(),
            Part::Server(_) => panic!("only balancers count"),
        }
    }

    pub fn has(&self, fact: BalancingFact) -> bool {
        self.facts.contains(&fact)
    }
}
