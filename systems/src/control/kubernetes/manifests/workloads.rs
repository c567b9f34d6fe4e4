//! Deployments and the other sets, and jobs.

use super::cron;
use super::desk::{At, Fields};
use super::meta::{int_or_percent, labels, meta, selector};
use super::pod::template;
use crate::control::kubernetes::objects::{
    Concurrency, CronJob, DaemonSet, DaemonStrategy, Deployment, IntOrPercent, Job, JobSpec, PodManagement,
    PodTemplate, ReplicaSet, RestartPolicy, Selector, StatefulSet, StatefulStrategy, Strategy,
};

const FOR_EVER: [RestartPolicy; 1] = [RestartPolicy::Always];
const TO_AN_END: [RestartPolicy; 2] = [RestartPolicy::OnFailure, RestartPolicy::Never];

/// The specification of an object.
pub fn spec<'a>(fields: &mut Fields<'a>) -> Fields<'a> {
    match fields.get("spec") {
        Some(at) => at.fields(),
        None => {
            fields.at.wrong("spec is missing");
            fields.at.none()
        }
    }
}

fn count(fields: &mut Fields<'_>, name: &'static str, otherwise: i64) -> i64 {
    fields.get(name).and_then(|at| at.count()).unwrap_or(otherwise)
}

fn seconds(fields: &mut Fields<'_>, name: &'static str) -> Option<u32> {
    fields.get(name).and_then(|at| at.count()).map(|seconds| seconds as u32)
}

/// The end of every object.
fn end(mut fields: Fields<'_>) {
    fields.silent(&["status"]);
    fields.done();
}

/// The selector of a set and its template, which must go together.
fn chosen(fields: &mut Fields<'_>) -> (Selector, PodTemplate) {
    let at = fields.get("selector");
    let template = template(fields, &FOR_EVER);
    let Some(at) = at else {
        fields.at.wrong("selector is missing");
        return (Selector::default(), template);
    };
    let selector = selector(&at);
    if !selector.matches(&template.labels) {
        let shown = |labels: &crate::control::kubernetes::objects::Labels| {
            let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            pairs.join(",")
        };
        let of = shown(&template.labels);
        at.wrong(format!("selector {} does not match the template labels {of}", shown(&selector.labels)));
    } else if selector.is_empty() {
        at.wrong("selector is empty");
    }
    (selector, template)
}

/// Two fields of a rolling update, of which one must not be 0.
fn fences(at: &At<'_>, surge: IntOrPercent, unavailable: IntOrPercent) -> (IntOrPercent, IntOrPercent) {
    let mut fields = at.fields();
    let max_surge = fields.get("maxSurge").and_then(|at| int_or_percent(&at)).unwrap_or(surge);
    let max_unavailable = fields.get("maxUnavailable").and_then(|at| int_or_percent(&at)).unwrap_or(unavailable);
    let none = |one| matches!(one, IntOrPercent::Int(0) | IntOrPercent::Percent(0));
    if none(max_surge) && none(max_unavailable) {
        at.wrong("maxSurge and maxUnavailable are both 0");
    }
    fields.done();
    (max_surge, max_unavailable)
}

/// A deployment.
pub fn deployment(mut fields: Fields<'_>) -> Deployment {
    let meta = meta(&mut fields, true);
    let mut inner = spec(&mut fields);
    let mut strategy = Strategy::default();
    if let Some(at) = inner.get("strategy") {
        let mut inner = at.fields();
        let words = [("RollingUpdate", false), ("Recreate", true)];
        let kind = inner
            .get("type")
            .and_then(|at| at.word(&words, |text| format!("strategy {text} is not RollingUpdate or Recreate")));
        match (kind.unwrap_or(false), inner.get("rollingUpdate")) {
            (true, Some(at)) => at.wrong("rollingUpdate goes with type RollingUpdate only"),
            (true, None) => strategy = Strategy::Recreate,
            (false, Some(at)) => {
                let quarter = IntOrPercent::Percent(25);
                let (max_surge, max_unavailable) = fences(&at, quarter, quarter);
                strategy = Strategy::RollingUpdate { max_surge, max_unavailable };
            }
            (false, None) => {}
        }
        inner.done();
    }
    let deployment = Deployment {
        meta,
        replicas: count(&mut inner, "replicas", 1) as i32,
        strategy,
        min_ready: count(&mut inner, "minReadySeconds", 0) as u32,
        revision_history: count(&mut inner, "revisionHistoryLimit", 10) as i32,
        progress_deadline: count(&mut inner, "progressDeadlineSeconds", 600) as u32,
        paused: inner.get("paused").and_then(|at| at.truth()).unwrap_or(false),
        ..Deployment::default()
    };
    let (selector, template) = chosen(&mut inner);
    inner.done();
    end(fields);
    Deployment { selector, template, ..deployment }
}

