//! Published bugs and well-known mistakes of meshes, each re-introduced by one condition at one place.

sim_core::catalogue! {
    MeshBug;
    UnboundedRetries, "unbounded_retries",
        "Sidecars try again whatever their budget says.",
        "retry_budget_kept", "M1: Huang et al., Metastable Failures in the Wild, OSDI'22";
    EjectionUncapped, "ejection_uncapped",
        "Outlier ejection takes out as many replicas as fail, up to all of them.",
        "ejection_cap_kept", "M2: Envoy, max_ejection_percent; envoy pull request 4442";
    PushResetsCircuits, "push_resets_circuits",
        "A pushed configuration makes a sidecar's clusters anew: open circuits and ejections are forgotten.",
        "out_get_nothing", "M3: Envoy: a cluster that is updated starts without its outlier and health state";
    DeadlineNotPassed, "deadline_not_passed",
        "A service gives each of its calls the whole time-out, whatever is left of its own.",
        "deadline_propagated", "M4: Google SRE book, chapter 22, \"Deadline propagation\"";
    WeightByReplicas, "weight_by_replicas",
        "The new version gets the share of its replicas, not the weight that was configured.",
        "canary_share_kept", "M5: Istio, \"Canary deployments using Istio\", 2017";
    MirrorAnswers, "mirror_answers",
        "The answer to a mirrored request is taken for the answer to the request.",
        "answers_are_work", "M6: Envoy, request_mirror_policies: \"fire and forget\"";
    OldPushTaken, "old_push_taken",
        "A sidecar takes every configuration that arrives, also one that was overtaken.",
        "version_never_back", "M7: xDS protocol: version_info and nonces exist for this";
    VersionForgotten, "version_forgotten",
        "The control plane pushes a configuration before its version is on the disk.",
        "one_content_a_version", "M8: folklore: resource versions that start again after a restore";
    SilenceIsDeath, "silence_is_death",
        "A control plane that has just started takes whoever it has not heard from yet for dead.",
        "live_stay_in", "M9: folklore: a restarted discovery server pushes empty endpoint lists";
    AgeForgotten, "age_forgotten",
        "A cache counts an answer's age from when it got it, not from when it was made.",
        "cache_within_ttl", "M10: RFC 9111, section 4.2.3: the Age of a response";
    FixedWindow, "fixed_window",
        "The rate limiter counts in fixed windows of a second: around the border of two it lets through twice as much.",
        "rate_limit_kept", "M11: folklore: fixed window counters";
    UploadNotNumbered, "upload_not_numbered",
        "The hub takes whatever an edge uploads, also what it has taken before.",
        "edge_exactly_once", "M12: Helland, Idempotence Is Not a Medical Condition, 2012";
    UploadBeforeSync, "upload_before_sync",
        "An edge uploads a write that is not on its disk yet; after a power loss another one has its number.",
        "edge_writes_kept", "M13: Helland, Idempotence Is Not a Medical Condition, 2012";
    AnsweredBeforeSync, "answered_before_sync",
        "An edge tells its client that a write is queued before it is on the disk.",
        "edge_writes_kept", "M14: Pillai et al., All File Systems Are Not Created Equal, OSDI'14";
}
