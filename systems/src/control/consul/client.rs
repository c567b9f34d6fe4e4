//! The applications at agents: generated operations.

use super::message::{Consistency, ConsulRequest};
use super::node::Machine;
use super::options::Config;
use sim_core::workload::{Generated, Load, Op};

sim_core::operations! {
    ConsulRequest of op {
        read "get": Self::Get { key = op.key, consistency is (Consistency::Default) } on key,
            "reads a key from the leader's own state";
        read "consistent_get": Self::Get { key = op.key, consistency is (Consistency::Consistent) } on key,
            "reads a key once a quorum has confirmed the leader";
        read "stale_get": Self::Get { key = op.key, consistency is (Consistency::Stale) } on key,
            "reads a key from any server";
        write "set": Self::Set { key = op.key, value = op.unique } on key, "sets a key";
        write "cas": Self::Cas { key = op.key, value = op.unique } on key,
            "reads a key and sets it if nobody else has changed it";
        write "lock": Self::Lock { lock = op.key } on lock,
            "takes a lock, writes to the store if there is one, and lets it go";
        read "call": Self::Call { service = op.key } on service,
            "calls a service wherever the catalog says that it runs";
        read "members": Self::Members, "asks the agent how many members are alive";
        write "event": Self::Event { what = op.unique }, "says something that everybody shall know";
        write "reload": Self::Reload,
            "has the agent read its configuration anew: what a probe does without servers";
    }
}

/// An application at an agent.
pub type ConsulClient = Generated<Machine>;

/// Without servers there is nothing to get or to set: a probe asks the agent alone.
fn of_the_agent(op: &Op) -> ConsulRequest {
    match op.kind {
        0 => ConsulRequest::Members,
        3 => ConsulRequest::Reload,
        _ => ConsulRequest::of(op),
    }
}

/// A client with this load.
#[must_use]
pub fn client(config: &Config, load: Load) -> ConsulClient {
    Generated::new(load, if config.servers > 0 { ConsulRequest::of } else { of_the_agent })
}
