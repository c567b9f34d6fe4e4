//! Registration: the [`System`] itself.

use super::checks::{self, PlacementChecks};
use super::client::PlacementClient;
use super::message::Lookup;
use super::node::Owner;
use super::options::{PlacementConfig, PlacementOptions};
use crate::storage::hashing::placement::{Algorithm, Placement};
use sim_core::measures::{Formula, Measures};
use sim_core::metric::Unit;
use sim_core::workload::{Generated, Load};
use sim_core::{Class, Finished, LoadUnit, NodeId, Operation, Rule, System, Verdict};

/// Placement alone.
#[derive(Debug)]
pub struct PlacementSystem;

impl System for PlacementSystem {
    const NAME: &'static str = "placement";
    const ABOUT: &'static str =
        "which node owns which key: how even a placement is and what a change of the members moves";
    const TIMERS: u16 = 1;
    const LOAD: LoadUnit = LoadUnit::Work("lookups answered");
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Owner;
    type Client = PlacementClient;
    type Checks = PlacementChecks;
    type Options = PlacementOptions;

    fn client(_: &PlacementConfig, load: Load) -> PlacementClient {
        Generated::new(load, |op| Lookup { key: op.key })
    }

    fn checks(config: &PlacementConfig) -> PlacementChecks {
        PlacementChecks::new(config.clone())
    }

    /// Redirections are no load: whoever owns nothing carries none.
    fn operation(request: &Lookup) -> Operation {
        Operation { class: Class::Read, name: "lookup", key: Some(request.key) }
    }

    /// Not that of a node that is never a member.
    fn carries(config: &PlacementConfig, node: NodeId) -> bool {
        config.epochs().iter().any(|epoch| epoch.placement.members().get(node).is_some())
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        let survey = run.checks.survey();
        Measures {
            keys: survey.last().to_vec(),
            keys_moved: survey.waves.iter().map(|wave| wave.moved.clone()).collect(),
            formulas: formulas(run.config, survey.last()),
            ..Measures::default()
        }
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts();
        if run.linearizable {
            let why = "owners hold no state that could be read".to_owned();
            verdicts.push(Verdict::Inconclusive { rule: "linearizable", why });
        }
        verdicts
    }
}

/// How even theory says the last placement is, where all weights are the same.
fn formulas(config: &PlacementConfig, keys: &[u64]) -> Vec<Formula> {
    let members = config.epochs().last().expect("never none").placement.members();
    let weight = members.at(0).weight;
    if config.replicas > 1 || members.iter().any(|member| member.weight != weight) {
        return Vec::new();
    }
    let n = members.len() as f64;
    let mean = config.keys as f64 / n;
    let squares = members.iter().map(|m| (keys[m.node.index()] as f64 / mean - 1.0).powi(2));
    let measured = Some((squares.sum::<f64>() / n).sqrt());
    // Keys fall on nodes like dice: sqrt(n / K) of the mean, beside what the shares themselves vary.
    let dice = n / config.keys as f64;
    let formula = |name: &str, formula: &str, variance: f64, note: &str| Formula {
        name: name.to_owned(),
        formula: formula.to_owned(),
        predicted: variance.sqrt(),
        measured,
        unit: Unit::Number,
        note: note.to_owned(),
    };
    match config.algorithm {
        Algorithm::Ring => {
            let points = f64::from(config.layout.ring.points) * f64::from(weight);
            let arcs = (n - 1.0) / (n * points + 1.0);
            vec![formula(
                "standard deviation of keys per node over their mean, of a ring",
                "sqrt((n - 1) / (n v + 1) + n / K)",
                arcs + dice,
                "n nodes of v points each, K keys; the mean over all rings, of which this is one",
            )]
        }
        Algorithm::Jump | Algorithm::Rendezvous | Algorithm::Anchor | Algorithm::Modulo => vec![formula(
            "standard deviation of keys per node over their mean, of dice",
            "sqrt(n / K)",
            dice,
            "n nodes, K keys that fall on them independently",
        )],
        _ => Vec::new(),
    }
}
