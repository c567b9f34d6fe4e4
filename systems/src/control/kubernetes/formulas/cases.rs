//! The cases of `fixtures/kubernetes/controllers.json`: what the controllers' own tests expect, as data.

use super::*;
use crate::control::kubernetes::manifests::{Tree, load, quantity};
use crate::control::kubernetes::objects::{
    Behavior, IntOrPercent, Phase, RatePolicy, RateUnit, RestartPolicy, ScalingRules, Select,
};
use sim_core::Duration;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

fn file() -> Rc<Tree> {
    load(include_str!("../../../../../fixtures/kubernetes/controllers.json")).expect("JSON is YAML").remove(0)
}

fn cases(name: &str) -> Vec<Rc<Tree>> {
    let tests = file().get("tests").cloned().expect("tests");
    let cases = tests.get(name).and_then(|test| test.get("cases")).expect("cases").items().to_vec();
    assert!(!cases.is_empty(), "{name}");
    cases
}

fn text<'a>(tree: &'a Tree, name: &str) -> &'a str {
    tree.get(name).and_then(|value| value.text()).unwrap_or_default()
}

fn int(tree: &Tree, name: &str) -> Option<i64> {
    tree.get(name)?.text()?.parse::<f64>().ok().map(|number| number as i64)
}

fn is(tree: &Tree, name: &str) -> bool {
    text(tree, name) == "true"
}

fn items<'a>(tree: &'a Tree, name: &str) -> &'a [Rc<Tree>] {
    tree.get(name).map_or(&[], |list| list.items())
}

fn ints(tree: &Tree, name: &str) -> Vec<i64> {
    items(tree, name).iter().filter_map(|one| one.text()?.parse().ok()).collect()
}

/// The pods of a case of the replica calculator, measured by `level`.
fn pods(case: &Tree, levels: &[i64], requests: Option<&[i64]>, of_cpu: bool) -> Vec<Usage> {
    let many = int(case, "currentReplicas").unwrap_or(0).max(items(case, "podPhase").len() as i64);
    let word = |name, at: usize| items(case, name).get(at).and_then(|one| one.text()).unwrap_or_default();
    let usage = |at: usize| {
        let started = word("podStartSecondsAgo", at).parse().unwrap_or(86_400);
        let phase = word("podPhase", at);
        let standing = if word("podDeletionTimestamp", at) == "true" || phase == "Failed" {
            Standing::Ignored
        } else if phase == "Pending" {
            Standing::Unready
        } else if of_cpu && levels.get(at).is_some() {
            cpu_standing(word("podReadiness", at) != "False", started, started, false, 120, 10)
        } else {
            Standing::Counted
        };
        let requested = requests.map_or(Some(0), |requests| requests.get(at).map(|request| 2 * request));
        Usage { standing, used: levels.get(at).map(|level| level * if requests.is_some() { 2 } else { 1 }), requested }
    };
    (0..many as usize).map(usage).collect()
}

#[test]
fn autoscalers_want_what_upstreams_do() {
    for case in cases("hpaReplicaCalculator") {
        let name = text(&case, "name");
        let current = int(&case, "currentReplicas").expect("a number");
        let (found, measured) = if let Some(resource) = case.get("resource") {
            let thousandths = |one: &Rc<Tree>| quantity::parse(one.text()?).map(quantity::Quantity::thousandths);
            let requests: Vec<i64> = items(resource, "requestsPerContainer").iter().filter_map(thousandths).collect();
            let strangers = resource.get("metricPodNames").is_some();
            let levels = if strangers { Vec::new() } else { ints(resource, "levels") };
            let pods = pods(&case, &levels, Some(&requests), text(resource, "name") == "cpu");
            let target = int(resource, "targetUtilization").expect("a target");
            (by_resource(current, target, &pods, true), int(resource, "expectedUtilization"))
        } else {
            let metric = case.get("metric").expect("a metric");
            let levels = ints(metric, "levels");
            let (target, per_pod) = (int(metric, "target"), int(metric, "perPodTarget"));
            let pods = pods(&case, &levels, None, false);
            let unready = items(&case, "podReadiness").iter().filter(|one| one.text() == Some("False")).count();
            let found = match (text(metric, "type"), target, per_pod) {
                ("pod", Some(target), _) => by_average(current, target, &pods, true),
                ("object" | "external", Some(target), _) => {
                    Ok(by_value(current, target, levels[0], current as usize - unready))
                }
                (_, _, Some(target)) => Ok(by_value_per_pod(current, target, levels[0])),
                other => panic!("{name}: {other:?}"),
            };
            (found, int(metric, "expectedUtilization"))
        };
        if is(&case, "expectError") {
            assert_eq!(found, Err(Unmeasured), "{name}");
        } else {
            let expected = (int(&case, "expectedReplicas").expect("a number"), measured.expect("a number"));
            assert_eq!(found.map(|wanted| (wanted.replicas, wanted.measured)), Ok(expected), "{name}");
        }
    }
}

