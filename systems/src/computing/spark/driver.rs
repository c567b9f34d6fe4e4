//! The driver: it cuts an action into stages at its shuffles, gives out the tasks of stages that have all they need,
//! and has made again only what was lost.

use super::SparkBug;
use super::cache::Block;
use super::graph::{Graph, Row};
use super::message::{Owner, Places, Report, SparkFact, SparkMessage, SparkRecord, SparkRequest, SparkResponse, Spec};
use super::node::{CHECK, Fx};
use super::options::Config;
use super::program::{Kind, Program, collected};
use crate::computing::tasks::board::Board;
use crate::computing::tasks::roster::{Heard, Roster};
use crate::computing::tasks::talk::{Ping, Pong};
use crate::computing::tasks::{Attempt, Cause};
use sim_core::hash::Hashed;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, Effect, LocalInstant, NodeId, Replay, Ticket};
use std::rc::Rc;

/// A stage: the tasks of one dataset up to a shuffle, or those whose rows are collected.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What its tasks make.
    pub rdd: u32,
    /// For which shuffle.
    pub shuffle: Option<u32>,
    /// Its tasks.
    pub board: Board,
    /// Whether it was announced that it may begin.
    began: bool,
    /// When a task last went to an executor that has its partition in memory, or when it began.
    last_local: LocalInstant,
    /// How long executions took that were done.
    times: Vec<u64>,
    /// How many executions were done.
    ended: u32,
}

/// The application that goes on.
#[derive(Clone, Debug)]
pub struct App {
    owner: Owner,
    /// Unique; so are the runs of its actions, which come after it.
    app: u64,
    program: Program,
    graph: Rc<Hashed<Graph>>,
    /// The dataset that is collected.
    action: u32,
    pub(super) run: u64,
    /// The stages of shuffles at even numbers, twice the shuffle's, those of actions at odd ones.
    pub(super) stages: SortedMap<u32, Stage>,
    outputs: SortedMap<u32, Vec<Option<NodeId>>>,
    blocks: SortedMap<Block, SortedSet<NodeId>>,
    saved: SortedSet<Block>,
    result: Vec<Row>,
    /// Where everything is, as tasks are told; made anew when it has changed.
    places: Option<Rc<Hashed<Places>>>,
}

/// The driver.
#[derive(Clone, Debug)]
pub struct Driver {
    config: Rc<Config>,
    life: u64,
    pub(super) app: Option<App>,
    queue: Vec<(Owner, Kind)>,
    answers: SortedMap<Owner, SparkResponse>,
    tickets: SortedMap<Owner, Ticket>,
    roster: Roster,
    apps: u64,
    /// What the last application came to.
    pub(super) last: Option<(u64, Kind, Rc<Vec<Row>>)>,
}

impl App {
    fn new(owner: Owner, app: u64, kind: Kind, config: &Config) -> Self {
        Self {
            owner,
            app,
            program: Program::new(kind, config),
            graph: Rc::new(Hashed::new(Graph::default())),
            action: 0,
            run: app,
            stages: SortedMap::new(),
            outputs: SortedMap::new(),
            blocks: SortedMap::new(),
            saved: SortedSet::new(),
            result: Vec::new(),
            places: None,
        }
    }

    fn begin_action(&mut self, rdd: u32, parts: u32, fx: &mut Fx<'_>) {
        (self.action, self.run) = (rdd, self.app + u64::from(self.program.actions));
        self.graph = Rc::new(Hashed::new(self.program.graph.clone()));
        self.stages.values_mut().for_each(|stage| stage.board.forget_runs(0));
        self.result.clear();
        let now = fx.now();
        for (number, of) in (0..).zip(&self.graph.rdds) {
            if let Some(parent) = of.wide
                && !self.outputs.contains_key(&number)
            {
                self.outputs.insert(number, vec![None; parts as usize]);
                self.stages.insert(2 * number, Stage::new(parent, Some(number), parts, now));
            }
        }
        self.stages.insert(2 * rdd + 1, Stage::new(rdd, None, parts, now));
        fx.note(SparkFact::ActionBegan { run: self.run, number: self.program.actions });
    }

