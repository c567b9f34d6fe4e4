//! A system whose nodes can not be cloned forks like any other: its runs are made again up to there.

use scenarios::runner::{ForkRequest, RunRequest, TraceMode};
use scenarios::scenario::Reseed;
use scenarios::{Diagnostics, Registry, Scenario};
use sim_core::record::RunRecord;
use sim_core::units::DurationText;
use sim_core::workload::{Generated, Load, Verb};
use sim_core::{Collect, Duration, Effects, Fact, Instant, Message, Node, NodeId, Replay, System, Ticket, Timer};

sim_core::options! {
    pub struct Options {
        /// How long a node waits at most before it says a number.
        pause: DurationText = DurationText(Duration::millis(10)),
    }
}

#[derive(Clone, Copy, Debug, Hash)]
pub struct Number(u64);
impl Message for Number {}
impl Fact for Number {}

/// It says numbers that it draws; `CLONE` has no meaning but to make two types of it.
#[derive(Debug)]
pub struct Speaker<const CLONE: bool> {
    pause: Duration,
}

impl Clone for Speaker<true> {
    fn clone(&self) -> Self {
        Self { pause: self.pause }
    }
}

impl<const CLONE: bool> Node for Speaker<CLONE> {
    type Config = Options;
    type Message = Number;
    type Request = Verb;
    type Response = u64;
    type Record = ();
    type Fact = Number;
    fn boot(options: &Options, _: NodeId, _: Replay<'_, ()>, fx: &mut Effects<'_, Self>) -> Self {
        fx.arm(Timer(0), options.pause.0);
        Self { pause: options.pause.0 }
    }
    fn on_message(&mut self, _: NodeId, number: Number, fx: &mut Effects<'_, Self>) {
        fx.note(number);
    }
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        let (to, number) = (NodeId(fx.rng().below(3) as u32), Number(fx.rng().below(1000)));
        fx.send(to, number);
        let pause = Duration(fx.rng().below(self.pause.0));
        fx.arm(timer, pause);
    }
    fn on_request(&mut self, ticket: Ticket, _: Verb, fx: &mut Effects<'_, Self>) {
        fx.reply(ticket, 0);
    }
}

pub struct Speaking<const CLONE: bool>;

impl<const CLONE: bool> System for Speaking<CLONE> {
    const NAME: &'static str = "speaking";
    const ABOUT: &'static str = "nodes that say numbers";
    const TIMERS: u16 = 1;
    type Node = Speaker<CLONE>;
    type Client = Generated<Speaker<CLONE>>;
    type Checks = ();
    type Options = Options;
    fn client(_: &Options, load: Load) -> Self::Client {
        Generated::new(load, |op| op.verb)
    }
    fn checks(_: &Options) {}
}

const TEXT: &str = "[scenario]\nname = \"x\"\nsystem = \"speaking\"\nduration = \"2s\"\nwarmup = \"0s\"\n\
                    settle = \"100ms\"\n\
                    [cluster]\nnodes = 3\n[[workload]]\nclients = 2\nrate = \"50/s\"\n";

fn parse(registry: &Registry, text: &str) -> Result<Scenario, Diagnostics> {
    let files = scenarios::Beside::new(std::path::Path::new("x.toml"));
    scenarios::parse(&scenarios::Text { name: "x.toml", text, json: false, overrides: &[], files: &files }, registry)
}

fn scenario(registry: &Registry) -> Scenario {
    parse(registry, TEXT).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)))
}

fn forks(registry: &Registry, at: Instant) -> Vec<RunRecord> {
    forks_of(registry, &scenario(registry), at)
}

fn forks_of(registry: &Registry, scenario: &Scenario, at: Instant) -> Vec<RunRecord> {
    let schedule = scenarios::expand(scenario, 1);
    let seeds = [7, 8, 7];
    let request = ForkRequest { scenario, schedule: &schedule, seed: 1, at, seeds: &seeds, keep_ops: true };
    let mut records = Vec::new();
    let system = registry.get("speaking").expect("it is registered");
    system.fork(&request, &mut |record| records.push(record)).expect("the options are right");
    records
}

#[test]
fn forks_are_the_same_whether_a_run_is_cloned_or_made_again() {
    let mut again = Registry::new();
    again.add_unclonable::<Speaking<false>>();
    let cloned = Registry::new().with::<Speaking<true>>();
    for at in [0, 700, 1_500] {
        let forks = forks(&again, Instant::ZERO + Duration::millis(at));
        assert_eq!(forks, self::forks(&cloned, Instant::ZERO + Duration::millis(at)), "at {at} ms");
        assert_eq!(forks[0], forks[2], "the same luck");
        assert_ne!(forks[0].digest, forks[1].digest, "other luck");
        assert!(forks[0].events > 300, "{}", forks[0].events);
    }
}

