//! What nodes tell each other, write to their disks and announce.

use super::database::{Answer, Command, Database, Health, Index, Key, Session};
use crate::consensus::raft::{self, RaftFact, RaftMessage};
use crate::shared::fenced::Write;
use crate::shared::replication::{Landmark, Minute};
use crate::shared::swim::{self, Incarnation, Lamport, State, Status, SwimMessage};
use sim_core::NodeId;

sim_core::choices! {
    /// How new what is read must be.
    pub enum Consistency {
        /// The leader's own state, as long as it believes that it leads.
        #[default]
        Default,
        /// The leader's state, once a quorum has confirmed that it leads.
        Consistent,
        /// Any server's state.
        Stale,
    }
}

/// What a blocking query is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// A key.
    Key(Key),
    /// Where a service runs and passes its check.
    Service(u64),
}

/// What an agent asks a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Something that changes the database.
    Change(Command),
    /// What a key holds.
    Read(Key, Consistency),
    /// A session shall last.
    Renew(Session),
    /// What this is once its index is larger, or at once if it is 0.
    Watch(Watched, Index, Consistency),
    /// All services of the agent: whatever else the catalog holds of it is wrong.
    Sync(Vec<(u64, Health)>),
}

impl Ask {
    /// Whether asking it again is asking once.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        !matches!(self, Self::Change(Command::Set { .. } | Command::Cas { .. }))
    }

    /// Who may answer it.
    #[must_use]
    pub const fn consistency(&self) -> Consistency {
        match self {
            Self::Read(_, consistency) | Self::Watch(_, _, consistency) => *consistency,
            Self::Change(_) | Self::Renew(_) | Self::Sync(_) => Consistency::Default,
        }
    }
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// What the database said.
    Answer(Answer),
    /// A key's row.
    Row {
        /// What it holds.
        value: u64,
        /// The index of that.
        index: Index,
        /// Who holds its lock.
        session: Option<Session>,
        /// Whether it is there.
        found: bool,
    },
    /// Where a service runs and passes its check.
    Instances {
        /// There.
        nodes: Vec<NodeId>,
        /// The index of that.
        index: Index,
    },
    /// The session lasts, or is over.
    Renewed(bool),
    /// The catalog is as the agent said: so many differences were repaired.
    Synced(u32),
    /// The lock is closed for a while, because the session of its holder has ended.
    Delayed,
    /// The query waits.
    Waiting,
    /// Nobody leads: it was not done.
    NoLeader,
}

sim_core::messages! {
    /// Between members of the pool.
    pub enum ConsulMessage of 40 bytes {
        /// Of the pool.
        Pool(inner: SwimMessage) = "" of [swim::MESSAGE_KINDS] whole { inner.bytes() } (|out| inner.describe(out)),
        /// An operator tells a member to leave.
        Go = "Go" (""),
        /// An operator tells that a service of the member fails, or does not any more.
        Sicken {
            /// Whether it fails.
            sick: bool,
        } = "Sicken" ("{sick}"),
        /// Of the servers' group.
        Group(inner: RaftMessage<Database>) = "" of [raft::MESSAGE_KINDS] whole { inner.bytes() }
            (|out| inner.describe(out)),
        /// An agent asks a server.
        Rpc {
            /// The agent's number for it.
            number: u64,
            /// What.
            ask: Ask,
        } = "Rpc" bytes { 40 } ("{number}: {ask:?}"),
        /// A server passes on to the leader what an agent has asked it.
        Forward {
            /// Which agent.
            agent: NodeId,
            /// Its number for it.
            number: u64,
            /// What.
            ask: Ask,
        } = "Forward" bytes { 48 } ("{number} of {agent}: {ask:?}"),
        /// The answer.
        Reply {
            /// The agent's number.
            number: u64,
            /// What it is told.
            told: Told,
            /// How many commands the server had carried out.
            as_of: u64,
        } = "Reply" bytes { 48 } ("{number}: {told:?}"),
        /// A call of a service.
        Call {
            /// The caller's number for it.
            number: u64,
            /// Which.
            service: u64,
        } = "Call" ("{number}, service {service}"),
        /// The service has answered, or failed.
        Called {
            /// The caller's number.
            number: u64,
            /// Whether it failed.
            failed: bool,
        } = "Called" ("{number}, failed {failed}"),
        /// An application writes to a store under a lock.
        Write(write: Write) = "Write" ("{write}"),
        /// Whether it was taken.
        Wrote {
            /// The application's number for it.
            number: u64,
            /// Whether.
            accepted: bool,
        } = "Wrote" ("{number}: {accepted}"),
    }
}

