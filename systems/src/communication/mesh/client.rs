//! The clients: generated load.

use super::message::MeshRequest;
use super::node::Machine;
use sim_core::workload::Generated;

sim_core::operations! {
    MeshRequest of op {
        read "read": Self { key = op.key, write is false, unique = op.unique } on key,
            "asks the first service for something; caches on the way may answer";
        write "write": Self { key = op.key, write is true, unique = op.unique } on key,
            "asks it to change something; an edge queues that";
    }
}

/// A client of the mesh.
pub type MeshClient = Generated<Machine>;