    /// Whether all partitions of a dataset are in memory somewhere, or in the storage.
    fn is_there(&self, rdd: u32, parts: u32) -> bool {
        let of = self.graph.rdd(rdd).is_some_and(|rdd| rdd.cached || rdd.saved);
        let has = |block| self.saved.contains(&block) || self.blocks.get(&block).is_some_and(|at| !at.is_empty());
        of && (0..parts).all(|part| has((rdd, part)))
    }

    /// The stages that have all they need and are not done, of those that the action needs.
    fn ready(&self, config: &Config) -> Vec<u32> {
        let (mut seen, mut ready, mut stack) = (SortedSet::new(), Vec::new(), vec![2 * self.action + 1]);
        let is_done = |shuffle: &u32| {
            let stage = &self.stages[&(2 * shuffle)];
            stage.board.is_done() || (config.has(SparkBug::CountsExecutions) && stage.ended >= stage.board.len())
        };
        while let Some(number) = stack.pop() {
            if !seen.insert(number) {
                continue;
            }
            let there = |rdd| self.is_there(rdd, config.partitions);
            let needs = self.graph.shuffles(self.stages[&number].rdd, &there);
            let missing: Vec<u32> = needs.into_iter().filter(|shuffle| !is_done(shuffle)).collect();
            if missing.is_empty() {
                ready.push(number);
            }
            stack.extend(missing.into_iter().map(|shuffle| 2 * shuffle));
        }
        ready.sort_unstable();
        ready
    }

    fn places(&mut self) -> Rc<Hashed<Places>> {
        let (outputs, blocks, saved) = (&self.outputs, &self.blocks, &self.saved);
        let made = self.places.get_or_insert_with(|| {
            let cached = blocks.iter().filter_map(|(block, at)| Some((*block, *at.first()?))).collect();
            Rc::new(Hashed::new(Places { outputs: outputs.clone(), cached, saved: saved.clone() }))
        });
        Rc::clone(made)
    }

    /// The executors that have in memory what a task of a stage begins with.
    fn preferred(&self, rdd: u32, part: u32) -> Option<&SortedSet<NodeId>> {
        let at = self.blocks.get(&(rdd, part)).filter(|at| !at.is_empty());
        at.or_else(|| self.graph.rdd(rdd)?.narrow.iter().find_map(|parent| self.preferred(*parent, part)))
    }

    /// Forgets outputs of a shuffle. How many there were.
    fn lose_outputs(&mut self, config: &Config, shuffle: u32, which: impl Fn(NodeId) -> bool) -> u32 {
        let whole = config.has(SparkBug::WholeStageAgain);
        if config.has(SparkBug::LostOutputsKept) {
            return 0;
        }
        let (Some(outputs), Some(stage)) = (self.outputs.get_mut(&shuffle), self.stages.get_mut(&(2 * shuffle))) else {
            return 0;
        };
        let mut lost = 0;
        let all = whole && outputs.iter().flatten().any(|at| which(*at));
        for (part, at) in (0..).zip(outputs) {
            if at.is_some_and(|at| all || which(at)) {
                *at = None;
                stage.board.lose(part);
                stage.began = false;
                lost += 1;
            }
        }
        lost
    }
}

impl Stage {
    fn new(rdd: u32, shuffle: Option<u32>, parts: u32, now: LocalInstant) -> Self {
        let board = Board::new(parts);
        Self { rdd, shuffle, board, began: false, last_local: now, times: Vec::new(), ended: 0 }
    }
}

impl Driver {
    pub(super) fn boot(config: &Rc<Config>, disk: Replay<'_, SparkRecord>, fx: &mut Fx<'_>) -> Self {
        let life = disk.iter().count() as u64 + 1;
        let write = fx.append(SparkRecord::Life { life });
        fx.sync();
        fx.after(write, Effect::Arm { timer: CHECK, after: Duration(1) });
        Self {
            config: Rc::clone(config),
            life,
            app: None,
            queue: Vec::new(),
            answers: SortedMap::new(),
            tickets: SortedMap::new(),
            roster: Roster::default(),
            apps: 0,
            last: None,
        }
    }