/// A replica set.
pub fn replica_set(mut fields: Fields<'_>) -> ReplicaSet {
    let meta = meta(&mut fields, true);
    let mut inner = spec(&mut fields);
    let replicas = count(&mut inner, "replicas", 1) as i32;
    let min_ready = count(&mut inner, "minReadySeconds", 0) as u32;
    let (selector, template) = chosen(&mut inner);
    inner.done();
    end(fields);
    ReplicaSet { meta, replicas, min_ready, selector, template, ..ReplicaSet::default() }
}

/// A stateful set.
pub fn stateful_set(mut fields: Fields<'_>) -> StatefulSet {
    let meta = meta(&mut fields, true);
    let mut inner = spec(&mut fields);
    let service = inner.get("serviceName").and_then(|at| at.text()).unwrap_or_default();
    if service.is_empty() {
        inner.at.warn("serviceName missing");
    }
    let words = [("OrderedReady", PodManagement::OrderedReady), ("Parallel", PodManagement::Parallel)];
    let management = inner.get("podManagementPolicy");
    let management = management.and_then(|at| at.word(&words, |text| format!("podManagementPolicy {text} is unknown")));
    let mut strategy = StatefulStrategy::default();
    if let Some(at) = inner.get("updateStrategy") {
        let mut inner = at.fields();
        if on_delete(&mut inner) {
            strategy = StatefulStrategy::OnDelete;
        }
        if let Some(at) = inner.get("rollingUpdate") {
            let mut rolling = at.fields();
            strategy = StatefulStrategy::RollingUpdate { partition: count(&mut rolling, "partition", 0) as i32 };
            rolling.refuse(&["maxUnavailable"]);
            rolling.done();
        }
        inner.done();
    }
    let set = StatefulSet {
        meta,
        replicas: count(&mut inner, "replicas", 1) as i32,
        service,
        management: management.unwrap_or_default(),
        strategy,
        min_ready: count(&mut inner, "minReadySeconds", 0) as u32,
        revision_history: count(&mut inner, "revisionHistoryLimit", 10) as i32,
        ..StatefulSet::default()
    };
    let (selector, template) = chosen(&mut inner);
    inner.ignore("", &["volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy"]);
    inner.refuse(&["ordinals"]);
    inner.done();
    end(fields);
    StatefulSet { selector, template, ..set }
}

/// Whether an update strategy waits until somebody deletes pods.
fn on_delete(fields: &mut Fields<'_>) -> bool {
    let words = [("RollingUpdate", false), ("OnDelete", true)];
    let kind = fields.get("type");
    let kind =
        kind.and_then(|at| at.word(&words, |text| format!("updateStrategy {text} is not RollingUpdate or OnDelete")));
    kind.unwrap_or(false)
}

