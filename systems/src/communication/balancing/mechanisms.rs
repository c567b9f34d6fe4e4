//! What each mechanism of balancing promises: the cap of ejections, slow start, retries elsewhere, checks in time,
//! subsets, and servers that end what they have taken. Each rule is judged where its mechanism is on and came into
//! play.

use super::config::HealthChecks;
use super::fact::BalancingFact;
use super::message::{BalancingMessage, CheckRound, RequestNumber};
use super::node::{Machine, Part};
use super::options::Config;
use super::policy::Policy;
use sim_core::{Duration, Instant, NodeId, NodeSet, Observed, Order, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// No more servers are ejected for what became of requests than the cap allows; one may always be.
    pub const EJECTION_CAP_KEPT: &str = "ejection_cap_kept";
    /// A request that failed at one server is tried at another, if there is one.
    pub const RETRIES_GO_ELSEWHERE: &str = "retries_go_elsewhere";
    /// No server is asked for what nobody waits for any more.
    pub const DEADLINES_KEPT: &str = "deadlines_kept";
    /// A circuit that has opened rests for its time before a request may try it.
    pub const CIRCUITS_REST: &str = "circuits_rest";
    /// A server that answers no health check in time gets nothing, except in panic.
    pub const CHECKS_COUNT_IN_TIME: &str = "checks_count_in_time";
    /// A server that came (back) gets the share that slow start gives it.
    pub const SLOW_START_SPARES: &str = "slow_start_spares";
    /// Each server is in as many subsets as any other, but for the last round of balancers.
    pub const SUBSETS_EVEN: &str = "subsets_even";
    /// Whatever a server takes, it answers, or drops because nobody waits for it.
    pub const ACCEPTED_JOBS_END: &str = "accepted_jobs_end";
    /// In the end all balancers know the same members.
    pub const BALANCERS_AGREE: &str = "balancers_agree";
}

/// How long after the last change of members, or trouble, balancers may differ about them.
const HEARSAY: Duration = Duration::secs(4);
/// What an answer to a check may miss its time by before that is certain: two clocks are involved.
const SLACK: Duration = Duration::millis(1);
/// Standard deviations of a count that are still luck.
const LUCK: f64 = 6.0;
/// Half of the time of slow start a server's weight rises from a tenth to a half of its own: 0.3 on the average, in
/// steps. (Its share is that weight's among all: where few others are in, much more than 0.3 of a full share.)
const SPARED: f64 = 0.35;

/// A rule that was broken: which, by whom, and what was seen.
pub(super) type Broken = (&'static str, NodeId, String);

/// What one balancer has seen of one server.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    /// Whether it has answered the check under way; and how many in a row it has not answered, or not in time.
    answered: bool,
    missed: u32,
    /// Until when slow start spares it for half.
    warms_until: Option<Instant>,
    /// When its circuit opened, if nobody has tried it since.
    opened: Option<Instant>,
    /// Whether it is a member, and is in.
    is_in: bool,
}

/// What one balancer does.
#[derive(Clone, Debug, Default)]
struct Balancer {
    servers: Vec<Watched>,
    /// The round of checks under way, when it began, and whether nothing stood still since.
    round: Option<(CheckRound, Instant)>,
    /// By place in its book: a request, the server that it went to last, and until when somebody waits for it.
    tried: Vec<Option<(RequestNumber, u32, Option<Instant>)>>,
    panics: bool,
}

impl Balancer {
    fn new(config: &Config) -> Self {
        let members = config.servers() - config.spares;
        let watched = |server| Watched { is_in: server < members, ..Watched::default() };
        Self { servers: (0..config.servers()).map(watched).collect(), ..Self::default() }
    }
}

/// What is looked at when the step is over.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Ejected(NodeId, u32),
    SameAgain(NodeId, u32),
}

/// The memory of these rules.
#[derive(Clone, Debug)]
pub(super) struct Mechanisms {
    config: Rc<Config>,
    balancers: Vec<Balancer>,
    /// By server: the jobs it has by the sums, and what this step has changed of that; whether something was cancelled
    /// in it.
    jobs: Vec<i64>,
    change: i64,
    cancelled: bool,
    pending: Vec<Pending>,
    /// Servers that are being spared: what they got, what their share of that was, and how many times.
    spared: (f64, f64, u32),
    /// When something happened last that balancers may not all know of.
    unsettled: Instant,
    now: Instant,
    ejections: u64,
    retries: u64,
    checks: u64,
    deadlines: u64,
    circuits: u64,
    steps: u64,
}