    pub(super) fn on_request(&mut self, ticket: Ticket, request: SparkRequest, fx: &mut Fx<'_>) {
        let kind = match request {
            SparkRequest::Status => {
                let actions = self.app.as_ref().map_or(0, |app| app.program.actions);
                return fx.reply(ticket, SparkResponse::Status { actions, waiting: self.queue.len() as u32 });
            }
            SparkRequest::Empty => return fx.reply(ticket, SparkResponse::Taken),
            SparkRequest::Run(kind) => kind,
        };
        let owner = (ticket.client, ticket.op);
        self.answers.retain(|(client, op), _| *client != ticket.client || *op >= ticket.floor);
        if let Some(answer) = self.answers.get(&owner) {
            return fx.reply(ticket, answer.clone());
        }
        self.tickets.insert(owner, ticket);
        fx.progress(ticket);
        let goes_on = self.app.as_ref().is_some_and(|app| app.owner == owner);
        if !goes_on && !self.queue.iter().any(|(other, _)| *other == owner) {
            self.queue.push((owner, kind));
            self.begin_app(fx);
        }
    }

    /// The next application, if none goes on.
    fn begin_app(&mut self, fx: &mut Fx<'_>) {
        if self.app.is_some() || self.queue.is_empty() {
            return;
        }
        let (owner, kind) = self.queue.remove(0);
        self.apps += 1;
        let number = self.life << 40 | self.apps << 20;
        let mut app = App::new(owner, number, kind, &self.config);
        fx.note(SparkFact::AppBegan { app: number, kind });
        if let Ok(rdd) = app.program.next(&self.config, None) {
            app.begin_action(rdd, self.config.partitions, fx);
        }
        self.roster.clear();
        self.app = Some(app);
    }

    pub(super) fn on_timer(&mut self, fx: &mut Fx<'_>) {
        for (worker, attempts) in self.roster.silent(fx.now(), self.config.executor_timeout) {
            self.lose(worker, &attempts, fx);
        }
        self.tickets.values().for_each(|ticket| fx.progress(*ticket));
        fx.arm(CHECK, self.config.heartbeat);
    }

    /// An executor is gone, with what it was doing, its outputs of shuffles and what it had in memory.
    fn lose(&mut self, worker: NodeId, attempts: &[Attempt], fx: &mut Fx<'_>) {
        let Some(app) = &mut self.app else { return };
        for attempt in attempts.iter().filter(|attempt| attempt.run == app.run) {
            if let Some(stage) = app.stages.get_mut(&attempt.stage) {
                stage.board.give_up(attempt.task, attempt.number, Cause::WorkerLost);
            }
        }
        let mut outputs = 0;
        for shuffle in app.outputs.keys().copied().collect::<Vec<_>>() {
            outputs += app.lose_outputs(&self.config, shuffle, |at| at == worker);
        }
        let blocks = app.blocks.values_mut().filter_map(|at| at.remove(&worker).then_some(())).count() as u32;
        app.places = None;
        if outputs > 0 || blocks > 0 || !attempts.is_empty() {
            fx.note(SparkFact::ExecutorLost { worker, outputs, blocks });
        }
    }

    pub(super) fn on_ping(&mut self, from: NodeId, ping: &Ping<Report>, fx: &mut Fx<'_>) {
        let now = fx.now();
        let tells = ping.master == self.life && ping.held.is_some();
        let (joined, lost) = match self.roster.hear(from, ping.life, ping.number, tells, now) {
            Heard::Stale => return,
            Heard::Stranger(lost) => (false, Some(lost)),
            Heard::Joins(lost) => (true, Some(lost)),
            Heard::Known => (true, None),
        };
        if let Some(lost) = lost {
            // Whoever joins, joins with nothing: what it had under an earlier lease has been given up.
            self.lose(from, &lost, fx);
        }
        let mut pong = Pong {
            life: self.life,
            to: ping.life,
            number: ping.number,
            joined,
            run: 0,
            heard: Vec::new(),
            start: Vec::new(),
            stop: Vec::new(),
            from: 0,
            news: Vec::new(),
        };
        if joined {
            self.take_in(from, ping, &mut pong, fx);
            pong.run = self.app.as_ref().map_or(0, |app| app.app);
            self.give_out(from, &mut pong, fx);
        }
        fx.send(from, SparkMessage::Pong(Rc::new(pong)));
    }