#[test]
fn a_ratio_below_one_raises_the_number_without_the_check_of_its_direction() {
    let pod = |used| Usage { standing: Standing::Counted, used, requested: Some(2000) };
    let pods = [pod(Some(200)), pod(Some(200)), pod(None)];
    assert_eq!(by_resource(2, 50, &pods, true).map(|wanted| wanted.replicas), Ok(2));
    assert_eq!(by_resource(2, 50, &pods, false).map(|wanted| wanted.replicas), Ok(3));
}

#[test]
fn limits_and_windows_are_upstreams() {
    for case in cases("hpaConvertDesired") {
        let number = |name| int(&case, name).expect("a number");
        let found = limited(
            number("currentReplicas"),
            number("expectedDesiredReplicas"),
            number("hpaMinReplicas"),
            number("hpaMaxReplicas"),
        );
        assert_eq!(found.0, number("expectedConvertedDesiredReplicas"), "{case:?}");
        assert_eq!(format!("{:?}", found.1), text(&case, "expectedCondition"));
    }
    let log = |case: &Tree| -> Vec<Recommendation> {
        let one = |one: &Rc<Tree>| Recommendation {
            replicas: int(one, "recommendation").expect("a number"),
            ago: int(one, "secondsAgo").expect("a time") as u64,
        };
        items(case, "recommendations").iter().map(one).collect()
    };
    for case in cases("hpaStabilize") {
        let mut log = log(&case);
        let found = stabilised(&mut log, int(&case, "desired").expect("a number"), 300);
        assert_eq!(Some(found), int(&case, "expected"), "{}", text(&case, "name"));
        assert_eq!(Some(log.len() as i64), int(&case, "expectedLogLength"));
    }
    for case in cases("hpaStabilizeBehavior") {
        let mut log = log(&case);
        let number = |name| int(&case, name).expect("a number");
        let (up, down) = (number("scaleUpWindow") as u64, number("scaleDownWindow") as u64);
        let found = stabilised_by_rules(&mut log, number("current"), number("desired"), up, down);
        assert_eq!(found, number("expected"), "{}", text(&case, "name"));
        let log: Vec<i64> = log.iter().map(|one| one.replicas).collect();
        assert_eq!(log, ints(&case, "expectedLog"), "{}", text(&case, "name"));
    }
}

#[test]
fn rates_are_upstreams() {
    let rules = |tree: Option<&Rc<Tree>>, otherwise: ScalingRules| {
        let Some(tree) = tree.filter(|tree| !tree.is_null()) else { return otherwise };
        let policy = |one: &Rc<Tree>| RatePolicy {
            unit: if text(one, "type") == "Pods" { RateUnit::Pods } else { RateUnit::Percent },
            value: int(one, "value").expect("a value"),
            period: int(one, "periodSeconds").expect("a period") as u32,
        };
        let select = match text(tree, "selectPolicy") {
            "Min" => Select::Min,
            "Disabled" => Select::Disabled,
            _ => Select::Max,
        };
        ScalingRules { window: None, select, policies: items(tree, "policies").iter().map(policy).collect() }
    };
    for case in cases("hpaScalingRules") {
        let event = |one: &Rc<Tree>| ScaleEvent {
            change: int(one, "change").expect("a change"),
            ago: int(one, "secondsAgo").expect("a time") as u64,
        };
        let events = |name| items(&case, name).iter().map(event).collect::<Vec<_>>();
        let standard = Behavior::default();
        let up = rules(case.get("scaleUpRules"), standard.up);
        let down = rules(case.get("scaleDownRules"), standard.down);
        let number = |name| int(&case, name).expect("a number");
        let found = limited_by_rules(
            (number("current"), number("desired")),
            (number("min"), number("max")),
            (&up, &events("scaleUpEvents")),
            (&down, &events("scaleDownEvents")),
        );
        assert_eq!(found.0, number("expected"), "{}", text(&case, "name"));
        assert_eq!(format!("{:?}", found.1), text(&case, "condition"), "{}", text(&case, "name"));
    }
}

fn phase(text: &str) -> Phase {
    match text {
        "Pending" => Phase::Pending,
        "Running" => Phase::Running,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        _ => Phase::Unknown,
    }
}

#[test]
fn the_same_pods_are_behind_a_service() {
    for case in cases("endpointMembership") {
        let restart = match text(&case, "restartPolicy") {
            "Never" => RestartPolicy::Never,
            "OnFailure" => RestartPolicy::OnFailure,
            _ => RestartPolicy::Always,
        };
        let flags = ["hasIP", "terminating", "publishNotReady"].map(|name| is(&case, name));
        let found = in_endpoints(flags[0], flags[1], flags[2], phase(text(&case, "phase")), restart);
        assert_eq!(found, is(&case, "expectedInEndpoints"), "{}", text(&case, "name"));
    }
}