sim_core::records! {
    /// One append to a disk.
    pub enum ConsulRecord {
        /// It has run before.
        Began = ("it has run"),
        /// Serf's snapshot: a member is there, or not any more.
        There {
            /// Which.
            node: NodeId,
            /// Whether.
            there: bool,
        } = ("{node}: {there}"),
        /// Of the servers' group.
        Group(inner: raft::Record<Database>) = (|out| inner.describe(out)),
        /// A store has taken this.
        Wrote(write: Write) = ("{write}"),
    }
}

/// What a server announces of its group: the rise of a leader, a disk that can not be read, or what nobody looks for.
fn sort(minute: Minute<RaftFact>) -> usize {
    match minute.landmark::<super::server::Member>() {
        Some(Landmark::Elected(_)) => 0,
        Some(Landmark::Unreadable { .. }) => 1,
        None => 2,
    }
}

/// Which kind of fact a belief is.
const fn state(state: State) -> usize {
    state as usize
}

/// Which kind a status is.
const fn status(status: Option<Status>) -> usize {
    match status {
        Some(status) => status as usize,
        None => 4,
    }
}

sim_core::facts! {
    /// What nodes announce.
    pub enum ConsulFact {
        /// A member begins to probe another.
        Probes {
            /// Which.
            about: NodeId,
        } = "probes" ("{about}"),
        /// It holds a member for something else, or for the same in a newer incarnation.
        Believes {
            /// Which.
            about: NodeId,
            /// What for.
            what: State,
            /// In which incarnation.
            incarnation: Incarnation,
            /// By whose word.
            by: NodeId,
        } = "holds_for_alive" | "suspects" | "holds_for_dead" | "holds_for_left" [state(what)]
            ("{about} ({incarnation}), by the word of {by}"),
        /// Its own probe of a member has failed.
        Accuses {
            /// Which.
            about: NodeId,
            /// How long it has waited, in nanoseconds.
            waited: u64,
            /// How many of those that it asked were not heard from either.
            silent: u32,
        } = "accuses" landmark ("{about} after {}ms, {silent} helpers silent", waited / 1_000_000),
        /// It has forgotten a member that has been gone for long.
        Forgets {
            /// Which.
            about: NodeId,
        } = "forgets" ("{about}"),
        /// It objects to what is said of it.
        Objects {
            /// In this incarnation.
            incarnation: Incarnation,
        } = "objects" landmark ("incarnation {incarnation}"),
        /// For Serf, a member is something else.
        Is {
            /// Which.
            about: NodeId,
            /// What; nothing any more, if it is forgotten.
            what: Option<Status>,
        } = "member_alive" | "member_leaving" | "member_left" | "member_failed" | "member_reaped" [status(what)]
            ("{about}"),
        /// Serf's agent has told applications so.
        Told {
            /// Of which member.
            about: NodeId,
            /// What.
            what: Option<Status>,
        } = "told_alive" | "told_leaving" | "told_left" | "told_failed" | "told_reaped" [status(what)]
            landmark { what == Some(Status::Failed) } ("{about}"),
        /// It was let in.
        Joined = "joined" landmark (""),
        /// It has left.
        HasLeft = "left" landmark (""),
        /// It has heard of an event.
        Event {
            /// When it was said.
            at: Lamport,
            /// What.
            what: u64,
        } = "event" ("{what} at {at}"),
        /// A server announces something of its group.
        Group(inner: Minute<RaftFact>) = "elected" | "unreadable" | "group" [sort(inner)]
            landmark { sort(inner) < 2 } (|out| inner.describe(out)),
        /// A new leader has applied all that was before it: it tends sessions and the catalog from now on.
        Leads {
            /// Since which term.
            term: u64,
        } = "leads" landmark ("term {term}"),
        /// It does not any more.
        SteppedDown {
            /// Of which term.
            term: u64,
        } = "stepped_down" landmark ("term {term}"),
        /// A server has carried out a command.
        Decided {
            /// How many were before it, and itself.
            number: u64,
            /// What.
            command: Command,
            /// What it came to.
            answer: Answer,
        } = "decided" ("{number}: {command:?}: {answer:?}"),
        /// A server begins with a whole state, of so many commands.
        Restored {
            /// So many.
            carried: u64,
        } = "restored" ("{carried} commands"),
        /// The leader lets somebody try to take a lock.
        Admits {
            /// Which.
            key: Key,
        } = "admits" ("{key}"),
        /// The leader says that a session lasts.
        Lasts {
            /// Which.
            session: Session,
        } = "lasts" ("{:x}", session.0),
        /// The leader's clock of a session has run out.
        Expires {
            /// Which.
            session: Session,
        } = "session_expires" landmark ("{:x}", session.0),
        /// An application has begun a session.
        Opened {
            /// Which.
            session: Session,
        } = "session_opened" landmark ("{:x}", session.0),
        /// It asks that the session lasts.
        Renews {
            /// Which.
            session: Session,
        } = "renews" ("{:x}", session.0),
        /// It does not need the session any more.
        Closed {
            /// Which.
            session: Session,
        } = "session_closed" landmark ("{:x}", session.0),
        /// It has heard that the session is over.
        Lost {
            /// Which.
            session: Session,
        } = "session_lost" landmark ("{:x}", session.0),
        /// An application believes that it holds a lock from now on.
        Holds {
            /// Which.
            lock: u64,
            /// In which session.
            session: Session,
            /// Its sequencer's number.
            lock_index: u64,
        } = "lock_held" ("lock {lock}, index {lock_index}"),
        /// It does not any more.
        LetsGo {
            /// Which.
            lock: u64,
        } = "lock_let_go" ("lock {lock}"),
        /// A store was written to under a lock.
        Written {
            /// What.
            write: Write,
            /// Whether it was taken.
            accepted: bool,
        } = "store_accepted" | "store_refused" [usize::from(!accepted)] ("{write}"),
        /// A follower of the catalog knows where a service runs, as of an index.
        Follows {
            /// Which service.
            service: u64,
            /// As of when.
            index: Index,
            /// How many instances pass.
            passing: u32,
            /// How many commands the server had carried out.
            as_of: u64,
        } = "follows" ("service {service}: {passing} at {index}"),
        /// The check of a service says something else.
        Checked {
            /// Which.
            service: u64,
            /// Whether it passes.
            passing: bool,
        } = "check_passing" | "check_critical" [usize::from(!passing)] landmark ("service {service}"),
        /// A service that was critical for long is registered no longer.
        Deregistered {
            /// Which.
            service: u64,
        } = "service_deregistered" landmark ("service {service}"),
        /// An agent's whole state was compared with the catalog.
        Synced {
            /// So many differences were repaired.
            repaired: u32,
        } = "synced" | "repaired" [usize::from(repaired > 0)] ("{repaired} differences"),
        /// A call of a service has ended.
        Called {
            /// Where it runs.
            at: NodeId,
            /// Whether it failed.
            failed: bool,
        } = "call_served" | "call_failed" [usize::from(failed)] ("{at}"),
        /// The leader removes a server that has failed from the group.
        CleansUp {
            /// Which.
            server: NodeId,
        } = "cleans_up" landmark ("{server}"),
    }
}