    /// What an executor says: what has ended, and what it does.
    fn take_in(&mut self, from: NodeId, ping: &Ping<Report>, pong: &mut Pong<Spec, ()>, fx: &mut Fx<'_>) {
        for (attempt, report) in &ping.ended {
            pong.heard.push(*attempt);
            let was_doing = self.roster.take(from, *attempt);
            self.on_report(from, *attempt, report, was_doing, fx);
        }
        for attempt in &ping.running {
            let stage = self.app.as_ref().filter(|app| app.run == attempt.run);
            let stage = stage.and_then(|app| app.stages.get(&attempt.stage));
            let run = stage.and_then(|stage| stage.board.run(attempt.task, attempt.number));
            if run.is_none_or(|run| run.worker != from) {
                self.roster.take(from, *attempt);
                pong.stop.push(*attempt);
            }
        }
        // What it was given and does not know of never reached it, or nobody wants it any more.
        let given = self.roster.get(from).into_iter().flat_map(|member| member.doing.iter().copied());
        for attempt in given.filter(|attempt| !ping.running.contains(attempt)).collect::<Vec<_>>() {
            let stage = self.app.as_ref().filter(|app| app.run == attempt.run);
            let stage = stage.and_then(|app| app.stages.get(&attempt.stage));
            match stage.and_then(|stage| stage.board.run(attempt.task, attempt.number)).map(|run| run.cause) {
                Some(cause) => pong.start.extend(self.spec(attempt, cause).map(|spec| (attempt, spec))),
                None => _ = self.roster.take(from, attempt),
            }
        }
    }

    fn spec(&mut self, attempt: Attempt, cause: Cause) -> Option<Spec> {
        let app = self.app.as_mut()?;
        let places = app.places();
        let stage = app.stages.get(&attempt.stage)?;
        Some(Spec { graph: Rc::clone(&app.graph), rdd: stage.rdd, shuffle: stage.shuffle, places, cause })
    }

    fn on_report(&mut self, from: NodeId, attempt: Attempt, report: &Report, was_doing: bool, fx: &mut Fx<'_>) {
        let Some(app) = &mut self.app else { return };
        if attempt.run & !0xf_ffff != app.app {
            return;
        }
        match report {
            Report::Done { rows, stored, dropped, saved } => {
                for block in stored {
                    app.blocks.entry(*block).or_default().insert(from);
                }
                for block in dropped {
                    app.blocks.entry(*block).or_default().remove(&from);
                }
                app.saved.extend(saved);
                app.places = None;
                let Some(stage) = app.stages.get_mut(&attempt.stage).filter(|_| attempt.run == app.run) else { return };
                let since = stage.board.run(attempt.task, attempt.number).map(|run| run.since);
                let is_first = stage.board.finish(attempt.task, attempt.number, from);
                stage.ended += u32::from(is_first || was_doing);
                if let (Some(rows), true) = (rows, is_first || self.config.has(SparkBug::ResultCountedTwice)) {
                    app.result.extend(rows.iter().cloned());
                }
                if is_first {
                    fx.note(SparkFact::Counted { attempt, worker: from });
                    stage.times.extend(since.map(|since| fx.now().since(since).0));
                    if let Some(outputs) = stage.shuffle.and_then(|shuffle| app.outputs.get_mut(&shuffle)) {
                        outputs[attempt.task as usize] = Some(from);
                    }
                }
                self.go_on(fx);
            }
            Report::FetchFailed { shuffle, from: holder } => {
                if let Some(stage) = app.stages.get_mut(&attempt.stage) {
                    stage.board.give_up(attempt.task, attempt.number, Cause::Failed);
                }
                if was_doing
                    && attempt.run == app.run
                    && app.lose_outputs(&self.config, *shuffle, |at| at == *holder) > 0
                {
                    app.places = None;
                    fx.note(SparkFact::OutputsLost { worker: *holder, shuffle: *shuffle });
                }
            }
            Report::Failed { gone } => {
                for (block, at) in gone {
                    app.blocks.entry(*block).or_default().remove(at);
                }
                app.places = None;
                if let Some(stage) = app.stages.get_mut(&attempt.stage) {
                    stage.board.give_up(attempt.task, attempt.number, Cause::Failed);
                }
            }
        }
    }