fn run(registry: &Registry, scenario: &Scenario) -> RunRecord {
    let schedule = scenarios::expand(scenario, 1);
    let request = RunRequest {
        scenario,
        schedule: &schedule,
        seed: 1,
        history: None,
        trace: None,
        trace_mode: TraceMode::default(),
        keep_ops: true,
        evidence: None,
        progress: &mut |_| {},
    };
    registry.get("speaking").expect("it is registered").run(request).expect("the options are right")
}

/// Warm-up ends at 500 ms, the load at 2 s, the run at 2.1 s; a piece of the run is 10.5 ms long.
const MOMENTS: [u64; 8] = [0, 1, 500, 700, 1_050, 2_000, 2_001, 2_099];

#[test]
fn a_run_that_is_reseeded_is_the_fork_of_the_run_that_is_not() {
    let registry = Registry::new().with::<Speaking<true>>();
    let plain = Scenario { warmup: Duration::millis(500), ..scenario(&registry) };
    for at in MOMENTS.map(|at| Instant::ZERO + Duration::millis(at)) {
        let forks = forks_of(&registry, &plain, at);
        for (seed, fork) in [(7, &forks[0]), (8, &forks[1])] {
            let scenario = Scenario { reseed: vec![Reseed { at, seed }], ..plain.clone() };
            // What a fork calls its seed is that of its own luck; the run goes by that of its beginning.
            let run = RunRecord { seed, timeline: fork.timeline.clone(), ..run(&registry, &scenario) };
            assert_eq!(&run, fork, "at {at}");
            assert_eq!(self::run(&registry, &scenario).digest, fork.digest, "the same again at {at}");
        }
        // In the last millisecond nothing is drawn any more.
        let other = forks[0].digest != run(&registry, &plain).digest;
        assert!(other || at > plain.heal_at() + Duration::millis(50), "other luck at {at}");
    }
}

#[test]
fn a_fork_of_a_reseeded_run_has_its_luck_up_to_the_fork_alone() {
    let registry = Registry::new().with::<Speaking<true>>();
    let at = |ms| Instant::ZERO + Duration::millis(ms);
    let with = |reseed: &[Reseed]| Scenario { reseed: reseed.to_vec(), ..scenario(&registry) };
    let (early, late) = (Reseed { at: at(300), seed: 5 }, Reseed { at: at(900), seed: 6 });
    let digests = |records: Vec<RunRecord>| records.into_iter().map(|record| record.digest).collect::<Vec<_>>();
    let of = |reseed: &[Reseed], ms| digests(forks_of(&registry, &with(reseed), at(ms)));
    assert_eq!(of(&[early, late], 600), of(&[early], 600), "what would come later is not the luck of the forks");
    assert_ne!(of(&[early], 600), of(&[], 600), "what came before is");
    let chain = Reseed { at: at(600), seed: 7 };
    assert_eq!(run(&registry, &with(&[early, chain])).digest, of(&[early], 600)[0], "a fork of a fork is a run");
}

#[test]
fn moments_of_fresh_luck_are_read_and_written_back() {
    let registry = Registry::new().with::<Speaking<true>>();
    let at = |ms| Instant::ZERO + Duration::millis(ms);
    let reseed = vec![Reseed { at: at(0), seed: 5 }, Reseed { at: at(2_099), seed: u64::MAX }];
    let scenario = Scenario { reseed: reseed.clone(), ..scenario(&registry) };
    let schedule = scenarios::expand(&scenario, 1);
    let text = scenarios::to_toml(&scenario, &schedule, 1);
    let read = parse(&registry, &text).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
    assert_eq!(read, scenario.resolved(&schedule, 1));
    assert_eq!(read.reseed, reseed);
}

#[test]
fn moments_out_of_order_or_behind_the_end_are_refused() {
    let registry = Registry::new().with::<Speaking<true>>();
    let wrong = |moments: &str| {
        let text = TEXT.replace("[cluster]", &format!("reseed = [{moments}]\n[cluster]"));
        parse(&registry, &text).expect_err("it is refused").render(false)
    };
    let late = wrong("{ at = \"2.1s\", seed = 1 }");
    assert!(late.contains("the run is over at 2.1s"), "{late}");
    let order = wrong("{ at = \"1s\", seed = 1 }, { at = \"1s\", seed = 2 }");
    assert!(order.contains("this does not come after 1s"), "{order}");
    let parts = wrong("{ at = \"1s\", luck = 1 }");
    assert!(parts.contains("has no key `luck`") && parts.contains("needs `seed`"), "{parts}");
}
