//! Known mistakes of Spark and its kin, each made by one condition at one place.

sim_core::catalogue! {
    SparkBug;
    ResultCountedTwice, "result_counted_twice",
        "The result of every execution that is done is added, not that of one for each partition.",
        "result_is_right", "SPARK-3628: updates of accumulators are applied once for each execution of a task";
    LostOutputsKept, "lost_outputs_kept",
        "Shuffle outputs stay registered when their executor is lost, and when they can not be fetched.",
        "jobs_finish", "Zaharia et al. 2012, section 5.1; SPARK-10796: outputs that are lost are not computed again";
    WholeStageAgain, "whole_stage_again",
        "When an executor is lost, every stage that had outputs there is executed again as a whole.",
        "only_lost_recomputed", "Zaharia et al. 2012, section 2.3: only lost partitions are recomputed";
    CountsExecutions, "counts_executions",
        "A stage is done when as many executions are done as it has tasks, duplicates included.",
        "inputs_are_complete", "SPARK-19263, SPARK-5259: what counts as pending and which outputs are there disagree";
    MissingIsEmpty, "missing_is_empty",
        "An output that an executor does not have any more counts as an empty one.",
        "inputs_are_complete", "textbook: a fetch failure that is swallowed";
    CheckpointUnacknowledged, "checkpoint_unacknowledged",
        "A partition counts as checkpointed when it was sent to the storage, before that says so.",
        "checkpoint_is_there", "textbook: lineage that is cut before the checkpoint is durable";
    StaleCache, "stale_cache",
        "An executor computes with whatever it has cached under the same name, even of an earlier application.",
        "result_is_right", "textbook: a cache that outlives what it was filled for";
}
