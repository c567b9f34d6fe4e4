//! Published bugs of Kubernetes, each re-introduced by one condition at one place.

sim_core::catalogue! {
    KubeBug;
    ForgetAssumed, "forget_assumed",
        "The scheduler does not count a pod that it has just given a node until it hears of that from the API server.",
        "no_overcommit", "K1: kubernetes issues 60469 and 86626";
    LostMarks, "lost_marks",
        "What happens while a pod is being tried is forgotten with the last pod that was taken before it.",
        "fitting_pods_are_tried", "KS1: kubernetes pull request 120413";
    IgnoreLabelKeys, "ignore_label_keys",
        "Spread constraints count the pods of old and new templates together.",
        "spread_after_rollout", "KS7: kubernetes issues 98215, 105661 and 121284";
    EvictAlways, "evict_always",
        "Pods are evicted even when no node at all is heard from: it is the control plane that is cut off.",
        "no_mass_eviction", "K5: zone states in node_lifecycle_controller.go";
    KeepTimer, "keep_timer",
        "The eviction of a pod is called off only when no evicting taint at all is left on its node.",
        "tolerated_pods_stay", "KN1: kubernetes issue 90794, pull request 93722";
    MarkOnce, "mark_once",
        "The pods of a lost node are marked only in the round in which the condition of the node changes.",
        "lost_pods_leave_services", "KN4: kubernetes issues 50067 and 135205";
    TrustHeartbeats, "trust_heartbeats",
        "A new controller manager judges nodes by the heart-beats that are stored, not by what it hears itself.",
        "new_managers_listen_first", "KN6: kubernetes issue 32510";
    LoseDirection, "lose_direction",
        "An autoscaler does not look whether what it proposes goes the way that the use of its pods says.",
        "autoscaler_keeps_direction", "KH1: kubernetes issue 84142, pull requests 85027 and 89465";
    ForgetReady, "forget_ready",
        "A kubelet that was started anew takes its pods for not ready until it has probed them.",
        "kubelet_restart_is_harmless", "KP1: kubernetes issues 78733 and 100277";
    RenewForever, "renew_forever",
        "A leader that can not renew its lease goes on acting.",
        "one_acting_leader", "KE1: kubernetes issues 23731 and 44887";
    StaleList, "stale_list",
        "A list comes from whatever the API server has in memory, which may be older than what was seen before.",
        "watches_miss_nothing", "KW1: kubernetes issue 59848; KEP-2340, consistent reads from cache";
}
