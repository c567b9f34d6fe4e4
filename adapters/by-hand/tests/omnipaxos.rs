//! A finding without splitbrain: three servers of omnipaxos on the library's own storage, messages passed by hand. It
//! is here to fail as soon as a new version of the library does better.

use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, Snapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Number(u64);

/// Every entry that the snapshot stands for.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct All(Vec<u64>);

impl Entry for Number {
    type Snapshot = All;
}

impl Snapshot<Number> for All {
    fn create(entries: &[Number]) -> Self {
        Self(entries.iter().map(|entry| entry.0).collect())
    }
    fn merge(&mut self, delta: Self) {
        self.0.extend(delta.0);
    }
    fn use_snapshots() -> bool {
        true
    }
}

type Server = OmniPaxos<Number, MemoryStorage<Number>>;

/// Passes messages on until there are none, but for those of the dead.
fn settle(servers: &mut [Server], dead: u64) {
    loop {
        let mut messages: Vec<Message<Number>> = Vec::new();
        for server in servers.iter_mut() {
            let mut out = Vec::new();
            server.take_outgoing_messages(&mut out);
            messages.extend(out.into_iter().filter(|_| server.get_pid() != dead));
        }
        messages.retain(|message| message.get_receiver() != dead);
        if messages.is_empty() {
            return;
        }
        for message in messages {
            servers[message.get_receiver() as usize - 1].handle_incoming(message);
        }
    }
}

#[test]
fn a_delta_is_merged_into_less_than_the_server_had() {
    let cluster = ClusterConfig { configuration_id: 1, nodes: vec![1, 2, 3], flexible_quorum: None };
    let server = |pid| {
        let config = ServerConfig { pid, ..Default::default() };
        cluster.clone().build_for_server(config, MemoryStorage::default()).expect("a valid configuration")
    };
    let mut servers: Vec<Server> = (1..=3).map(server).collect();
    servers[2].try_become_leader();
    settle(&mut servers, 0);
    for number in 1..=8 {
        servers[2].append(Number(number)).expect("it leads");
        // Server 1 hears nothing of the last four.
        settle(&mut servers, u64::from(number > 4));
    }
    assert_eq!(servers[0].get_decided_idx(), 4);
    // Server 3 dies and server 1 leads: the promise of server 2 brings what it lacks.
    servers[0].try_become_leader();
    settle(&mut servers, 3);
    let decided = servers[0].read_decided_suffix(0).expect("all of it");
    let [LogEntry::Snapshotted(snapshot)] = &decided[..] else { panic!("{decided:?}") };
    assert_eq!((snapshot.trimmed_idx, &snapshot.snapshot.0[..]), (8, &[5, 6, 7, 8][..]), "1 to 4 are gone");
}
