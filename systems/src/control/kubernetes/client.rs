//! Callers of services: generated requests, each to one of the services there are.

use super::message::KubeRequest;
use super::node::Machine;
use sim_core::workload::Generated;

sim_core::operations! {
    KubeRequest of op {
        read "get": Self::Get { service = op.key } on service, "asks a service for something, by way of any node";
        write "post": Self::Post { service = op.key } on service,
            "asks a service to change something, by way of any node";
    }
}

/// A caller.
pub type KubeClient = Generated<Machine>;
