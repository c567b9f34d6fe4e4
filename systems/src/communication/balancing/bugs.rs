//! Published bugs and well-known mistakes of load balancers, each re-introduced by one condition at one place.
//!
//! A bug is a property of the configuration: `config.has(BalancingBug::X)` appears exactly once, where the correct code
//! makes the decision that others got wrong.

sim_core::catalogue! {
    BalancingBug;
    BlackHole, "black_hole",
        "Only timeouts count against a server: one that fails at once is always the least loaded, and gets everything.",
        "black_hole", "B1: folklore; least connections and a server that fails fast";
    InFlightLeak, "in_flight_leak",
        "A request that times out is never taken off the count of those under way.",
        "in_flight_is_true", "B2: folklore; counters that leak on timeouts";
    UnboundedRetries, "unbounded_retries",
        "Retries are made whatever the budget says.",
        "retry_budget_kept", "B3: Huang et al., Metastable Failures in the Wild, OSDI'22";
    NoPanicThreshold, "no_panic_threshold",
        "However many servers are held for bad, all requests go to the few that are not, or to nobody.",
        "panic_threshold", "B4: envoy pull requests 4442, 4685, 9343";
    TurnReset, "turn_reset",
        "Every update of the list of servers starts the round again at its first one.",
        "balanced", "B5: folklore; round robin under churn";
    StaleLoads, "stale_loads",
        "The choices are compared by loads that are up to five seconds old, so everybody runs to the same servers.",
        "balanced", "B7: Mitzenmacher, How Useful Is Old Information?, 2000";
    ConnectProbe, "connect_probe",
        "The health check only looks whether the server accepts a connection, which one that hangs still does.",
        "gray_failure_detected", "B9: Huang et al., Gray Failure, HotOS'17";
}
