//! Published bugs of lock services, each re-introduced by one condition at one place.

sim_core::catalogue! {
    ChubbyBug;
    GrantToTheDead, "grant_to_the_dead",
        "A lock is given to whoever has waited for it without a look whether its session has ended meanwhile.",
        "one_holder", "L1: etcd issue 11456";
    NoFencing, "no_fencing",
        "The store looks at no sequencer, although it is told to.",
        "no_late_write", "L2: etcd issues 11457 and 10811, pull request 11490";
    UnlockOfOthers, "unlock_of_others",
        "A lock is released by whoever says so, whether or not it holds it.",
        "one_holder", "L3: textbook; Redis `DEL` of a lock";
    ForgottenLeases, "forgotten_leases",
        "A new master counts on no lease that the one before it may have given.",
        "sessions_end_in_order", "L6: Burrows 2006, section 2.9";
    OldEpoch, "old_epoch",
        "A call that was made to an earlier master is carried out by a later one.",
        "calls_of_their_epoch", "L8: Burrows 2006, section 2.9, step 1";
    LockWithoutLease, "lock_without_lease",
        "A lock stays with its holder when the session of that has ended.",
        "locks_are_granted", "L11: python-etcd3 issue 109";
}
