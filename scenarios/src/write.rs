//! Writes a scenario as meant, with every default and the concrete faults, so that the file alone replays the run.

use crate::read::write_target;
use crate::scenario::{
    Cluster, DiskOverride, End, Hazard, HazardLaw, KeySpace, LinkChange, LinkRule, Pace, Plan, Scenario, Stage,
    Workload,
};
use core::fmt::{Display, Write};
use sim_core::fault::{
    ClockChange, Cue, CutClients, DiskChange, Fault, Injection, Limits, MemberChange, Schedule, Shape,
};
use sim_core::network::{Congestion, Latency, Law, LinkPolicy, Transport, UdpPolicy};
use sim_core::units::{BitRate, ByteSize, OffsetText, OperationRate, Ppm, ProbabilityText, RangeText};
use sim_core::{Argument, Duration, Instant, NodeId, Probability, ReadsFrom, Routing};
use toml::{Table, Value};

impl Scenario {
    /// The scenario that says outright what `schedule` and `seed` made of this one: what [`to_toml`] writes.
    #[must_use]
    pub fn resolved(&self, schedule: &Schedule, seed: u64) -> Self {
        let faults = schedule.injections().iter().map(Plan::of).collect();
        let mut resolved = Self { seed, faults, ..self.drawn(seed).into_owned() };
        let end = resolved.end();
        resolved.reseed.retain(|reseed| reseed.at < end);
        resolved
    }
}

impl Plan {
    /// The plan of exactly this injection.
    #[must_use]
    pub fn of(injection: &Injection) -> Self {
        let forever = injection.until == Instant::FAR;
        Self {
            id: injection.id,
            name: injection.name.clone(),
            fault: injection.fault.clone(),
            target: injection.target.clone(),
            at: injection.at,
            spread: Duration::ZERO,
            duration: (!forever).then(|| injection.until.since(injection.at)),
            every: None,
            count: None,
            process: None,
            each: Vec::new(),
            rolling: None,
            after: injection.after.clone(),
            flap: None,
            must_bite: injection.must_bite,
        }
    }
}

/// The resolved scenario as TOML. Reading it gives [`Scenario::resolved`], and expanding that gives `schedule`.
#[must_use]
pub fn to_toml(scenario: &Scenario, schedule: &Schedule, seed: u64) -> String {
    let drawn = scenario.drawn(seed);
    let scenario = drawn.as_ref();
    let mut out = Out::default();
    out.text.push_str(
        "# Resolved: every default is written out, every fault is concrete. This file alone replays the run.\n",
    );
    if scenario.workloads.is_empty() && !scenario.probe.enabled {
        // Where nobody asks anything, that has to be said; and what is in no table stands before all of them.
        out.key("workload", Value::Array(Vec::new()));
    }
    head(&mut out, scenario, seed);
    cluster(&mut out, scenario);
    system(&mut out, scenario);
    network(&mut out, scenario);
    out.table("[disk]");
    out.key("sync", latency(&scenario.disk.sync));
    out.key("fail", share(scenario.disk.fail));
    if scenario.disk.at_once != 1 {
        out.key("at_once", i64::from(scenario.disk.at_once));
    }
    scenario.workloads.iter().for_each(|w| workload(&mut out, w, scenario));
    out.table("[probe]");
    out.key("enabled", scenario.probe.enabled);
    out.key("every", time(scenario.probe.every));
    out.key("timeout", time(scenario.probe.timeout));
    scenario.hazards.iter().for_each(|h| hazard(&mut out, h));
    schedule.injections().iter().for_each(|injection| fault(&mut out, injection));
    limits(&mut out, scenario);
    expect(&mut out, scenario);
    out.text
}

fn hazard(out: &mut Out, hazard: &Hazard) {
    out.table("[[hazard]]");
    out.key("of", text(hazard.of.name()));
    out.key("every", time(hazard.every));
    out.key("repair", time(hazard.repair));
    match hazard.law {
        HazardLaw::Exponential => out.key("law", text("exponential")),
        HazardLaw::Fixed => out.key("law", text("fixed")),
        HazardLaw::Weibull(shape) => {
            out.key("law", text("weibull"));
            out.key("shape", f64::from(shape) / 1000.0);
        }
    }
    if let Some(window) = hazard.window {
        out.key("window", text(window.to_string()));
    }
}

#[derive(Default)]
struct Out {
    text: String,
}

impl Out {
    fn table(&mut self, name: &str) {
        // Writing to a string can not fail.
        let _ = write!(self.text, "\n{name}\n");
    }

    fn key(&mut self, key: &str, value: impl Into<Value>) {
        let _ = writeln!(self.text, "{key} = {}", value.into());
    }

