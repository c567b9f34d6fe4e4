//! What machines tell each other, write to their disks and announce.

use super::api::{Answer, Command, Obj, Store, Verb};
use super::objects::Uid;
use super::office::Office;
use crate::consensus::raft::{self, Raft, RaftFact, RaftMessage};
use crate::shared::replication::{Landmark, Minute};
use core::fmt;
use sim_core::NodeId;
use std::rc::Rc;

/// An object has changed.
#[derive(Clone, Debug, Hash)]
pub struct Event {
    /// As it is now, or was.
    pub object: Obj,
    /// Whether it is gone.
    pub gone: bool,
}

impl Event {
    /// The revision of the change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.object.meta().version
    }
}

/// What became of a request that a pod was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Served {
    /// It was served.
    Well,
    /// The pod took it and can not serve yet.
    Badly,
    /// Nobody listens there.
    Refused,
}

fn bytes_of(objects: &[Obj]) -> u32 {
    objects.iter().map(Obj::bytes).sum()
}

fn bytes_of_events(events: &[Event]) -> u32 {
    events.iter().map(|event| event.object.bytes()).sum()
}

fn describe_events(events: &[Event], out: &mut dyn fmt::Write) -> fmt::Result {
    for (i, Event { object, gone }) in events.iter().enumerate().take(3) {
        let (comma, gone) = (if i > 0 { "; " } else { "" }, if *gone { ", gone" } else { "" });
        write!(out, "{comma}{object}{gone}")?;
    }
    if events.len() > 3 { write!(out, "; {} more", events.len() - 3) } else { Ok(()) }
}

sim_core::messages! {
    /// Between machines.
    pub enum KubeMessage of 100 bytes {
        /// Of the store's group.
        Group(inner: RaftMessage<Store>) = "" of [raft::MESSAGE_KINDS]
            whole { inner.bytes() } (|out| inner.describe(out)),
        /// An API server asks the leader of the store for something.
        Put {
            /// Its number for it.
            number: u64,
            /// What.
            command: Command,
        } = "Put" bytes { 300 } (|out| match command {
            Command::Change(verb) => write!(out, "{verb}"),
            Command::Current => out.write_str("the newest revision?"),
        }),
        /// What came of it.
        Stored {
            /// The number.
            number: u64,
            /// That.
            answer: Answer,
        } = "Stored" ("{answer}"),
        /// The sender does not lead the store.
        NotLeader {
            /// The number.
            number: u64,
        } = "NotLeader" (""),
        /// A component makes a call.
        Call {
            /// Its number for it.
            number: u64,
            /// What.
            verb: Verb,
        } = "Call" bytes { verb.bytes() } ("{verb}"),
        /// The answer.
        Reply {
            /// The number.
            number: u64,
            /// That.
            answer: Answer,
        } = "Reply" ("{answer}"),
        /// A machine wants to hear of changes.
        Watch {
            /// Its number for that.
            stream: u64,
            /// From this revision on, or a list first.
            since: Option<u64>,
        } = "Watch" ("since {since:?}"),
        /// All that concerns it.
        Listed {
            /// The stream.
            stream: u64,
            /// As of this revision.
            version: u64,
            /// All of it.
            objects: Rc<[Obj]>,
        } = "Listed" bytes { bytes_of(objects) } ("{} objects as of {version}", objects.len()),
        /// What has changed.
        Events {
            /// The stream.
            stream: u64,
            /// Up to this revision.
            upto: u64,
            /// That.
            events: Rc<[Event]>,
        } = "Events" bytes { bytes_of_events(events) } (|out| describe_events(events, out)),
        /// Nothing has changed up to a revision that was not said.
        Bookmark {
            /// The stream.
            stream: u64,
            /// That.
            upto: u64,
        } = "Bookmark" ("{upto}"),
        /// Nobody remembers what has changed since.
        TooOld {
            /// The stream.
            stream: u64,
        } = "TooOld" (""),
        /// The receiver does not watch here, or no longer.
        NotWatched {
            /// The stream.
            stream: u64,
        } = "NotWatched" (""),
        /// Is anybody there?
        Ping {
            /// The stream.
            stream: u64,
        } = "Ping" (""),
        /// A request for a pod.
        Request {
            /// The sender's number for it.
            number: u64,
            /// The pod.
            pod: Uid,
        } = "Request" ("pod {}", pod.0),
        /// What came of it.
        Response {
            /// The number.
            number: u64,
            /// That.
            served: Served,
        } = "Response" ("{served:?}"),
        /// How much do the pods use?
        Usage = "Usage" (""),
        /// They use so much, each in thousandths of a core.
        Uses {
            /// Those.
            pods: Rc<[(Uid, u32)]>,
        } = "Uses" bytes { 40 * pods.len() as u32 } ("{} pods", pods.len()),
        /// The kubelet shall be started anew; containers run on.
        RestartKubelet = "RestartKubelet" (""),
    }
}

