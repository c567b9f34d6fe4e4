//! What consensus replicates: one trait that Raft, Paxos and every later service share.

use core::fmt::Debug;
use core::hash::Hash;
use serde::Serialize;

/// A deterministic state machine behind a replicated log.
///
/// `apply` must depend on nothing but the state and the command: every replica applies the same commands in the same
/// order and must reach the same state (Raft dissertation, section 2.1).
pub trait StateMachine: Clone + Debug + Hash + 'static {
    /// What clients ask, reads and writes alike.
    type Command: Clone + Debug + Hash + Serialize + 'static;
    /// What they are answered.
    type Response: Clone + Debug + PartialEq + Hash + Serialize + 'static;
    /// The whole state at one point of the log. Cheap to clone: it travels in messages and lies on disks.
    type Snapshot: Clone + Debug + Hash + 'static;

    /// The state before the first command.
    fn start() -> Self;
    /// Applies one command and says its result.
    fn apply(&mut self, command: &Self::Command) -> Self::Response;
    /// Answers a command for which [`StateMachine::is_read`] holds, without changing anything.
    fn read(&self, command: &Self::Command) -> Self::Response;
    /// Whether `command` changes nothing, so that it need not go through the log.
    fn is_read(command: &Self::Command) -> bool;
    /// The whole state.
    fn snapshot(&self) -> Self::Snapshot;
    /// The state that `snapshot` holds.
    fn restore(snapshot: &Self::Snapshot) -> Self;
    /// Size of a command on the wire and on disk, in bytes.
    fn command_bytes(command: &Self::Command) -> u32;
    /// Size of a response on the wire, in bytes.
    fn response_bytes(response: &Self::Response) -> u32;
    /// Size of a snapshot on the wire and on disk, in bytes.
    fn snapshot_bytes(snapshot: &Self::Snapshot) -> u64;
    /// A number that is equal for equal states, for convergence checks.
    fn digest(&self) -> u64;
}
