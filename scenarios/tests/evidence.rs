//! What explains a run: a twin that differs is caught at the event, the last events are told when a rule breaks or the
//! code panics, and checkpoints say where two runs part.

use scenarios::runner::{Evidence, Moment, RunError, RunRequest, TraceMode};
use scenarios::{Registry, Scenario};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::record::{Ruling, RunRecord};
use sim_core::workload::{Generated, Load};
use sim_core::{
    Class, Collect, Duration, Effects, Fact, Instant, Kind, Message, Node, NodeId, Observer, Operation, Replay, System,
    Timer, Violation,
};
use std::cell::Cell;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;

/// What goes wrong with it, and after how many messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Trouble {
    #[default]
    None,
    /// It sends what it should not know: how often this thread has come here.
    Flaky,
    Panics,
    /// Its rule does, which is nobody's node.
    RulePanics,
    BreaksARule,
}

sim_core::options! {
    struct Options {
        trouble: Trouble = Trouble::None,
        after: u64 = 0,
    }
}

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

#[derive(Clone, Copy, Debug, Hash)]
struct Number(u64);

impl Message for Number {
    fn kind(&self) -> Kind {
        Kind::new(0, "number")
    }
    fn bytes(&self) -> u32 {
        8
    }
}

impl Fact for Number {
    fn kind(&self) -> Kind {
        Kind::new(0, "reached")
    }
}

/// Hands a number round, one larger each time.
#[derive(Clone, Debug)]
struct Ring {
    me: NodeId,
    options: Options,
    number: u64,
}

impl Node for Ring {
    type Config = Options;
    type Message = Number;
    type Request = ();
    type Response = ();
    type Record = ();
    type Fact = Number;
    fn boot(options: &Options, me: NodeId, _: Replay<'_, ()>, fx: &mut Effects<'_, Self>) -> Self {
        if me.0 == 0 {
            fx.arm(Timer(0), Duration::millis(1));
        }
        Self { me, options: options.clone(), number: 0 }
    }
    fn on_message(&mut self, _: NodeId, message: Number, fx: &mut Effects<'_, Self>) {
        self.number = message.0;
        let late = message.0 >= self.options.after;
        assert!(
            !late || self.options.trouble != Trouble::Panics,
            "the number {} is too much for {}",
            message.0,
            self.me
        );
        if late && self.options.trouble == Trouble::Flaky {
            CALLS.set(CALLS.get() + 1);
            self.number += CALLS.get();
        }
        fx.note(Number(self.number));
        fx.send(NodeId((self.me.0 + 1) % 3), Number(self.number + 1));
    }
    fn on_timer(&mut self, _: Timer, fx: &mut Effects<'_, Self>) {
        fx.send(NodeId(1), Number(1));
    }
    fn request_bytes((): &()) -> u32 {
        0
    }
    fn response_bytes((): &()) -> u32 {
        0
    }
}

#[derive(Clone, Debug)]
struct Rule(Options);

impl Observer<Ring> for Rule {
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Ring>]) -> Result<(), Violation> {
        let number = nodes[stepped.index()].as_ref().map_or(0, |n| n.number);
        assert!(
            self.0.trouble != Trouble::RulePanics || number < self.0.after,
            "{number} is more than a rule can bear"
        );
        if self.0.trouble == Trouble::BreaksARule && number >= self.0.after {
            let detail = format!("the number is {number}");
            return Err(Violation { rule: "small_numbers".to_owned(), at, node: Some(stepped), detail });
        }
        Ok(())
    }
}

struct RingSystem;

impl System for RingSystem {
    const NAME: &'static str = "ring";
    const ABOUT: &'static str = "hands a number round";
    const TIMERS: u16 = 1;
    type Node = Ring;
    type Client = Generated<Ring>;
    type Checks = Rule;
    type Options = Options;
    fn client(_: &Options, load: Load) -> Self::Client {
        Generated::new(load, |_| ())
    }
    fn checks(options: &Options) -> Rule {
        Rule(options.clone())
    }
    fn operation((): &()) -> Operation {
        Operation { class: Class::Read, name: "nothing", key: None }
    }
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.add::<RingSystem>();
    registry
}

fn scenario(trouble: &str, after: u64) -> Scenario {
    asked(trouble, after, 1, "1/s")
}

fn asked(trouble: &str, after: u64, clients: u32, rate: &str) -> Scenario {
    let text = format!(
        "[scenario]\nname = \"ring\"\nsystem = \"ring\"\nduration = \"2s\"\nwarmup = \"0s\"\n\
         [cluster]\nnodes = 3\n[network]\nlatency = \"1ms..2ms\"\n[probe]\nenabled = false\n\
         [[workload]]\nclients = {clients}\nrate = \"{rate}\"\nstart = \"1800ms\"\n\
         [system]\ntrouble = \"{trouble}\"\nafter = {after}\n"
    );
    let files = scenarios::Beside::new(std::path::Path::new("ring.toml"));
    let text = scenarios::Text { name: "ring.toml", text: &text, json: false, overrides: &[], files: &files };
    scenarios::parse(&text, &registry()).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)))
}