impl Mechanisms {
    pub fn new(config: &Rc<Config>) -> Self {
        let servers = config.servers() as usize;
        Self {
            balancers: (0..config.balancers).map(|_| Balancer::new(config)).collect(),
            jobs: vec![0; servers],
            change: 0,
            cancelled: false,
            pending: Vec::new(),
            spared: (0.0, 0.0, 0),
            unsettled: Instant::ZERO,
            now: Instant::ZERO,
            ejections: 0,
            retries: 0,
            checks: 0,
            deadlines: 0,
            circuits: 0,
            steps: 0,
            config: Rc::clone(config),
        }
    }

    /// Something happens. `still` says whether something stands still or stood still a short time ago: machines or
    /// clocks.
    #[inline]
    pub fn watch(&mut self, at: Instant, what: &Observed<'_, Machine>, still: bool) -> Option<Broken> {
        self.now = at;
        match what {
            Observed::Sent { from, to, message, .. } => return self.sent(at, *from, *to, message, still),
            Observed::Delivered { from, to, message, .. } => self.delivered(at, *from, *to, message),
            Observed::Noted { node, fact } => {
                self.noted(at, *node, *fact);
                return self.check_circuit(at, *node, *fact, still);
            }
            Observed::Booted { node, .. } => {
                self.unsettled = at;
                match self.balancers.get_mut(node.index()) {
                    Some(balancer) => *balancer = Balancer::new(&self.config),
                    None => self.jobs[node.index() - self.config.balancers as usize] = 0,
                }
            }
            Observed::Ordered { order: Order::Members(_), .. }
            | Observed::FaultStarted { .. }
            | Observed::FaultEnded { .. } => self.unsettled = at,
            _ => {}
        }
        None
    }

    fn sent(
        &mut self,
        at: Instant,
        from: NodeId,
        to: NodeId,
        message: &BalancingMessage,
        still: bool,
    ) -> Option<Broken> {
        use BalancingMessage as M;
        let server = to.0.wrapping_sub(self.config.balancers);
        match *message {
            M::Forward { request, within, .. } => {
                return self.forwarded(at, (from, server), (request, within), still);
            }
            M::Probe { round, .. } => self.checks_again(at, from, round, still),
            M::Done { .. } | M::Failed { .. } | M::Full { .. } => self.change -= 1,
            _ => {}
        }
        None
    }

    fn forwarded(
        &mut self,
        at: Instant,
        (from, server): (NodeId, u32),
        (request, within): (RequestNumber, Option<Duration>),
        still: bool,
    ) -> Option<Broken> {
        let config = &self.config;
        let balancer = &mut self.balancers[from.index()];
        let place = request.0 as u32 as usize;
        if balancer.tried.len() <= place {
            balancer.tried.resize(place + 1, None);
        }
        let before = balancer.tried[place].take().filter(|(before, ..)| *before == request);
        let due = before.map_or(within.map(|within| at + within), |(.., due)| due);
        balancer.tried[place] = Some((request, server, due));
        self.deadlines += u64::from(due.is_some() && before.is_some());
        if !still && let Some(due) = due.filter(|due| at > *due + SLACK) {
            let late = at.since(due);
            let detail = format!("{} gets a request {late} after its client has given up", config.server(server));
            return Some((DEADLINES_KEPT, from, detail));
        }
        // Hedges have several servers at a time, and who waits in a queue takes what is free.
        if let Some((_, last, _)) = before.filter(|_| config.hedge.is_none() && config.policy != Policy::CentralQueue) {
            self.retries += 1;
            if last == server {
                self.pending.push(Pending::SameAgain(from, server));
            }
        }
        let (watched, panics) = (balancer.servers[server as usize], balancer.panics);
        // A retry avoids who failed: where many fail, a spared one that works gets more than its share of those.
        if before.is_none() {
            self.count_spared(at, from, server);
        }
        let health = self.config.health.filter(|_| !panics && !still)?;
        (watched.missed > health.unhealthy).then(|| {
            let name = self.config.server(server);
            let missed = watched.missed;
            let detail =
                format!("{name} has not answered {missed} checks in time, one after the other, and gets a request");
            (CHECKS_COUNT_IN_TIME, from, detail)
        })
    }

