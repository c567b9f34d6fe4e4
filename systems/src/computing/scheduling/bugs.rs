//! Published bugs of schedulers, queues and distributed crons, each re-introduced by one condition at one place.

sim_core::catalogue! {
    SchedulingBug;
    UnfencedResults, "unfenced_results",
        "The scheduler takes the result of any attempt of a task, also of one whose lease it has given to another.",
        "results_are_fenced", "SPARK-24552: attempt numbers that are reused let an old attempt commit";
    StagedBeforeSync, "staged_before_sync",
        "The collector says that it has a result before that is on its disk.",
        "results_are_kept", "Alagappan et al.: Correlated Crash Vulnerabilities, OSDI 2016";
    SilenceIsSuccess, "silence_is_success",
        "A task whose worker is not heard of any more is taken for done.",
        "done_was_run", "textbook: a heartbeat says that a worker lives, not what it has done";
    CronCountsTwice, "cron_counts_twice",
        "A new leader fires again what the old one fired just before.",
        "cron_fires_once", "mesos/chronos issue 371: existing jobs are added again by a re-elected leader";
    CronCountsFromNow, "cron_counts_from_now",
        "A leader reckons the next firing from its clock, not from the last firing in the log.",
        "cron_misses_none", "dkron issue 1210, sidekiq issue 6804: firings missed during an election";
    NaiveWallClock, "naive_wall_clock",
        "A firing at a time of day is due when the local clock shows it: twice in one night, never in another.",
        "cron_misses_none", "node-cron (kelektiv) issue 563: not fired when summer time starts, twice when it ends";
    ThiefUnacknowledged, "thief_unacknowledged",
        "Who has given a task to a thief goes on answering for its lease.",
        "every_task_ends", "dask/distributed issues 5370 and 3892: processing on a worker that does not know of it";
    OrphanedChildren, "orphaned_children",
        "Only the first attempt of a parent wakes its children.",
        "every_task_ends", "textbook: successors wait for an event of an attempt, not of the task";
    ChildOfFailedParent, "child_of_failed_parent",
        "An attempt that has failed counts for its children like one that is done.",
        "parents_first", "textbook: a trigger rule of \"ended\" where \"succeeded\" is meant";
    UncountedLosses, "uncounted_losses",
        "An attempt that is lost with its worker is not counted: a task that kills workers goes round for ever.",
        "attempts_bounded", "textbook: the query of death; MapReduce, section 4.6";
    SlotFreedTwice, "slot_freed_twice",
        "Every word of a finished task frees its slot once more, also the second and third of the same.",
        "slots_kept", "textbook: a counter that is not keyed by what it counts";
    RetryJumpsQueue, "retry_jumps_queue",
        "What is tried again goes first, whatever its class.",
        "priority_kept", "textbook: a retry queue that is served before the queues by priority";
    AcceptedBeforeLogged, "accepted_before_logged",
        "A client is told that its job is accepted before the schedulers have agreed on it.",
        "accepted_is_kept", "textbook: the acknowledgement of a queue before it is durable";
    RetryIsANewJob, "retry_is_a_new_job",
        "A submission that a client repeats becomes a job of its own.",
        "submitted_once", "textbook: Stripe, idempotency keys; at-least-once delivery without them";
    LeasesForgotten, "leases_forgotten",
        "A new leader takes all tasks that run for tasks that wait.",
        "one_lease", "textbook: a scheduler that restarts from its queue alone";
    PreemptedForgotten, "preempted_forgotten",
        "A task that had to make room is not put into the queue again: what is less urgent goes before it.",
        "priority_kept", "textbook: eviction without a requeue";
    PublishedTwice, "published_twice",
        "The collector makes a result public as often as it is told to.",
        "effects_once", "SPARK-4879: the commit of output has to be coordinated between attempts";
    DoneBeforeLogged, "done_before_logged",
        "A worker is told that its task is done before the schedulers have agreed on it.",
        "completions_are_kept", "textbook: the acknowledgement of a queue before it is durable";
}
