//! A system whose nodes can not be cloned forks like any other: its runs are made again up to there.

use scenarios::runner::ForkRequest;
use scenarios::{Registry, Scenario};
use sim_core::record::RunRecord;
use sim_core::units::DurationText;
use sim_core::workload::{Generated, Load, Verb};
use sim_core::{
    Collect, Duration, Effects, Fact, Instant, Invalid, Message, Node, NodeId, Replay, Shape, System, Ticket, Timer,
};

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
    fn configure(options: Options, _: &Shape) -> Result<Options, Vec<Invalid>> {
        Ok(options)
    }
    fn client(_: &Options, load: Load) -> Self::Client {
        Generated::new(load, |op| op.verb)
    }
    fn checks(_: &Options) {}
}

fn scenario(registry: &Registry) -> Scenario {
    let text = "[scenario]\nname = \"x\"\nsystem = \"speaking\"\nduration = \"2s\"\nwarmup = \"0s\"\n\
                settle = \"100ms\"\n\
                [cluster]\nnodes = 3\n[[workload]]\nclients = 2\nrate = \"50/s\"\n";
    let files = scenarios::Beside::new(std::path::Path::new("x.toml"));
    let text = scenarios::Text { name: "x.toml", text, json: false, overrides: &[], files: &files };
    scenarios::parse(&text, registry).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)))
}

fn forks(registry: &Registry, at: Instant) -> Vec<RunRecord> {
    let scenario = scenario(registry);
    let schedule = scenarios::expand(&scenario, 1);
    let seeds = [7, 8, 7];
    let request = ForkRequest { scenario: &scenario, schedule: &schedule, seed: 1, at, seeds: &seeds, keep_ops: true };
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