    /// A balancer begins a round of checks. What was not answered until now in time, was not.
    fn checks_again(&mut self, at: Instant, from: NodeId, round: CheckRound, still: bool) {
        let Some(HealthChecks { timeout, interval, .. }) = self.config.health else { return };
        let balancer = &mut self.balancers[from.index()];
        let Some((known, begun)) = balancer.round.replace((round, at)) else { return };
        if known == round {
            balancer.round = Some((round, begun));
            return;
        }
        self.checks += 1;
        let on_time = timeout + SLACK < interval && !still;
        for watched in &mut balancer.servers {
            let missed = !core::mem::take(&mut watched.answered);
            watched.missed = if missed && on_time { watched.missed + 1 } else { 0 };
        }
    }

    fn count_spared(&mut self, at: Instant, from: NodeId, server: u32) {
        // Only these give everybody its share whatever the load is.
        if self.config.slow_start == Duration::ZERO
            || self.config.subset > 0
            || self.config.breaker.is_some()
            || !matches!(self.config.policy, Policy::WeightedRandom | Policy::WeightedRoundRobin)
        {
            return;
        }
        let balancer = &mut self.balancers[from.index()];
        if balancer.panics {
            balancer.servers.iter_mut().for_each(|watched| watched.warms_until = None);
        }
        let warms = |watched: &Watched| watched.warms_until.is_some_and(|until| at < until);
        let warm = balancer.servers.iter().filter(|watched| warms(watched)).count();
        // Beside others that are spared too it gets more.
        if warm == 1 {
            let others = balancer.servers.iter().filter(|watched| watched.is_in && !warms(watched)).count() as f64;
            self.spared.1 += SPARED / (others + SPARED);
            self.spared.0 += f64::from(u8::from(warms(&balancer.servers[server as usize])));
        }
    }

    fn delivered(&mut self, at: Instant, from: NodeId, to: NodeId, message: &BalancingMessage) {
        use BalancingMessage as M;
        match *message {
            M::Forward { .. } => self.change += 1,
            M::Cancel { .. } => self.cancelled = true,
            M::Health { round, .. } => {
                let (server, timeout) =
                    (from.0.wrapping_sub(self.config.balancers), self.config.health.map(|h| h.timeout));
                if let Some(balancer) = self.balancers.get_mut(to.index())
                    && let Some((_, begun)) = balancer.round.filter(|(known, _)| *known == round)
                    && timeout.is_some_and(|timeout| at.since(begun) <= timeout + SLACK)
                {
                    balancer.servers[server as usize].answered = true;
                }
            }
            _ => {}
        }
    }

    fn noted(&mut self, at: Instant, node: NodeId, fact: BalancingFact) {
        use BalancingFact as F;
        match fact {
            F::Ejected { server, checked: false } => self.pending.push(Pending::Ejected(node, server)),
            F::Panicked | F::Calmed => self.balancers[node.index()].panics = fact == F::Panicked,
            F::Expired => self.change -= 1,
            F::Returned { server } | F::Joined { server } => {
                let half = Duration(self.config.slow_start.0 / 2);
                let watched = &mut self.balancers[node.index()].servers[server as usize];
                *watched = Watched { warms_until: Some(at + half), is_in: true, ..Watched::default() };
                self.spared.2 += 1;
            }
            F::Left { server } => self.balancers[node.index()].servers[server as usize] = Watched::default(),
            _ => {}
        }
        if let F::Ejected { server, .. } = fact {
            self.balancers[node.index()].servers[server as usize].is_in = false;
        }
        if matches!(fact, F::Ejected { .. } | F::Opened { .. }) {
            // What it would have got, the others get.
            let balancer = &mut self.balancers[node.index()];
            balancer.servers.iter_mut().for_each(|watched| watched.warms_until = None);
        }
    }