/// A daemon set.
pub fn daemon_set(mut fields: Fields<'_>) -> DaemonSet {
    let meta = meta(&mut fields, true);
    let mut inner = spec(&mut fields);
    let mut strategy = DaemonStrategy::default();
    if let Some(at) = inner.get("updateStrategy") {
        let mut inner = at.fields();
        if on_delete(&mut inner) {
            strategy = DaemonStrategy::OnDelete;
        }
        if let Some(at) = inner.get("rollingUpdate") {
            let (max_surge, max_unavailable) = fences(&at, IntOrPercent::Int(0), IntOrPercent::Int(1));
            strategy = DaemonStrategy::RollingUpdate { max_unavailable, max_surge };
        }
        inner.done();
    }
    let min_ready = count(&mut inner, "minReadySeconds", 0) as u32;
    let (selector, template) = chosen(&mut inner);
    inner.silent(&["revisionHistoryLimit"]);
    inner.done();
    end(fields);
    DaemonSet { meta, strategy, min_ready, selector, template, ..DaemonSet::default() }
}

fn job_spec(mut inner: Fields<'_>) -> JobSpec {
    let positive = |at: At<'_>| at.count().map(|number| number as i32);
    let completions = inner.get("completions").map(|at| positive(at).unwrap_or(1));
    let parallelism = inner.get("parallelism").map(|at| positive(at).unwrap_or(1));
    let deadline = inner.get("activeDeadlineSeconds").and_then(|at| at.at_least(1, "must be positive"));
    let job = JobSpec {
        // A job that says how many run, and not how many must end well, is done as soon as one has.
        completions: if parallelism.is_some() { completions } else { completions.or(Some(1)) },
        parallelism: parallelism.unwrap_or(1),
        backoff_limit: count(&mut inner, "backoffLimit", 6) as i32,
        active_deadline: deadline.map(|seconds| seconds as u32),
        ttl: seconds(&mut inner, "ttlSecondsAfterFinished"),
        suspend: inner.get("suspend").and_then(|at| at.truth()).unwrap_or(false),
        template: template(&mut inner, &TO_AN_END),
    };
    inner.silent(&["manualSelector", "podReplacementPolicy", "selector"]);
    inner.refuse(&["backoffLimitPerIndex", "completionMode", "maxFailedIndexes", "podFailurePolicy", "successPolicy"]);
    inner.done();
    job
}

/// A job.
pub fn job(mut fields: Fields<'_>) -> Job {
    let meta = meta(&mut fields, true);
    let spec = job_spec(spec(&mut fields));
    end(fields);
    Job { meta, spec, ..Job::default() }
}

/// A cron job.
pub fn cron_job(mut fields: Fields<'_>) -> CronJob {
    let meta = meta(&mut fields, true);
    let mut inner = spec(&mut fields);
    let schedule = match inner.get("schedule") {
        Some(at) => at.text().and_then(|text| cron::parse(&text).map_err(|what| at.wrong(what)).ok()),
        None => {
            inner.at.wrong("schedule is missing");
            None
        }
    };
    let words = [("Allow", Concurrency::Allow), ("Forbid", Concurrency::Forbid), ("Replace", Concurrency::Replace)];
    let concurrency = inner.get("concurrencyPolicy");
    let concurrency = concurrency.and_then(|at| at.word(&words, |text| format!("concurrencyPolicy {text} is unknown")));
    let mut cron_job = CronJob {
        meta,
        schedule: schedule.unwrap_or_default(),
        concurrency: concurrency.unwrap_or_default(),
        starting_deadline: seconds(&mut inner, "startingDeadlineSeconds"),
        suspend: inner.get("suspend").and_then(|at| at.truth()).unwrap_or(false),
        keep_successful: count(&mut inner, "successfulJobsHistoryLimit", 3) as i32,
        keep_failed: count(&mut inner, "failedJobsHistoryLimit", 1) as i32,
        ..CronJob::default()
    };
    match inner.get("jobTemplate") {
        Some(at) => {
            let mut job = at.fields();
            if let Some(at) = job.get("metadata") {
                let mut meta = at.fields();
                cron_job.job_labels = labels(&mut meta, "labels").unwrap_or_default();
                meta.silent(&["annotations", "name"]);
                super::meta::about(meta);
            }
            cron_job.job = job_spec(spec(&mut job));
            job.done();
        }
        None => inner.at.wrong("jobTemplate is missing"),
    }
    inner.ignore("", &["timeZone"]);
    inner.done();
    end(fields);
    cron_job
}
