//! A counter that any node may add to: each keeps on its disk what it has counted itself, and gossips what all have.

use splitbrain::prelude::*;

options! {
    struct Options;
    #[derive(Clone, Debug)]
    struct Config of shape {
        nodes: usize = shape.nodes();
    }
    options {
        /// How long a node waits before it gossips again.
        round: DurationText = DurationText::millis(20);
        /// A known bug to switch on; `list bugs` names them.
        bug: CounterBug = CounterBug::None;
    }
}

catalogue! {
    CounterBug;
    SayBeforeSync, "say_before_sync", "Clients and nodes are told what is not on the disk yet.",
        "promises_kept", "Alagappan et al.: Correlated Crash Vulnerabilities, OSDI 2016";
}

/// What each node has counted, as far as the sender knows.
#[derive(Clone, Debug, Hash)]
struct Gossip(Vec<u64>);
impl Message for Gossip {}

/// A node has told a client how much it has counted: no crash may take that back.
#[derive(Clone, Copy, Debug, Hash)]
struct Promised(u64);
impl Fact for Promised {}

#[derive(Clone, Debug)]
struct Counter {
    config: Config,
    me: usize,
    counts: Vec<u64>,
    /// Where its own count stands on its disk.
    write: WriteId,
}

impl Node for Counter {
    type Config = Config;
    type Message = Gossip;
    type Request = Verb;
    type Response = u64;
    type Record = u64;
    type Fact = Promised;

    fn boot(config: &Config, me: NodeId, disk: Replay<'_, u64>, fx: &mut Effects<'_, Self>) -> Self {
        let mut node =
            Self { config: config.clone(), me: me.index(), counts: vec![0; config.nodes], write: WriteId(0) };
        for (write, count) in disk.iter() {
            node.counts[node.me] = *count.expect("a disk never rots");
            node.write = write;
        }
        fx.sync();
        fx.arm(Timer(0), config.round);
        node
    }
    fn on_request(&mut self, ticket: Ticket, request: Verb, fx: &mut Effects<'_, Self>) {
        if request != Verb::Get {
            self.counts[self.me] += 1;
            self.write = fx.append(self.counts[self.me]);
            fx.sync();
            self.say(Effect::Note { fact: Promised(self.counts[self.me]) }, fx);
        }
        self.say(Effect::Reply { ticket, response: self.counts.iter().sum() }, fx);
    }
    fn on_timer(&mut self, _: Timer, fx: &mut Effects<'_, Self>) {
        let to = NodeId(fx.rng().below(self.config.nodes as u64) as u32);
        self.say(Effect::Send { to, message: Gossip(self.counts.clone()) }, fx);
        fx.arm(Timer(0), self.config.round);
    }
    fn on_message(&mut self, _: NodeId, Gossip(heard): Gossip, _: &mut Effects<'_, Self>) {
        self.counts.iter_mut().zip(heard).for_each(|(known, heard)| *known = heard.max(*known));
    }
    fn is_read(request: &Verb) -> bool {
        *request == Verb::Get
    }
}

impl Counter {
    /// Nobody hears what a crash could still take back.
    fn say(&self, what: Effect<Self>, fx: &mut Effects<'_, Self>) {
        let early = self.config.has(CounterBug::SayBeforeSync);
        if early { fx.forward(what) } else { fx.after(self.write, what) }
    }
}

rules! {
    /// What a node has told a client that it has counted, it has counted after any crash.
    const PROMISES_KEPT: &str = "promises_kept";
}

const BEHIND: MetricKind = MetricKind::new("behind", "behind", Unit::Number, "promises not heard of, at most");

#[derive(Clone)]
struct Checks {
    promised: Vec<u64>,
    behind: u64,
}

impl Observer<Counter> for Checks {
    fn observe(&mut self, _: Instant, what: &Observed<'_, Counter>) {
        if let Observed::Noted { node, fact: Promised(count) } = what {
            self.promised[node.index()] = *count;
        }
    }
    fn after_step(&mut self, at: Instant, id: NodeId, nodes: &[Option<Counter>]) -> Result<(), Violation> {
        let Some(Counter { counts, me, .. }) = &nodes[id.index()] else { return Ok(()) };
        let promises: u64 = self.promised.iter().sum();
        self.behind = self.behind.max(promises.saturating_sub(counts.iter().sum()));
        let (count, promised) = (counts[*me], self.promised[*me]);
        Violation::unless(count >= promised, PROMISES_KEPT, at, id, || format!("counted {count}, promised {promised}"))
    }
}

// From here on it is plumbing: what files, reports and the command line have to know.
struct CounterSystem;

impl System for CounterSystem {
    const NAME: &'static str = "counter";
    const ABOUT: &'static str = "A counter that any node may add to; nodes gossip what each has counted.";
    const TIMERS: u16 = 1;
    const RULES: &'static [&'static [Rule]] = &[RULES];
    const METRICS: &'static [MetricKind] = &[BEHIND];
    type Node = Counter;
    type Client = Generated<Counter>;
    type Checks = Checks;
    type Options = Options;

    fn client(_: &Config, load: Load) -> Generated<Counter> {
        Generated::new(load, |op| op.verb)
    }
    fn checks(config: &Config) -> Checks {
        Checks { promised: vec![0; config.nodes], behind: 0 }
    }
    fn measure(run: &Finished<'_, Self>) -> Measures {
        Measures { metrics: vec![BEHIND.with(run.checks.behind as f64)], ..Measures::default() }
    }
}

fn main() -> std::process::ExitCode {
    splitbrain::main(Registry::new().with::<CounterSystem>())
}
