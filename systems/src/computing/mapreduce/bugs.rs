//! Known mistakes of MapReduce and its kin, each made by one condition at one place.

sim_core::catalogue! {
    MapReduceBug;
    DeadMapsKept, "dead_maps_kept",
        "Of a worker that is lost, what it was executing is executed again, but not the maps that it had completed.",
        "jobs_finish", "M1: Dean and Ghemawat 2004, section 3.3: completed maps are re-executed";
    OldLocations, "old_locations",
        "Reduces that have been told where a map's output is are not told of the place where it is after that.",
        "jobs_finish", "M3: Dean and Ghemawat 2004, section 3.3: all reduce workers are notified";
    OutputNotAtomic, "output_not_atomic",
        "A reduce appends to the final file, not to one of its own that is renamed when it is complete.",
        "output_is_right", "Dean and Ghemawat 2004, section 3.3: atomic commits";
    FetchedTwice, "fetched_twice",
        "A reduce counts what it fetches however often it comes: after a retry, or from an execution that has been \
         replaced.",
        "output_is_right", "textbook: at-least-once delivery without deduplication";
    CountedTwice, "counted_twice",
        "The counters of every completed execution are added, not those of one for each task.",
        "counters_count_once", "Dean and Ghemawat 2004, section 4.8: duplicate executions are eliminated";
    DoneBeforeRename, "done_before_rename",
        "A reduce reports that it is done when its output is written, before the rename is acknowledged.",
        "done_is_durable", "Dean and Ghemawat 2004, section 3.3; Hadoop's OutputCommitter";
    RecoverBlindly, "recover_blindly",
        "A master that comes back goes by its checkpoint, and does not look which outputs are in the file system.",
        "reduces_run_once", "Dean and Ghemawat 2004, section 3.3: completed reduces are not executed again";
    SkipTooSoon, "skip_too_soon",
        "A record is skipped after it has crashed one worker, which may have been no fault of the record.",
        "only_bad_records_skipped", "Dean and Ghemawat 2004, section 4.6: more than one failure";
    ReduceTooSoon, "reduce_too_soon",
        "A reduce begins when it has the outputs of all maps that were complete when it asked, not of all maps.",
        "maps_before_reduces", "textbook: the barrier between map and reduce";
}