    /// An action that has all its rows is done; then the next one begins, or the application is over.
    fn go_on(&mut self, fx: &mut Fx<'_>) {
        let Some(app) = &mut self.app else { return };
        if !app.stages.get(&(2 * app.action + 1)).is_some_and(|stage| stage.board.is_done()) {
            return;
        }
        fx.note(SparkFact::ActionDone { run: app.run });
        let result = collected(&app.result);
        match app.program.next(&self.config, Some(result)) {
            Ok(rdd) => {
                app.begin_action(rdd, self.config.partitions, fx);
                self.roster.clear();
            }
            Err(result) => {
                let (number, owner, kind) = (app.app, app.owner, app.program.kind);
                let response = SparkResponse::Done { app: number, rows: result.len() as u64 };
                self.last = Some((number, kind, Rc::new(result)));
                fx.note(SparkFact::AppDone { app: number });
                self.app = None;
                self.roster.clear();
                self.answers.insert(owner, response.clone());
                if let Some(ticket) = self.tickets.remove(&owner) {
                    fx.reply(ticket, response);
                }
                self.begin_app(fx);
            }
        }
    }

    /// Tasks for the cores that an executor has free.
    fn give_out(&mut self, worker: NodeId, pong: &mut Pong<Spec, ()>, fx: &mut Fx<'_>) {
        let now = fx.now();
        let busy = self.roster.get(worker).map_or(0, |member| member.doing.len());
        let free = (self.config.cores as usize).saturating_sub(busy);
        let Some(app) = &mut self.app else { return };
        let ready = app.ready(&self.config);
        for number in &ready {
            if let Some(stage) = app.stages.get_mut(number).filter(|stage| !stage.began) {
                (stage.began, stage.last_local) = (true, now);
                let missing = stage.board.len() - stage.board.done();
                fx.note(SparkFact::StageBegan { run: app.run, stage: *number, missing });
            }
        }
        for _ in 0..free {
            let Some(app) = &self.app else { return };
            let choice = ready.iter().find_map(|number| Some((*number, self.choose(app, *number, worker, now)?)));
            let Some((number, (task, local))) = choice else { return };
            let Some(app) = &mut self.app else { return };
            let Some(stage) = app.stages.get_mut(&number) else { return };
            if local {
                stage.last_local = now;
            }
            let (execution, cause) = stage.board.begin(task, worker, now);
            let attempt = Attempt { run: app.run, stage: number, task, number: execution };
            self.roster.give(worker, attempt);
            fx.note(SparkFact::Given { attempt, worker });
            pong.start.extend(self.spec(attempt, cause).map(|spec| (attempt, spec)));
        }
    }

    /// A task of a stage for an executor, and whether it has in memory what that begins with.
    fn choose(&self, app: &App, number: u32, worker: NodeId, now: LocalInstant) -> Option<(u32, bool)> {
        let stage = app.stages.get(&number)?;
        let waits = now.since(stage.last_local) < self.config.locality_wait;
        let joined = |at: &NodeId| self.roster.get(*at).is_some_and(|member| member.joined);
        let mut second = None;
        for task in stage.board.idle() {
            match app.preferred(stage.rdd, task) {
                Some(at) if at.contains(&worker) => return Some((task, true)),
                Some(at) if waits && at.iter().any(joined) => {}
                _ => second = second.or(Some(task)),
            }
        }
        second.or_else(|| self.speculate(stage, worker, now)).map(|task| (task, false))
    }

    /// A task that takes long, once more.
    fn speculate(&self, stage: &Stage, worker: NodeId, now: LocalInstant) -> Option<u32> {
        let (config, board) = (&self.config, &stage.board);
        let many = u64::from(board.done()) * 100 >= u64::from(config.speculation_after) * u64::from(board.len());
        if !config.speculation || !many || stage.times.is_empty() {
            return None;
        }
        let mut times = stage.times.clone();
        times.sort_unstable();
        let long = times[times.len() / 2] * u64::from(config.speculation_factor) / 100;
        board.straggler(worker, LocalInstant(now.0.checked_sub(long)?))
    }
}