/// What an application asks the agent of its machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsulRequest {
    /// How many members there are.
    Members,
    /// Everybody shall know this.
    Event {
        /// What.
        what: u64,
    },
    /// The agent shall read its configuration anew.
    Reload,
    /// What a key holds.
    Get {
        /// The key.
        key: u64,
        /// How new it must be.
        consistency: Consistency,
    },
    /// A key shall hold this.
    Set {
        /// The key.
        key: u64,
        /// The value.
        value: u64,
    },
    /// A key shall hold this, unless somebody else has changed it since it was read.
    Cas {
        /// The key.
        key: u64,
        /// The value.
        value: u64,
    },
    /// Take a lock, hold it for a while, let it go.
    Lock {
        /// Which.
        lock: u64,
    },
    /// Call a service, wherever it runs.
    Call {
        /// Which.
        service: u64,
    },
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsulResponse {
    /// So many are alive.
    Alive {
        /// How many.
        members: u32,
    },
    /// It is said, or done.
    Done,
    /// The value.
    Value {
        /// That.
        value: u64,
        /// How many commands the server had carried out.
        as_of: u64,
    },
    /// Written.
    Written {
        /// How many commands the server had carried out.
        as_of: u64,
    },
    /// Somebody else has changed the key meanwhile.
    Changed,
    /// The lock was held, and let go.
    Held {
        /// Its sequencer's number.
        lock_index: u64,
    },
    /// The service has answered.
    Served {
        /// Where it ran.
        at: NodeId,
    },
}