    fn maybe(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }
}

fn text(value: impl Display) -> Value {
    Value::String(value.to_string())
}

fn time(duration: Duration) -> Value {
    text(duration)
}

fn moment(instant: Instant) -> Value {
    text(instant)
}

fn share(probability: Probability) -> Value {
    text(ProbabilityText::from(probability))
}

fn number(n: u64) -> Value {
    // TOML's integers are signed; only seeds are ever beyond them.
    i64::try_from(n).map_or_else(|_| text(n), Value::Integer)
}

fn bandwidth(bits: u64) -> Value {
    if bits == 0 { text("unlimited") } else { text(BitRate(bits)) }
}

fn inline(entries: &[(&str, Value)]) -> Value {
    Value::Table(entries.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
}

fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> Value {
    Value::Array(names.into_iter().map(text).collect())
}

fn latency(latency: &Latency) -> Value {
    match latency {
        Latency::Fixed(d) => time(*d),
        Latency::Uniform(lo, hi) => text(RangeText { lo: *lo, hi: *hi }),
        Latency::Table(table) => match table.law() {
            Law::Exponential { mean } => inline(&[("dist", text("exponential")), ("mean", time(*mean))]),
            Law::Lognormal { median, p99 } => {
                inline(&[("dist", text("lognormal")), ("median", time(*median)), ("p99", time(*p99))])
            }
            Law::Recorded(samples) => {
                let samples = samples.iter().map(|s| time(*s)).collect();
                inline(&[("dist", text("recorded")), ("samples", Value::Array(samples))])
            }
        },
    }
}

fn head(out: &mut Out, scenario: &Scenario, seed: u64) {
    out.table("[scenario]");
    out.key("name", text(&scenario.name));
    out.key("title", text(&scenario.title));
    if !scenario.description.is_empty() {
        out.key("description", text(&scenario.description));
    }
    out.key("system", text(&scenario.system));
    out.key("duration", time(scenario.duration));
    out.key("warmup", time(scenario.warmup));
    out.key("settle", time(scenario.settle));
    out.key("seed", number(seed));
    out.key("shuffle_ties", scenario.shuffle_ties);
    out.key("max_events", number(scenario.max_events));
    if !scenario.reseed.is_empty() {
        let moments = scenario.reseed.iter().map(|r| inline(&[("at", moment(r.at)), ("seed", number(r.seed))]));
        out.key("reseed", Value::Array(moments.collect()));
    }
}

fn cluster(out: &mut Out, scenario: &Scenario) {
    let cluster = &scenario.cluster;
    let (own_machines, shape) = (Cluster::own_machines(cluster.nodes()), cluster.shape());
    out.table("[cluster]");
    if cluster.groups.is_empty() {
        out.key("nodes", number(cluster.members() as u64));
    }
    if cluster.spares > 0 {
        out.key("spares", i64::from(cluster.spares));
    }
    out.key("zones", names(&cluster.zones));
    out.key("node_zones", names(cluster.node_zones.iter().map(|z| &cluster.zones[*z as usize])));
    if (&cluster.machines, &cluster.node_machines) != (&own_machines.0, &own_machines.1) {
        out.key("machines", names(cluster.node_machines.iter().map(|m| &cluster.machines[*m as usize])));
    }
    out.key("cpu_cost", time(cluster.cpu_cost));
    if cluster.egress > 0 {
        out.key("egress", bandwidth(cluster.egress));
        out.key("egress_queue", text(ByteSize(cluster.egress_queue)));
    }
    let (lo, hi) = cluster.clock_offset;
    out.key("clock_offset", text(format!("{}..{}", OffsetText(lo), OffsetText(hi))));
    let (lo, hi) = cluster.clock_drift;
    out.key("clock_drift", text(format!("{}..{}", Ppm(lo.into()), Ppm(hi.into()))));
    out.key("max_drift", text(Ppm(cluster.max_drift_ppm.into())));
    for group in &cluster.groups {
        out.table("[[cluster.group]]");
        out.key("role", text(&group.role));
        let spare = |node: &NodeId| shape.spare_nodes().contains(&node.0);
        out.key("nodes", number(cluster.nodes_of(&group.role).iter().filter(|node| !spare(node)).count() as u64));
        if let Some(cost) = group.cpu_cost {
            out.key("cpu_cost", time(cost));
        }
        if group.disk != DiskOverride::default() {
            let DiskOverride { sync, fail, at_once } = &group.disk;
            let mut disk = Table::new();
            disk.extend(sync.as_ref().map(|sync| ("sync".to_owned(), latency(sync))));
            disk.extend(fail.map(|fail| ("fail".to_owned(), share(fail))));
            disk.extend(at_once.map(|at_once| ("at_once".to_owned(), i64::from(at_once).into())));
            out.key("disk", Value::Table(disk));
        }
    }
}

fn system(out: &mut Out, scenario: &Scenario) {
    out.text.push('\n');
    let options: Table = [("system".to_owned(), Value::Table(scenario.options.clone()))].into_iter().collect();
    // Through the serializer, because options may hold tables of their own.
    out.text.push_str(&options.to_string());
}

fn network(out: &mut Out, scenario: &Scenario) {
    let LinkPolicy {
        latency: delay,
        loss,
        duplicate,
        reorder,
        reorder_by,
        corrupt,
        bandwidth: bits,
        queue_bytes,
        ordered,
        connection_timeout,
    } = &scenario.network.base;
    out.table("[network]");
    out.key("latency", latency(delay));
    out.key("loss", share(*loss));
    out.key("duplicate", share(*duplicate));
    out.key("reorder", share(*reorder));
    out.key("reorder_by", time(*reorder_by));
    out.key("corrupt", share(*corrupt));
    out.key("bandwidth", bandwidth(*bits));
    out.key("queue", text(ByteSize(*queue_bytes)));
    let carried = scenario.network.transport != Transport::Ideal;
    if !carried {
        out.key("ordered", *ordered);
    }
    out.key("connection_timeout", time(*connection_timeout));
    transport(out, &scenario.network.transport);
    out.table("[network.client]");
    change(out, &scenario.network.client);
    scenario.network.rules.iter().for_each(|r| rule(out, r, scenario));
}

/// What carries messages, if anything does.
fn transport(out: &mut Out, transport: &Transport) {
    let size = |bytes: u64| text(ByteSize(bytes));
    match transport {
        Transport::Ideal => {}
        Transport::Udp(UdpPolicy { mtu, receive_buffer, split }) => {
            out.key("transport", "udp");
            out.key("mtu", number(u64::from(*mtu)));
            out.table("[network.udp]");
            out.key("receive_buffer", size(*receive_buffer));
            out.key("split", *split);
        }
        Transport::Tcp(tcp) => {
            out.key("transport", "tcp");
            out.key("mtu", number(u64::from(tcp.mtu)));
            out.table("[network.tcp]");
            out.key("min_rto", time(tcp.min_rto));
            out.key("connect_timeout", time(tcp.connect_timeout));
            out.key("timeout", time(tcp.timeout));
            out.key("keep_alive", time(tcp.keep_alive));
            out.key("keep_alive_probes", number(u64::from(tcp.keep_alive_probes)));
            out.key("delayed_ack", time(tcp.delayed_ack));
            out.key("nagle", tcp.nagle);
            out.key(
                "congestion",
                match tcp.congestion {
                    Congestion::None => "none",
                    Congestion::Reno => "reno",
                    Congestion::Cubic => "cubic",
                },
            );
            out.key("send_buffer", size(tcp.send_buffer));
            out.key("receive_buffer", size(tcp.receive_buffer));
            out.key("pending", size(tcp.pending));
            out.key("pool", number(u64::from(tcp.pool)));
            out.key("bulk", size(tcp.bulk));
            out.key("nat_idle", time(tcp.nat_idle));
        }
    }
}

fn change(out: &mut Out, change: &LinkChange) {
    out.maybe("latency", change.latency.as_ref().map(latency));
    out.maybe("loss", change.loss.map(share));
    out.maybe("duplicate", change.duplicate.map(share));
    out.maybe("reorder", change.reorder.map(share));
    out.maybe("reorder_by", change.reorder_by.map(time));
    out.maybe("corrupt", change.corrupt.map(share));
    out.maybe("bandwidth", change.bandwidth.map(bandwidth));
    out.maybe("queue", change.queue_bytes.map(|bytes| text(ByteSize(bytes))));
    out.maybe("ordered", change.ordered);
    out.maybe("connection_timeout", change.connection_timeout.map(time));
}

fn rule(out: &mut Out, rule: &LinkRule, scenario: &Scenario) {
    let end = |end: End| match end {
        End::Zone(zone) => text(format!("zone:{}", scenario.cluster.zones[zone as usize])),
        End::Node(node) => text(node),
    };
    out.table("[[network.link]]");
    if rule.both_ways {
        out.key("between", Value::Array(vec![end(rule.from), end(rule.to)]));
    } else {
        out.key("from", end(rule.from));
        out.key("to", end(rule.to));
    }
    change(out, &rule.change);
}

fn workload(out: &mut Out, workload: &Workload, scenario: &Scenario) {
    out.table("[[workload]]");
    if let Some(role) = &workload.at {
        out.key("at", text(role));
    }
    out.key("clients", i64::from(workload.clients));
    match &workload.pace {
        Pace::Closed { think, outstanding } => {
            out.key("think_time", time(*think));
            out.key("outstanding", i64::from(*outstanding));
        }
        Pace::Open(stages) => match stages.as_slice() {
            [only] if only.at == Instant::ZERO && only.rate.0 > 0 && only.ramp_to.is_none() => {
                out.key("rate", text(OperationRate(only.rate.0)))
            }
            stages => {
                let stage = |stage: &Stage| {
                    let mut table = vec![("at", moment(stage.at)), ("rate", text(OperationRate(stage.rate.0)))];
                    table.extend(stage.ramp_to.map(|rate| ("ramp_to", text(OperationRate(rate.0)))));
                    inline(&table)
                };
                out.key("stages", Value::Array(stages.iter().map(stage).collect()));
            }
        },
    }
    if workload.mix.is_empty() {
        out.key("read_ratio", share(workload.reads));
        out.key("append_ratio", share(workload.appends));
        out.key("cas_ratio", share(workload.cas));
        out.key("delete_ratio", share(workload.deletes));
    } else {
        let mix: Vec<_> = workload.mix.iter().map(|weight| (weight.name, i64::from(weight.weight).into())).collect();
        out.key("mix", inline(&mix));
    }
    out.key(
        "keys",
        match workload.keys {
            KeySpace::Uniform { count } => inline(&[("count", number(count)), ("dist", text("uniform"))]),
            KeySpace::Zipf { count, s } => {
                inline(&[("count", number(count)), ("dist", text("zipf")), ("s", Value::Float(s))])
            }
            KeySpace::Hotspot { count, hot, share: part } => inline(&[
                ("count", number(count)),
                ("dist", text("hotspot")),
                ("hot", number(hot)),
                ("share", share(part)),
            ]),
        },
    );
    out.key("value_size", text(ByteSize(workload.value_size.into())));
    out.key("timeout", time(workload.patience.timeout));
    if workload.at.is_none() {
        way(out, workload);
    }
    out.key("start", moment(workload.start));
    out.key("stop", moment(workload.stop));
    if workload.at.is_none() {
        out.key("zones", names(workload.zones.iter().map(|z| &scenario.cluster.zones[*z as usize])));
    }
}

/// Where clients go that sit at no node, and how often.
fn way(out: &mut Out, workload: &Workload) {
    let patience = &workload.patience;
    out.key("attempt_timeout", time(patience.attempt_timeout));
    match patience.attempts {
        u32::MAX => out.key("attempts", text("unlimited")),
        attempts => out.key("attempts", i64::from(attempts)),
    }
    out.key("backoff", time(patience.backoff));
    out.key("backoff_max", time(patience.backoff_max));
    out.key(
        "routing",
        match workload.routing {
            Routing::Sticky => text("sticky"),
            Routing::Random => text("random"),
            Routing::Fixed(node) | Routing::At(node) => text(node),
        },
    );
    out.key(
        "reads_from",
        text(match workload.reads_from {
            ReadsFrom::Leader => "leader",
            ReadsFrom::Any => "any",
            ReadsFrom::Nearest => "nearest",
        }),
    );
}

fn fault(out: &mut Out, injection: &Injection) {
    out.table("[[fault]]");
    out.key("id", i64::try_from(injection.id).expect("ids of faults have 63 bits"));
    out.maybe("name", injection.name.as_deref().map(text));
    out.key("kind", text(injection.fault.kind()));
    let aims = match &injection.fault {
        Fault::Partition { shape: Shape::Groups(_), .. } => false,
        Fault::Membership(MemberChange::Own { takes, .. }) => *takes == Argument::Node,
        _ => true,
    };
    if aims {
        out.key("target", write_target(&injection.target));
    }
    out.key("at", moment(injection.at));
    if injection.until != Instant::FAR {
        out.key("duration", time(injection.until.since(injection.at)));
    }
    if let Some(trigger) = &injection.after {
        let mut table = match &trigger.cue {
            Cue::Message(kind) => vec![("kind", text(kind))],
            Cue::Fact(fact) => vec![("fact", text(fact))],
            Cue::FaultBegins(name) => vec![("fault", text(name)), ("at", text("begin"))],
            Cue::FaultEnds(name) => vec![("fault", text(name)), ("at", text("end"))],
        };
        table.push(("count", i64::from(trigger.count).into()));
        table.extend(trigger.node.as_ref().map(|node| ("node", write_target(node))));
        out.key("after", inline(&table));
    }
    out.key("must_bite", injection.must_bite);
    match &injection.fault {
        Fault::Crash { on_crash } => out.key("on_crash", text(on_crash.name())),
        Fault::Pause => {}
        Fault::Slow { factor, floor } => {
            out.key("factor", i64::from(*factor));
            out.key("floor", time(*floor));
        }
        Fault::Partition { shape, clients } => {
            out.key("shape", text(shape.name()));
            match clients {
                CutClients::Only => out.key("peers", text("clients")),
                with_zone => out.key("clients", *with_zone == CutClients::WithZone),
            }
            match shape {
                Shape::OneWay { outbound } => out.key("direction", text(if *outbound { "from" } else { "to" })),
                Shape::Groups(groups) => {
                    let group = |g: &Vec<_>| Value::Array(g.iter().map(write_target).collect());
                    out.key("groups", Value::Array(groups.iter().map(group).collect()));
                }
                _ => {}
            }
        }
        Fault::Packet { change, direction, peers, kinds } => {
            out.key("loss", share(change.loss));
            out.maybe("delay", change.delay.as_ref().map(latency));
            out.key("duplicate", share(change.duplicate));
            out.key("reorder", share(change.reorder));
            out.key("reorder_by", time(change.reorder_by));
            out.key("corrupt", share(change.corrupt));
            if !change.correlation.is_never() {
                out.key("correlation", share(change.correlation));
            }
            if let Some(burst) = &change.burst {
                let table = [
                    ("good_to_bad", share(burst.good_to_bad)),
                    ("bad_to_good", share(burst.bad_to_good)),
                    ("loss_bad", share(burst.loss_bad)),
                    ("loss_good", share(burst.loss_good)),
                ];
                out.key("burst", inline(&table));
            }
            if change.rate > 0 {
                out.key("rate", bandwidth(change.rate));
                out.key("queue", text(ByteSize(change.queue_bytes)));
            }
            out.key("direction", text(direction.name()));
            out.maybe("peers", peers.as_ref().map(write_target));
            out.key("messages", names(kinds));
        }
        Fault::Clock(ClockChange::Step(nanos)) => out.key("step", text(OffsetText(*nanos))),
        Fault::Clock(ClockChange::Drift(ppm)) => out.key("drift", text(Ppm((*ppm).into()))),
        Fault::Clock(ClockChange::Freeze) => out.key("freeze", true),
        Fault::Disk(DiskChange::Slow(delay)) => out.key("slow", latency(delay)),
        Fault::Disk(DiskChange::Stall) => out.key("stall", true),
        Fault::Disk(DiskChange::FailSync(p)) => out.key("fail_sync", share(*p)),
        Fault::Disk(DiskChange::Full) => out.key("full", true),
        Fault::Disk(DiskChange::Lie) => out.key("lie", true),
        Fault::Disk(DiskChange::Torn) => out.key("torn", true),
        Fault::Disk(DiskChange::Rot(p)) => out.key("rot", share(*p)),
        Fault::Membership(MemberChange::Own { name, takes, number, .. }) => {
            out.key("order", text(name));
            out.maybe("number", (*takes == Argument::Number).then(|| self::number(*number)));
        }
        Fault::Membership(change) => {
            out.key("change", text(change.name()));
            match change {
                MemberChange::Grow { by } | MemberChange::Shrink { by } => out.key("by", i64::from(*by)),
                MemberChange::MoveZone { to } => out.maybe("to", to.as_ref().map(write_target)),
                _ => {}
            }
        }
    }
}

fn limits(out: &mut Out, scenario: &Scenario) {
    let Limits { max_down, max_cut, keep_quorum } = scenario.limits;
    if !scenario.limits.is_none() {
        out.table("[limits]");
        out.maybe("max_down", max_down.map(i64::from));
        out.maybe("max_cut", max_cut.map(i64::from));
        out.key("keep_quorum", keep_quorum);
    }
}

fn expect(out: &mut Out, scenario: &Scenario) {
    out.table("[expect]");
    for bound in &scenario.expect.bounds {
        out.key(&bound.metric, text(&bound.text));
    }
    out.key("linearizable", scenario.expect.linearizable);
    out.maybe("answered_within", scenario.expect.answered_within.map(time));
    out.key("violates", names(&scenario.expect.violates));
    out.table("[report]");
    out.key("window", time(scenario.report.window));
    out.key("in_time", time(scenario.report.in_time));
    out.key("charts", scenario.report.charts);
    out.maybe("title", scenario.report.title.as_ref().map(text));
}
