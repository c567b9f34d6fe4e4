//! What is replicated, as clients see it: a service, and a system made of a service and a protocol.

use super::protocol::{Audited, Consensus, Protocol};
use super::{audit, held_reads, kept_snapshots, measures, redirects};
use crate::shared::linearizable::linearizable;
use core::fmt;
use core::marker::PhantomData;
use sim_core::linearize::Spec;
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::Load;
use sim_core::{Client, Finished, Node, Observer, Operation, Phase, Profile, Rule, StateMachine, System, Verdict};

/// A state machine that clients use, whatever protocol replicates it.
pub trait Service: StateMachine<Command: fmt::Display> {
    /// What a system of it is called, behind the protocol's name; `None` for the one that needs no name.
    const NAME: Option<&'static str>;
    /// What it is, before "replicated by".
    const ABOUT: &'static str;
    /// The model that its histories are judged against, as `splitbrain history --model` calls it, if there is one.
    const MODEL: Option<&'static str> = None;
    /// What people call the parts of [`Service::Spec`].
    const PARTS: &'static str;
    /// Its own rules, of which [`Service::Watch`] speaks.
    const RULES: &'static [Rule] = &[];
    /// Its own figures of a run.
    const METRICS: &'static [MetricKind] = &[];
    /// The service as one copy would behave: what histories are judged against.
    type Spec: Spec<Request = Self::Command, Response = Self::Response>;
    /// Its clients.
    type Client<N: Node<Request = Self::Command, Response = Self::Response>>: Client<N>;
    /// Its own rules and figures over one run; `()` for none.
    type Watch<N: Node<Request = Self::Command, Response = Self::Response>>: Watches<N>;

    /// A client with this load.
    fn client<N: Node<Request = Self::Command, Response = Self::Response>>(load: Load) -> Self::Client<N>;
    /// What kind of operation a command is.
    fn operation(command: &Self::Command) -> Operation;
    /// How many keys it holds, where it holds keys.
    fn keys(&self) -> u64 {
        0
    }
}

/// What a service looks at in a run.
pub trait Watches<N: Node>: Observer<N> + Default {
    /// What its rules say.
    fn verdicts(&self) -> Vec<Verdict> {
        Vec::new()
    }
    /// Adds what it has measured.
    fn measure(&self, measures: &mut Measures) {
        let _ = measures;
    }
}

impl<N: Node> Watches<N> for () {}

/// The system in which protocol `P` replicates service `S`.
pub struct Replicated<P, S>(PhantomData<fn() -> (P, S)>);

/// A text put together while it is compiled.
struct Text {
    bytes: [u8; 256],
    length: usize,
}

impl Text {
    const fn of(parts: &[&str]) -> Self {
        let mut text = Self { bytes: [0; 256], length: 0 };
        let mut part = 0;
        while part < parts.len() {
            let bytes = parts[part].as_bytes();
            let mut at = 0;
            while at < bytes.len() {
                text.bytes[text.length] = bytes[at];
                text.length += 1;
                at += 1;
            }
            part += 1;
        }
        text
    }

    const fn read(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => panic!("parts of text are text"),
        }
    }
}

/// The lists of rules of a system: the protocol's, those of any replicated service, the service's own.
const fn all_rules(protocol: &[&'static [Rule]], service: &'static [Rule]) -> [&'static [Rule]; 12] {
    let mut all: [&'static [Rule]; 12] = [&[]; 12];
    let mut at = 0;
    while at < protocol.len() {
        all[at] = protocol[at];
        at += 1;
    }
    all[at] = audit::RULES;
    all[at + 1] = audit::OF_SESSIONS;
    all[at + 2] = held_reads::RULES;
    all[at + 3] = kept_snapshots::RULES;
    all[at + 4] = redirects::RULES;
    all[at + 5] = service;
    all
}

impl<P: Protocol, S: Service> Replicated<P, S> {
    const CALLED: Text = match (P::NAME, S::NAME) {
        (Some(protocol), Some(service)) => Text::of(&[protocol, "-", service]),
        (Some(name), None) | (None, Some(name)) => Text::of(&[name]),
        (None, None) => panic!("nobody could name this system"),
    };
    const IS: Text = Text::of(&[S::ABOUT, " replicated by ", P::ABOUT]);
    const ALL_RULES: [&'static [Rule]; 12] = all_rules(P::RULES, S::RULES);
}

impl<P: Protocol, S: Service> System for Replicated<P, S> {
    const NAME: &'static str = Self::CALLED.read();
    const MODEL: Option<&'static str> = S::MODEL;
    const ABOUT: &'static str = Self::IS.read();
    const TIMERS: u16 = <P::Node<S> as Consensus>::TIMERS;
    const METRICS: &'static [MetricKind] = S::METRICS;
    const PHASES: &'static [Phase] = P::PHASES;
    const ORDERS: &'static [&'static str] = P::ORDERS;
    const RULES: &'static [&'static [Rule]] = &Self::ALL_RULES;
    type Node = P::Node<S>;
    type Client = S::Client<P::Node<S>>;
    type Checks = (P::Checks<S>, S::Watch<P::Node<S>>);
    type Options = P::Options;

    fn client(_: &P::Config, load: Load) -> Self::Client {
        S::client(load)
    }

    fn checks(config: &P::Config) -> Self::Checks {
        (P::checks(config), S::Watch::default())
    }

    fn profile(config: &P::Config) -> Profile {
        P::profile(config)
    }

    fn operation(request: &S::Command) -> Operation {
        S::operation(request)
    }

    fn keys(node: &P::Node<S>) -> u64 {
        node.state().machine().keys()
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        let mut measures = measures::<S, _>(run.checks.0.audit(), run.history, run.nodes, run.span.end);
        run.checks.1.measure(&mut measures);
        measures
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let nodes: Vec<_> = run.nodes.iter().map(Option::as_ref).collect();
        let mut verdicts = run.checks.0.verdicts(&nodes);
        verdicts.extend(run.checks.1.verdicts());
        if run.linearizable {
            verdicts.push(linearizable::<S::Spec, _>(run.history, run.budget, S::PARTS));
        }
        verdicts
    }
}
