//! Clients: each runs jobs, or asks how far they are.

use super::message::MapReduceRequest;
use super::node::Machine;
use super::work::Kind;
use sim_core::workload::Generated;

sim_core::operations! {
    MapReduceRequest of op {
        read "status": Self::Status, "asks the master how far it is";
        write "submit": Self::Empty, "hands in a job of no tasks: answered when the master has taken it";
        write "word_count": Self::Run(is (Kind::WordCount)),
            "counts every word of the input; answered when the output is there";
        write "index": Self::Run(is (Kind::Index)), "lists the lines in which each word of the input is";
        write "sort": Self::Run(is (Kind::Sort)), "sorts the records of the input";
    }
}

/// A client.
pub type MapReduceClient = Generated<Machine>;
