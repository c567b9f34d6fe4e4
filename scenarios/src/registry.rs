//! The registry: where systems and scenarios meet, and the one place where a system's type is erased.

use crate::Scenario;
use crate::options::{Names, OptionProblem, Systems};
use crate::runner::{self, Bounds, Coverage, ForkRequest, RunError, RunRequest, Ways};
use sim_core::metric::MetricKind;
use sim_core::record::RunRecord;
use sim_core::workload::OperationKind;
use sim_core::{
    Bug, Collect, Fact as _, FileReading, FileText, Message as _, Node, OrderKind, Profile, RoleKind, Rule, Shape,
    System,
};
use std::fmt::Debug;
use std::marker::PhantomData;

/// A system with its type erased: one virtual call a run.
pub trait AnySystem: Sync {
    /// What scenario files call it.
    fn name(&self) -> &'static str;
    /// One sentence about it.
    fn about(&self) -> &'static str;
    /// The known bugs it can switch on.
    fn bugs(&self) -> &'static [Bug];
    /// The rules that its runs are judged by, besides those of every run ([`runner::RULES`]).
    fn rules(&self) -> Vec<Rule>;
    /// The names of its kinds of messages and of facts, if it has listed them.
    fn kinds(&self) -> (Names, Names);
    /// Whether its nodes talk over connections.
    fn connects(&self, options: &toml::Table, shape: &Shape) -> bool;
    /// The kinds of nodes that it tells apart.
    fn roles(&self) -> &'static [RoleKind];
    /// How many of so many nodes have which role where the file does not say so.
    fn default_groups(&self, nodes: u32) -> Vec<(&'static str, u32)>;
    /// The story of the library to begin with, where it has one of its own ([`System::first_story`]).
    fn first_story(&self) -> Option<&'static str>;
    /// The operations that it names itself.
    fn operations(&self) -> &'static [OperationKind];
    /// The kinds of orders that it takes from an operator.
    fn orders(&self) -> Names;
    /// The orders that only it knows.
    fn own_orders(&self) -> &'static [OrderKind];
    /// Its own figures of a run.
    fn metrics(&self) -> &'static [MetricKind];
    /// Runs one scenario with one seed.
    ///
    /// # Errors
    /// When the history or trace can not be written.
    fn run(&self, request: RunRequest<'_>) -> Result<RunRecord, RunError>;
    /// The same run, and what it went through: see [`runner::cover`].
    ///
    /// # Errors
    /// As [`AnySystem::run`].
    fn cover(&self, request: RunRequest<'_>) -> Result<(RunRecord, Coverage), RunError>;
    /// Forks a run and finishes each fork: see [`runner::fork`].
    ///
    /// # Errors
    /// When the options do not fit the system.
    fn fork(&self, request: &ForkRequest<'_>, each: &mut dyn FnMut(RunRecord)) -> Result<(), RunError>;
    /// Goes every way of a small cluster: see [`runner::ways`]; `None` if its nodes can not be cloned.
    fn ways(&self, scenario: &Scenario, bounds: Bounds, each: &mut dyn FnMut(&Ways)) -> Option<Result<Ways, RunError>>;
    /// The options in full: those given, and the defaults of the rest.
    ///
    /// # Errors
    /// Every problem with these options for a cluster of this shape.
    fn check_options(&self, given: &toml::Table, shape: &Shape) -> Result<toml::Table, Vec<OptionProblem>>;
    /// Its options that name files.
    fn file_options(&self) -> Vec<String>;
    /// What it says of the files that one of its options names.
    fn read_files(&self, option: &str, files: &[FileText]) -> FileReading;
    /// What it is like with these options.
    fn profile(&self, options: &toml::Table, shape: &Shape) -> Profile;
    /// The JSON schema of the options.
    fn options_schema(&self) -> schemars::Schema;
}

/// How a run of a system forks.
type Fork = fn(&ForkRequest<'_>, &mut dyn FnMut(RunRecord)) -> Result<(), RunError>;

/// How all its ways are gone.
type GoAll = fn(&Scenario, Bounds, &mut dyn FnMut(&Ways)) -> Result<Ways, RunError>;

struct Erased<S>(Fork, Option<GoAll>, PhantomData<fn() -> S>);

impl<S: System> AnySystem for Erased<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }
    fn about(&self) -> &'static str {
        S::ABOUT
    }
    fn bugs(&self) -> &'static [Bug] {
        S::BUGS
    }
    fn rules(&self) -> Vec<Rule> {
        S::RULES.concat()
    }
    fn kinds(&self) -> (Names, Names) {
        (<S::Node as Node>::Message::KINDS, <S::Node as Node>::Fact::KINDS)
    }
    fn connects(&self, options: &toml::Table, shape: &Shape) -> bool {
        let config = || S::configure(options.clone().try_into().ok()?, shape).ok();
        <S::Node as Node>::CONNECTS && config().is_none_or(|config| <S::Node as Node>::connects(&config))
    }
    fn roles(&self) -> &'static [RoleKind] {
        S::ROLES
    }
    fn default_groups(&self, nodes: u32) -> Vec<(&'static str, u32)> {
        S::default_groups(nodes)
    }