fn run(scenario: &Scenario, evidence: &mut Evidence) -> RunRecord {
    made(scenario, Some(evidence), None).expect("nothing is written")
}

fn made(
    scenario: &Scenario,
    evidence: Option<&mut Evidence>,
    history: Option<&mut (dyn Write + Send + 'static)>,
) -> Result<RunRecord, RunError> {
    let schedule = scenarios::expand(scenario, 1);
    let registry = registry();
    let request = RunRequest {
        scenario,
        schedule: &schedule,
        seed: 1,
        history,
        trace: None,
        trace_mode: TraceMode::default(),
        keep_ops: true,
        evidence,
        progress: &mut |_| {},
    };
    registry.get("ring").expect("it is registered").run(request)
}

fn twins() -> Evidence {
    Evidence { twin: true, ..Evidence::default() }
}

#[test]
fn twins_of_a_deterministic_system_never_part() {
    let scenario = scenario("none", 0);
    let mut evidence = twins();
    let record = run(&scenario, &mut evidence);
    assert!(record.events > 1_000, "{}", record.events);
    assert_eq!(evidence.parted, None);
    assert_eq!(evidence.twin_record.as_deref(), Some(&record));
    // Evidence changes nothing.
    let mut alone = Evidence::default();
    assert_eq!(run(&scenario, &mut alone), record);
    assert_eq!(alone.checkpoints, evidence.checkpoints);
    assert!(alone.twin_record.is_none());
}

#[test]
fn nondeterminism_is_caught_at_the_event_where_it_shows() {
    let mut evidence = twins();
    let record = run(&scenario("flaky", 300), &mut evidence);
    let parted = evidence.parted.expect("they part");
    assert!(evidence.twin_record.is_none());
    // The number 300 is what the first deviating step was given; its event is the same in both, but for what it sends.
    let common = parted.run.iter().zip(&parted.twin).take_while(|(a, b)| a == b).count();
    assert!(common > 50 && common < parted.run.len(), "{common} of {}", parted.run.len());
    let (a, b) = (&parted.run[common], &parted.twin[common]);
    assert!(a.contains("\"fact\"") && b.contains("\"fact\"") && a != b, "{a} {b}");
    let last_common: Vec<&String> = parted.run[..common].iter().filter(|l| l.contains("\"sent\"")).collect();
    assert!(last_common.last().expect("one was sent").contains("Number(300)"), "{last_common:?}");
    assert!(parted.events >= 300 && parted.events < 320, "{}", parted.events);
    // The run itself goes on to its end.
    assert!(record.simulated_ns >= 2_000_000_000);
    // Two runs one after the other part too, and checkpoints say where.
    let (mut one, mut two) = (Evidence::default(), Evidence::default());
    run(&scenario("flaky", 300), &mut one);
    run(&scenario("flaky", 300), &mut two);
    let (from, to) = one.checkpoints.part(&two.checkpoints).expect("they part");
    assert!(from >= 300 && to <= 320 && to - from == 1, "{from}..{to}");
}

#[test]
fn a_broken_rule_is_told_with_the_events_before_it() {
    let mut evidence = Evidence::default();
    let record = run(&scenario("breaks_a_rule", 200), &mut evidence);
    assert_eq!(record.verdicts[0].rule, "small_numbers");
    assert_eq!(record.last_events, evidence.last);
    let lines = &record.last_events;
    assert!(lines.len() >= 20 && lines.len() <= 40, "{}", lines.len());
    let delivered = lines.iter().rev().find(|l| l.contains("\"delivered\"")).expect("what broke it");
    assert!(lines.iter().any(|l| l.contains("Number(200)")), "{delivered}");
    assert!(run(&scenario("none", 0), &mut Evidence::default()).last_events.is_empty());
}

/// Each telling.
static LAST_WORDS: Mutex<Vec<Vec<String>>> = Mutex::new(Vec::new());

#[test]
fn a_panic_of_a_node_is_a_broken_rule_and_the_run_goes_on_to_its_record() {
    let scenario = scenario("panics", 100);
    let record = run(&scenario, &mut Evidence { on_panic: |_| panic!("it is no bug here"), ..Evidence::default() });
    let broken: Vec<_> = record.verdicts.iter().filter(|v| v.verdict == Ruling::Fail).collect();
    let [verdict] = &broken[..] else { panic!("{broken:?}") };
    assert_eq!(verdict.rule, "no_panic");
    let says = " on n2: the number 100 is too much for n2 (scenarios/tests/evidence.rs:";
    assert!(verdict.detail.contains(says) && verdict.detail.starts_with("at 0.1"), "{}", verdict.detail);
    assert!(record.last_events.iter().any(|line| line.contains("Number(100)")), "{:#?}", record.last_events);
    // The same run with or without anybody who wants to explain it, and beside a twin.
    let mut twin = Evidence { twin: true, ..Evidence::default() };
    assert_eq!(run(&scenario, &mut twin).verdicts, record.verdicts);
    assert!(twin.parted.is_none() && twin.twin_record.is_some_and(|twin| twin.digest == record.digest));
    let plain = made(&scenario, None, None).expect("nothing is written");
    assert_eq!((plain.digest, plain.verdicts), (record.digest, record.verdicts));
}

#[test]
fn any_other_panic_is_told_with_the_events_before_it() {
    let on_panic = |lines: &[String]| LAST_WORDS.lock().expect("nobody panics with it").push(lines.to_vec());
    let mut evidence = Evidence { on_panic, ..Evidence::default() };
    let scenario = scenario("rule_panics", 100);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&scenario, &mut evidence)));
    assert!(panicked.is_err());
    let told = LAST_WORDS.lock().expect("nobody panics with it");
    let [words] = &told[..] else { panic!("told {} times", told.len()) };
    let last = words.last().expect("something happened before");
    // The rule looks at what the node has done with the number 100.
    assert!(last.contains("\"sent\"") && last.contains("Number(101)"), "{last}");
    assert!(words.iter().any(|l| l.contains("\"sent\"") && l.contains("Number(100)")));
}

