//! Published bugs of gossip, sessions and their users, each re-introduced by one condition at one place.

sim_core::catalogue! {
    ConsulBug;
    AliveTies, "alive_ties",
        "\"Alive\" overrides a suspicion, or a death, of the same incarnation.",
        "worse_news_hold", "S1: textbook; SWIM, section 4.2";
    RefutationIgnored, "refutation_ignored",
        "A suspicion holds against an \"alive\" of a higher incarnation.",
        "incarnations_grow", "S2: textbook; SWIM, section 4.2";
    SuspectAtOnce, "suspect_at_once",
        "Who does not answer a direct ping in time is suspected before those who were asked have answered.",
        "helpers_are_heard", "S4: DAOS-11274, pull request 10435";
    RandomProbes, "random_probes",
        "Members are probed at random instead of each once in a shuffled round.",
        "probed_each_round", "S6: SWIM, section 4.3";
    ConstantRetransmit, "constant_retransmit",
        "News are sent once, however many members there are.",
        "deaths_are_told", "S8: Das et al. 2002, section 4.1";
    NoLocalHealth, "no_local_health",
        "A member whose own probes fail one after another is as quick to accuse as any other.",
        "the_slow_are_patient", "S10: Dadgar, Phillips, Currey 2018; consul issue 137";
    IntentsOnly, "intents_only",
        "An intent to leave that was heard before its member came back counts against it.",
        "the_returned_are_alive", "SE1: serf issue 662, pull request 663";
    StaleAliveDropped, "stale_alive_dropped",
        "\"Alive\" of an old incarnation is dropped without a word about what is believed instead.",
        "the_accused_hear_of_it", "ML1: memberlist issue 311, pull request 345";
    RenewalGivenUp, "renewal_given_up",
        "An application stops renewing its session when one renewal has failed.",
        "sessions_are_renewed", "CO1: consul pull request 912, issue 1162";
    LargerIndexKept, "larger_index_kept",
        "Who follows the catalog keeps the larger index when an answer has a smaller one.",
        "followers_see_the_last", "CO3: consul issue 7939; go-kit issue 997";
    NoMinQuorum, "no_min_quorum",
        "Servers that fail lose their votes until a minority of those that there were is left.",
        "quorum_is_kept", "CO4: consul issue 5922";
    GrantToTheDead, "grant_to_the_dead",
        "A lock is given to whoever asks for it, without a look whether its session has ended.",
        "one_holder", "L1: etcd issue 11456";
    NoFencing, "no_fencing",
        "The store looks at no sequencer, although it is told to.",
        "no_late_write", "L2: etcd issues 11457 and 10811, pull request 11490";
    UnlockOfOthers, "unlock_of_others",
        "A lock is released by whoever says so, whether or not it holds it.",
        "one_holder", "L3: textbook; Redis `DEL` of a lock";
    ForgottenTimers, "forgotten_timers",
        "A new leader ends all sessions, because it knows of no renewal.",
        "sessions_last", "L6: Burrows 2006, section 2.9; Consul's own restart of all timers";
    LockWithoutTtl, "lock_without_ttl",
        "The leader has no clock for sessions: a lock stays with a holder that has come back without it.",
        "locks_are_granted", "L11: python-etcd3 issue 109";
}