    fn check_circuit(&mut self, at: Instant, node: NodeId, fact: BalancingFact, still: bool) -> Option<Broken> {
        let open = self.config.breaker?.open;
        let server = match fact {
            BalancingFact::Opened { server } | BalancingFact::HalfOpened { server } => server,
            _ => return None,
        };
        let opened = &mut self.balancers[node.index()].servers[server as usize].opened;
        if matches!(fact, BalancingFact::Opened { .. }) {
            *opened = Some(at);
            return None;
        }
        let rested = at.since(opened.take()?);
        self.circuits += 1;
        let slack = Duration(SLACK.0 + open.0 / 1000);
        (rested + slack < open && !still).then(|| {
            let name = self.config.server(server);
            (
                CIRCUITS_REST,
                node,
                format!("the circuit of {name} is tried {rested} after it opened; it rests for {open}"),
            )
        })
    }

    /// A step of `node` is over.
    #[inline]
    pub fn after_step(&mut self, node: NodeId, machine: &Machine) -> Option<Broken> {
        let (change, cancelled) = (core::mem::take(&mut self.change), core::mem::take(&mut self.cancelled));
        match machine.part() {
            Part::Server(server) => {
                self.steps += 1;
                let jobs = &mut self.jobs[node.index() - self.config.balancers as usize];
                let (due, has) = (*jobs + change, server.length() as i64);
                *jobs = has;
                // One that is cancelled leaves a queue; one that a server refuses which hangs was never taken.
                let excused = i64::from(cancelled || change > 0 && server.hangs());
                if has > due || has < due - excused {
                    let detail = format!("it has {has} requests, and should have {due} by what it took and ended");
                    return Some((ACCEPTED_JOBS_END, node, detail));
                }
                None
            }
            Part::Balancer(balancer) => {
                let mut broken = None;
                for pending in core::mem::take(&mut self.pending) {
                    match pending {
                        Pending::Ejected(node, server) => {
                            self.ejections += 1;
                            let Some(ejection) = self.config.ejection else { continue };
                            let (out, mine) = balancer.ejected();
                            let most = (ejection.most_ppm as usize * mine / 1_000_000).max(1);
                            if out > most {
                                let name = self.config.server(server);
                                let detail = format!("{name} is ejected, the {out}th of {mine} servers; {most} may be");
                                broken = Some((EJECTION_CAP_KEPT, node, detail));
                            }
                        }
                        Pending::SameAgain(node, server) if balancer.choices() > 1 => {
                            let (name, choices) = (self.config.server(server), balancer.choices());
                            let detail = format!(
                                "a request that failed at {name} goes there again, with {choices} servers to choose \
                                 from"
                            );
                            broken = Some((RETRIES_GO_ELSEWHERE, node, detail));
                        }
                        Pending::SameAgain(..) => {}
                    }
                }
                broken
            }
        }
    }

    /// What these rules say in the end, of what happened.
    pub fn verdicts(&self, violation: Option<&Violation>, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let rows = [
            (EJECTION_CAP_KEPT, self.ejections, "ejections"),
            (RETRIES_GO_ELSEWHERE, self.retries, "retries"),
            (CHECKS_COUNT_IN_TIME, self.checks, "rounds of checks"),
            (CIRCUITS_REST, self.circuits, "circuits tried again"),
            (DEADLINES_KEPT, self.deadlines, "requests that were tried again before a deadline"),
            (ACCEPTED_JOBS_END, self.steps, "steps of servers"),
        ];
        let mut verdicts = Vec::new();
        for (rule, seen, what) in rows {
            match violation {
                Some(violation) if violation.rule == rule => verdicts.push(Verdict::Fail(violation.clone())),
                _ if seen > 0 => verdicts.push(Verdict::Pass { rule, detail: format!("{seen} {what}") }),
                _ => {}
            }
        }
        if violation.is_none() {
            verdicts.extend(self.judge_slow_start());
            verdicts.extend(self.judge_members(nodes));
        }
        verdicts
    }

    fn fail(&self, rule: &'static str, detail: String) -> Verdict {
        Verdict::Fail(Violation { rule: rule.to_owned(), at: self.now, node: None, detail })
    }

    fn judge_slow_start(&self) -> Option<Verdict> {
        let (rule, (got, share, times)) = (SLOW_START_SPARES, self.spared);
        // Fewer show nothing.
        if share < 15.0 {
            return None;
        }
        let most = share + LUCK * libm::sqrt(share) + f64::from(times);
        let told = format!("{got} requests in the first half of {times} slow starts; {share:.0} are their share");
        Some(if got > most { self.fail(rule, told) } else { Verdict::Pass { rule, detail: told } })
    }

