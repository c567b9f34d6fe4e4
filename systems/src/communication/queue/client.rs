//! The programs that run at producers: generated operations.

use super::message::QueueRequest;
use super::node::Machine;
use sim_core::workload::Generated;

sim_core::operations! {
    QueueRequest of op {
        write "send": Self::Send { key = op.key, value = op.unique, bytes = op.size } on key,
            "sends a message, and waits for the acknowledgement that the producer waits for";
        read "end_offset": Self::End { key = op.key } on key, "asks the leader up to where consumers may read";
    }
}

/// A program at a producer.
pub type QueueClient = Generated<Machine>;