sim_core::records! {
    /// One append to a disk.
    pub enum KubeRecord {
        /// Of the store's group.
        Group(inner: raft::Record<Store>) = ("{inner:?}"),
        /// A container of a pod was started for the so-many-th time.
        Started {
            /// The pod.
            pod: Uid,
            /// How often it was before.
            restarts: u32,
        } = ("pod {}, {restarts} restarts", pod.0),
        /// Nothing is left of a pod.
        Cleaned {
            /// The pod.
            pod: Uid,
        } = ("pod {}", pod.0),
    }
}

/// What a member of the store announces: the rise of a leader, a disk that can not be read, or what nobody looks for.
fn sort(minute: Minute<RaftFact>) -> usize {
    match minute.landmark::<Raft<Store>>() {
        Some(Landmark::Elected(_)) => 0,
        Some(Landmark::Unreadable { .. }) => 1,
        None => 2,
    }
}

sim_core::facts! {
    /// What machines announce.
    pub enum KubeFact {
        /// Of the store's group.
        Group(inner: Minute<RaftFact>) = "elected" | "unreadable" | "group" [sort(inner)]
            landmark { sort(inner) < 2 } (|out| inner.describe(out)),
        /// A component begins to act.
        Leads {
            /// Which.
            office: Office,
        } = "leads" landmark ("{office}"),
        /// It stops.
        StepsDown {
            /// Which.
            office: Office,
        } = "steps_down" landmark ("{office}"),
        /// A node has not been heard from for too long.
        NodeLost {
            /// Which.
            node: NodeId,
        } = "node_lost" landmark ("{node}"),
        /// It is heard from again.
        NodeBack {
            /// Which.
            node: NodeId,
        } = "node_back" landmark ("{node}"),
        /// The pods of a node are to go, those that do not tolerate it.
        Evicts {
            /// Which.
            node: NodeId,
        } = "evicts" landmark ("{node}"),
        /// A pod is deleted because of the taints of its node.
        TaintDeletes {
            /// The pod.
            pod: Uid,
            /// Its node.
            node: NodeId,
        } = "taint_deletes" landmark ("pod {} on {node}", pod.0),
        /// The scheduler has found a node for a pod.
        Placed {
            /// The pod.
            pod: Uid,
            /// The node.
            node: NodeId,
        } = "placed" ("pod {} on {node}", pod.0),
        /// It has found none.
        Unschedulable {
            /// The pod.
            pod: Uid,
        } = "unschedulable" ("pod {}", pod.0),
        /// A pod has to make room for a more important one.
        Preempts {
            /// The pod.
            pod: Uid,
        } = "preempts" ("pod {}", pod.0),
        /// A container runs.
        Runs {
            /// Its pod.
            pod: Uid,
            /// How often it was started before.
            restarts: u32,
        } = "runs" ("pod {}, {restarts} restarts", pod.0),
        /// It does not any more.
        Stops {
            /// Its pod.
            pod: Uid,
        } = "stops" ("pod {}", pod.0),
        /// A kubelet takes a pod for ready no longer.
        Unready {
            /// The pod.
            pod: Uid,
        } = "unready" ("pod {}", pod.0),
        /// A node does not take a pod: it has no room.
        Rejects {
            /// The pod.
            pod: Uid,
        } = "rejects" landmark ("pod {}", pod.0),
        /// An autoscaler changes a number.
        Scales {
            /// From so many.
            from: i32,
            /// To so many.
            to: i32,
            /// What is used of what is aimed at, in thousandths.
            ratio: u32,
            /// The fewest that there may be.
            least: i32,
        } = "scales" landmark ("{from} -> {to}, {}.{:03} of the target", ratio / 1000, ratio % 1000),
        /// A budget does not let a pod go.
        Held {
            /// The pod.
            pod: Uid,
        } = "held" ("pod {}", pod.0),
        /// Kubelet alone is started anew.
        KubeletRestarts = "kubelet_restarts" landmark (""),
    }
}

/// What a caller asks of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum KubeRequest {
    /// Something that changes nothing.
    Get {
        /// Which of the services, counted round.
        service: u64,
    },
    /// Something that may.
    Post {
        /// Which of the services, counted round.
        service: u64,
    },
}

impl KubeRequest {
    /// Which of the services, counted round.
    #[must_use]
    pub const fn service(self) -> u64 {
        match self {
            Self::Get { service } | Self::Post { service } => service,
        }
    }
}

/// What it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum KubeResponse {
    /// A pod has served it.
    Served {
        /// Which.
        pod: u64,
        /// Where.
        node: NodeId,
    },
}