#[test]
fn the_same_pods_go_first() {
    for case in cases("deletionOrder") {
        let rank = |name| {
            let pod = case.get(name).expect("a pod");
            let age = |name| int(pod, name).map(|seconds| Duration::secs(seconds as u64));
            let beside = if is(&case, "withRank") { int(pod, "rank").unwrap_or(0) as usize } else { 0 };
            let restarts = int(pod, "restarts").unwrap_or(0) as u32;
            let state = (is(pod, "scheduled"), phase(text(pod, "phase")), is(pod, "ready"));
            Rank::new(state, 0, beside, restarts, (age("readyAge"), age("createdAge")))
        };
        assert!(rank("deletedFirst") < rank("deletedLater"), "{}", text(&case, "name"));
    }
    for case in cases("podsToDelete") {
        let names = |name| -> Vec<String> {
            items(&case, name).iter().filter_map(|one| one.text()).map(str::to_owned).collect()
        };
        let related = if items(&case, "related").is_empty() { Vec::new() } else { names("related") };
        let rank = |name: &String| {
            let is = |part| name.contains(part);
            let ready = is("running-ready");
            let same_node = |other: &&String| ready && *other == name;
            let beside = related.iter().filter(same_node).count();
            let phase = if is("running") { Phase::Running } else { Phase::Pending };
            Rank::new((!is("unscheduled"), phase, ready), 0, beside, 0, (None, None))
        };
        let (mut pods, many) = (names("pods"), int(&case, "diff").expect("a number") as usize);
        if many < pods.len() {
            pods.sort_by_key(rank);
        }
        assert_eq!(pods[..many], names("expectedDelete"), "{}", text(&case, "name"));
    }
}

#[test]
fn zones_are_lost_as_upstreams_are() {
    for case in cases("zoneDisruption") {
        let states = |when| {
            let mut zones: SortedMap<&str, (usize, usize)> = SortedMap::new();
            // A node of the control plane was told by its name then, and did not count.
            for node in items(&case, "nodes").iter().filter(|node| !text(node, "name").ends_with("-master")) {
                let zone = zones.entry(text(node, "zone")).or_default();
                if text(node, when) == "True" { zone.0 += 1 } else { zone.1 += 1 }
            }
            let state = |(zone, (ready, not_ready))| (zone, zone_state(ready, not_ready, 55));
            zones.into_iter().map(state).collect::<SortedMap<_, _>>()
        };
        for (when, expected) in [("readyBefore", "expectedInitialStates"), ("readyAfter", "expectedFollowingStates")] {
            for (zone, state) in states(when) {
                let word = match state {
                    ZoneState::Normal => "Normal",
                    ZoneState::Partial => "PartialDisruption",
                    ZoneState::Full => "FullDisruption",
                };
                assert_eq!(word, text(case.get(expected).expect("states"), zone), "{}", text(&case, "name"));
            }
        }
        let evicts = !all_lost(states("readyAfter").into_values());
        assert_eq!(evicts, is(&case, "expectedEvict"), "{}", text(&case, "name"));
    }
    for case in cases("minTolerationTime") {
        let seconds: Vec<Option<i64>> =
            items(&case, "tolerationSeconds").iter().map(|one| one.text().and_then(|text| text.parse().ok())).collect();
        assert_eq!(shortest(&seconds).unwrap_or(-1), int(&case, "expected").expect("a time"), "{case:?}");
    }
}

#[test]
fn budgets_allow_what_upstreams_do() {
    let either = |tree: Option<&Rc<Tree>>| {
        let text = tree?.text()?;
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(IntOrPercent::Percent),
            None => text.parse().ok().map(IntOrPercent::Int),
        }
    };
    for case in cases("podDisruptionBudget") {
        let number = |name| int(&case, name).expect("a number");
        let (least, most) = (either(case.get("minAvailable")), either(case.get("maxUnavailable")));
        let found = allowance(least, most, number("selectedPods"), number("healthy"), int(&case, "controllerScale"));
        // A pod without a controller: only that nothing is allowed is known.
        let of = |name| int(case.get("expected").expect("it is expected"), name);
        assert_eq!(Some(found.allowed), of("disruptionsAllowed"), "{}", text(&case, "name"));
        if of("desiredHealthy").is_some() {
            let expected = (of("desiredHealthy"), of("expectedPods"));
            assert_eq!((Some(found.desired), Some(found.expected)), expected, "{}", text(&case, "name"));
        }
    }
}

#[test]
fn batches_and_waits_grow() {
    let rules = file().get("rules").cloned().expect("rules");
    for case in items(rules.get("replicaSet").expect("rules of sets"), "slowStart") {
        let fails = int(case, "failFrom").map_or(usize::MAX, |from| from as usize);
        let (mut calls, mut successes) = (0, 0);
        for batch in slow_start(int(case, "count").expect("a number") as usize) {
            let good = (calls + 1..=calls + batch).filter(|call| *call < fails).count();
            (calls, successes) = (calls + batch, successes + good);
            if good < batch {
                break;
            }
        }
        assert_eq!((Some(calls as i64), Some(successes as i64)), (int(case, "calls"), int(case, "successes")));
    }
    let waits = ints(rules.get("crashLoop").expect("rules of crashes"), "sequenceSeconds");
    let found: Vec<i64> =
        (0..waits.len() as u32).map(|restarts| (crash_back_off(restarts).0 / 1_000_000_000) as i64).collect();
    assert_eq!(found, waits);
}