    fn first_story(&self) -> Option<&'static str> {
        S::first_story()
    }
    fn operations(&self) -> &'static [OperationKind] {
        S::OPERATIONS
    }
    fn orders(&self) -> Names {
        S::ORDERS
    }
    fn own_orders(&self) -> &'static [OrderKind] {
        S::OWN_ORDERS
    }
    fn metrics(&self) -> &'static [MetricKind] {
        S::METRICS
    }
    fn run(&self, request: RunRequest<'_>) -> Result<RunRecord, RunError> {
        runner::run::<S>(request)
    }
    fn cover(&self, request: RunRequest<'_>) -> Result<(RunRecord, Coverage), RunError> {
        runner::cover::<S>(request)
    }
    fn ways(&self, scenario: &Scenario, bounds: Bounds, each: &mut dyn FnMut(&Ways)) -> Option<Result<Ways, RunError>> {
        Some(self.1?(scenario, bounds, each))
    }
    fn fork(&self, request: &ForkRequest<'_>, each: &mut dyn FnMut(RunRecord)) -> Result<(), RunError> {
        (self.0)(request, each)
    }
    fn check_options(&self, given: &toml::Table, shape: &Shape) -> Result<toml::Table, Vec<OptionProblem>> {
        crate::check_options::<S>(given, shape)
    }
    fn file_options(&self) -> Vec<String> {
        crate::options::file_options::<S>()
    }
    fn read_files(&self, option: &str, files: &[FileText]) -> FileReading {
        S::read_files(option, files)
    }
    fn profile(&self, options: &toml::Table, shape: &Shape) -> Profile {
        let options: Option<S::Options> = options.clone().try_into().ok();
        let config = options.and_then(|options| S::configure(options, shape).ok());
        config.map_or_else(Profile::default, |config| S::profile(&config))
    }
    fn options_schema(&self) -> schemars::Schema {
        schemars::schema_for!(S::Options)
    }
}

/// All systems a binary knows, in the order in which they were added.
#[derive(Default)]
pub struct Registry(Vec<Box<dyn AnySystem>>);

impl Registry {
    /// An empty registry: pass it to a crate's `collect`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with system `S`.
    #[must_use]
    pub fn with<S: System<Node: Clone + Debug, Client: Clone, Checks: Clone>>(mut self) -> Self {
        self.add::<S>();
        self
    }

    fn take_in<S: System>(&mut self, fork: Fork, ways: Option<GoAll>) {
        assert!(self.get(S::NAME).is_none(), "two systems are called {:?}", S::NAME);
        self.0.push(Box::new(Erased::<S>(fork, ways, PhantomData)));
    }

    /// The system called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&dyn AnySystem> {
        self.0.iter().find(|s| s.name() == name).map(|s| &**s)
    }

    /// All systems.
    pub fn iter(&self) -> impl Iterator<Item = &dyn AnySystem> {
        self.0.iter().map(|s| &**s)
    }
}

impl Collect for Registry {
    fn add<S: System<Node: Clone + Debug, Client: Clone, Checks: Clone>>(&mut self) {
        self.take_in::<S>(runner::fork::<S>, Some(runner::ways::<S>));
    }
    fn add_unclonable<S: System>(&mut self) {
        self.take_in::<S>(runner::fork_again::<S>, None);
    }
}

impl Systems for Registry {
    fn names(&self) -> Vec<&'static str> {
        self.iter().map(AnySystem::name).collect()
    }
    fn options(&self, system: &str, given: &toml::Table, shape: &Shape) -> Result<toml::Table, Vec<OptionProblem>> {
        self.get(system).map_or_else(|| Ok(given.clone()), |s| s.check_options(given, shape))
    }
    fn file_options(&self, system: &str) -> Vec<String> {
        self.get(system).map_or_else(Vec::new, AnySystem::file_options)
    }
    fn read_files(&self, system: &str, option: &str, files: &[FileText]) -> FileReading {
        self.get(system).map_or_else(FileReading::default, |s| s.read_files(option, files))
    }
    fn kinds(&self, system: &str) -> (Names, Names) {
        self.get(system).map_or((&[], &[]), AnySystem::kinds)
    }
    fn rules(&self, system: &str) -> Vec<Rule> {
        self.get(system).map_or_else(Vec::new, AnySystem::rules)
    }
    fn profile(&self, system: &str, options: &toml::Table, shape: &Shape) -> Profile {
        self.get(system).map_or_else(Profile::default, |s| s.profile(options, shape))
    }
    fn metrics(&self, system: &str) -> &'static [MetricKind] {
        self.get(system).map_or(&[], AnySystem::metrics)
    }
    fn connects(&self, system: &str, options: &toml::Table, shape: &Shape) -> bool {
        self.get(system).is_some_and(|s| s.connects(options, shape))
    }
    fn roles(&self, system: &str) -> &'static [RoleKind] {
        self.get(system).map_or(&[], AnySystem::roles)
    }
    fn default_groups(&self, system: &str, nodes: u32) -> Vec<(&'static str, u32)> {
        self.get(system).map_or_else(Vec::new, |s| s.default_groups(nodes))
    }
    fn operations(&self, system: &str) -> &'static [OperationKind] {
        self.get(system).map_or(&[], AnySystem::operations)
    }
    fn orders(&self, system: &str) -> Names {
        self.get(system).map_or(&[], AnySystem::orders)
    }
    fn own_orders(&self, system: &str) -> &'static [OrderKind] {
        self.get(system).map_or(&[], AnySystem::own_orders)
    }
}
