//! Published bugs of locks with a time-out, each re-introduced by one condition at one place.

sim_core::catalogue! {
    RedlockBug;
    NoLookAtTheClock, "no_look_at_the_clock",
        "A lock is counted as taken however long that took, and its validity from the last answer on.",
        "one_valid_holder", "L1: etcd issue 11456; Redlock, step 3";
    UnlockOfOthers, "unlock_of_others",
        "A lock is released by a plain DEL, whoever holds it by now.",
        "one_valid_holder", "L3: textbook; Redis `DEL` of a lock";
    LockWithoutTtl, "lock_without_ttl",
        "A key is set without a time after which it goes.",
        "locks_are_granted", "L11: python-etcd3 issue 109";
    MinorityIsEnough, "minority_is_enough",
        "Half of the instances, rounded down, are enough to hold a lock.",
        "one_valid_holder", "textbook: Redlock, step 3";
    RestartsAtOnce, "restarts_at_once",
        "An instance that has lost its keys in a crash serves again at once.",
        "one_valid_holder", "redis.io: Distributed locks with Redis, on crash recovery and fsync";
}