    fn judge_members(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let part = |node: &Option<Machine>| node.as_ref().map(Machine::part).cloned();
        let all: Vec<_> = nodes.iter().take(self.config.balancers as usize).filter_map(part).collect();
        let balancers = || all.iter().filter_map(|part| if let Part::Balancer(b) = part { Some(b) } else { None });
        let members: Vec<Option<NodeSet>> = balancers().map(|balancer| balancer.members()).collect();
        if self.now.since(self.unsettled) < HEARSAY || members.len() < 2 || members.iter().any(Option::is_none) {
            return Vec::new();
        }
        let agree = members.windows(2).all(|pair| pair[0] == pair[1]);
        if !agree {
            let told: Vec<String> = members.iter().flatten().map(NodeSet::to_string).collect();
            return vec![self.fail(BALANCERS_AGREE, format!("for balancers the members are {}", told.join(", and ")))];
        }
        let mut verdicts =
            vec![Verdict::Pass { rule: BALANCERS_AGREE, detail: format!("{} balancers", members.len()) }];
        let size = self.config.subset as usize;
        let is_server = |node: &NodeId| !self.config.is_balancer(*node);
        let servers = members.first().copied().flatten().map_or(0, |nodes| nodes.iter().filter(is_server).count());
        if size > 0 && servers > size && members.len() == self.config.balancers as usize {
            let mut used = vec![0_usize; self.config.servers() as usize];
            balancers().flat_map(|balancer| balancer.mine()).for_each(|server| used[*server as usize] += 1);
            let rounds = members.len().div_ceil(servers / size);
            let most = used.iter().max().copied().unwrap_or(0);
            verdicts.push(if most > rounds {
                self.fail(
                    SUBSETS_EVEN,
                    format!("a server is in {most} subsets of {} balancers, {rounds} are its share", members.len()),
                )
            } else {
                Verdict::Pass {
                    rule: SUBSETS_EVEN,
                    detail: format!("{} subsets of {size} among {servers} servers", members.len()),
                }
            });
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BalancingOptions, TryNumber};
    use super::*;
    use sim_core::units::DurationText;

    const BALANCER: NodeId = NodeId(0);

    fn mechanisms() -> Mechanisms {
        let options = BalancingOptions {
            deadline: DurationText(Duration::millis(300)),
            breaker_failures: 1,
            breaker_open: DurationText(Duration::millis(500)),
            ..BalancingOptions::default()
        };
        Mechanisms::new(&Rc::new(options.validate(&sim_core::Shape::plain(4)).expect("options that make sense")))
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::millis(ms)
    }

    fn rule(broken: Option<Broken>) -> Option<&'static str> {
        broken.map(|(rule, ..)| rule)
    }

    #[test]
    fn a_request_that_is_tried_after_its_deadline_is_found() {
        let mut seen = mechanisms();
        let mut send = |ms, id, left| {
            let within = Some(Duration::millis(left));
            let message = BalancingMessage::Forward {
                id: TryNumber(id),
                client: sim_core::ClientId(0),
                request: RequestNumber(7),
                within,
            };
            let (from, to) = (BALANCER, NodeId(1 + id as u32));
            rule(seen.watch(at(ms), &Observed::Sent { from, to, message: &message, arrives: at(ms), number: 1 }, false))
        };
        assert_eq!((send(10, 0, 300), send(310, 1, 0)), (None, None), "at the deadline itself it may be either");
        assert_eq!(send(320, 2, 0), Some(DEADLINES_KEPT));
    }

    #[test]
    fn a_circuit_that_is_tried_too_early_is_found() {
        let mut seen = mechanisms();
        let mut note = |ms, fact| rule(seen.watch(at(ms), &Observed::Noted { node: BALANCER, fact }, false));
        assert_eq!(note(10, BalancingFact::Opened { server: 1 }), None);
        assert_eq!(note(510, BalancingFact::HalfOpened { server: 1 }), None);
        assert_eq!(note(600, BalancingFact::Opened { server: 1 }), None);
        assert_eq!(note(900, BalancingFact::HalfOpened { server: 1 }), Some(CIRCUITS_REST));
    }
}