#[test]
fn a_run_can_stop_at_an_event() {
    let whole = run(&scenario("none", 0), &mut Evidence::default());
    let mut evidence = Evidence { stop_from: 500, stop_after: 510, ..Evidence::default() };
    let part = run(&scenario("none", 0), &mut evidence);
    assert!(part.events == 510 && part.simulated_ns < whole.simulated_ns);
    // Each event is a delivery, a fact and a sending.
    assert_eq!(evidence.last.len(), 30, "{:#?}", evidence.last);
}

/// A disk with so many bytes left.
struct Left(usize);

impl Write for Left {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_history_is_written_beside_the_run_and_changes_nothing_in_it() {
    let scenario = asked("none", 0, 100, "100k/s");
    let alone = run(&scenario, &mut Evidence::default());
    let mut lines = Vec::new();
    let record = made(&scenario, Some(&mut Evidence::default()), Some(&mut lines)).expect("memory is not full");
    assert_eq!(record, alone);
    assert!(record.ops.len() > 10_000, "{}", record.ops.len());
    let lines = String::from_utf8(lines).expect("it is text");
    assert_eq!(lines.lines().count(), record.ops.len());
    for (line, op) in lines.lines().zip(&record.ops) {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        assert_eq!((&line["op"], &line["return_ns"]), (&op.op.into(), &op.return_ns.into()));
    }
    // Full at once, in the middle, and at the very last byte.
    for left in [0, lines.len() / 2, lines.len() - 1] {
        let full = made(&scenario, Some(&mut Evidence::default()), Some(&mut Left(left)));
        assert!(matches!(&full, Err(RunError::Io(why)) if why.kind() == ErrorKind::StorageFull), "{full:?}");
    }
    assert!(made(&scenario, Some(&mut Evidence::default()), Some(&mut Left(lines.len()))).is_ok());
}

#[test]
fn of_moments_everything_is_told_and_of_all_other_times_what_became_of_whom() {
    let ms = |ms: u64| Instant(ms * 1_000_000);
    let moments =
        [Moment { from: ms(100), to: ms(110), lines: 1_000 }, Moment { from: ms(500), to: ms(900), lines: 50 }];
    let scenario = scenario("none", 0);
    let schedule = scenarios::expand(&scenario, 1);
    let mut told: Vec<u8> = Vec::new();
    let registry = registry();
    let request = RunRequest {
        scenario: &scenario,
        schedule: &schedule,
        seed: 1,
        history: None,
        trace: Some(&mut told),
        trace_mode: TraceMode::Moments(&moments),
        keep_ops: false,
        evidence: None,
        progress: &mut |_| {},
    };
    let record = registry.get("ring").expect("it is registered").run(request).expect("memory takes it");
    assert_eq!(record.digest, run(&scenario, &mut Evidence::default()).digest, "who looks changes nothing");
    let told = String::from_utf8(told).expect("UTF-8");
    let at = |line: &str| -> u64 {
        let rest = line.strip_prefix("{\"at_ns\":").expect("a time");
        rest[..rest.find(',').expect("more")].parse().expect("a number")
    };
    let of = |event: &str| -> Vec<u64> {
        let named = told.lines().filter(|line| line.contains(&format!("\"event\":\"{event}\"")));
        named.map(at).collect()
    };
    let within = |ns: &u64| moments.iter().any(|m| (m.from.0..=m.to.0).contains(ns));
    let (sent, cut) = (of("sent"), of("cut"));
    assert!(sent.len() > 5 && sent.iter().all(within), "{sent:?}");
    assert!(sent.iter().any(|ns| *ns < ms(110).0) && sent.iter().any(|ns| *ns >= ms(500).0), "{sent:?}");
    // The second had more to say than it might.
    assert_eq!(cut.len(), 1);
    let last = told.lines().map(at).filter(|ns| within(ns) && *ns >= ms(500).0).max();
    assert_eq!(last, Some(cut[0]), "nothing is told of it after that");
    assert_eq!(of("booted"), [0, 0, 0], "what became of whom is told whenever it was");
    assert!(told.lines().next().is_some_and(|head| head.contains("\"holds\":\"moments\"")));
}
