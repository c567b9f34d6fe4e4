//! `noraft`, and `raftbare`, which it was called before: Raft without I/O and without commands. It keeps terms and
//! configurations, its user the commands at their places; messages may be lost, doubled and overtaken.
//!
//! One adapter for both versions: what breaks in one and holds in the other is the library's.

macro_rules! adapter {
    ($library:ident, $name:literal, $about:literal, |$node:ident, $message:ident| $hear:expr) => {
        use crate::command::Command;
        use crate::host::{HostedSystem, Library, Standing, Turn, Whole};
        use crate::library::library_options;
        use sim_core::{Duration, Kind, NodeId, Timer};
        use std::collections::BTreeMap;
        use std::fmt;
        use std::rc::Rc;
        use $library::{
            Action, ClusterConfig, Log, LogEntries, LogEntry, LogIndex, LogPosition, Message, Node, NodeId as Id, Role,
            Term,
        };

        const ELECTION: Timer = Timer(0);

        library_options! {}

        /// A message, the commands of its entries, and what only this adapter says.
        #[derive(Clone, Debug, Hash)]
        pub enum Wire {
            Raft(Message, Rc<[Command]>),
            Install { whole: Rc<Whole>, at: LogPosition, cluster: ClusterConfig },
        }

        const KINDS: &[&str] = &["AppendEntries", "AppendReply", "RequestVote", "Vote", "InstallSnapshot"];

        impl sim_core::Message for Wire {
            const KINDS: &'static [&'static str] = KINDS;
            fn kind(&self) -> Kind {
                let number = match self {
                    Self::Raft(Message::AppendEntriesCall { .. }, _) => 0,
                    Self::Raft(Message::AppendEntriesReply { .. }, _) => 1,
                    Self::Raft(Message::RequestVoteCall { .. }, _) => 2,
                    Self::Raft(Message::RequestVoteReply { .. }, _) => 3,
                    Self::Install { .. } => 4,
                };
                Kind::new(number, KINDS[usize::from(number)])
            }
            fn bytes(&self) -> u32 {
                48 + match self {
                    Self::Raft(_, commands) => commands.iter().map(Command::bytes).sum(),
                    Self::Install { whole, .. } => whole.image.bytes() as u32,
                }
            }
            fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                match self {
                    Self::Raft(m @ Message::AppendEntriesCall { commit_index, entries, .. }, _) => {
                        let (at, commit) = (entries.prev_position(), commit_index.get());
                        let (count, index, term) = (entries.len(), at.index.get(), at.term.get());
                        let of = m.term().get();
                        write!(out, "term {of}, {count} entries after {index} of term {term}, commit {commit}")
                    }
                    Self::Raft(m @ Message::AppendEntriesReply { last_position: at, .. }, _) => {
                        write!(
                            out,
                            "term {}, its log ends at {} of term {}",
                            m.term().get(),
                            at.index.get(),
                            at.term.get()
                        )
                    }
                    Self::Raft(m @ Message::RequestVoteCall { last_position: at, .. }, _) => {
                        write!(
                            out,
                            "term {}, its log ends at {} of term {}",
                            m.term().get(),
                            at.index.get(),
                            at.term.get()
                        )
                    }
                    Self::Raft(m @ Message::RequestVoteReply { vote_granted, .. }, _) => {
                        write!(out, "term {}, {}", m.term().get(), if *vote_granted { "granted" } else { "refused" })
                    }
                    Self::Install { at, .. } => write!(out, "up to entry {} of term {}", at.index.get(), at.term.get()),
                }
            }
        }

        /// What a step has written.
        #[derive(Clone, Debug, Hash)]
        pub struct Record {
            term: Term,
            vote: Option<Id>,
            /// The log from somewhere on, and the commands in it.
            entries: Option<(LogEntries, Rc<[Command]>)>,
            /// With this, all there is: the service, where it stands, the configuration there.
            base: Option<(Option<Rc<Whole>>, LogPosition, ClusterConfig)>,
        }

        /// A participant.
        pub struct Bare {
            config: Config,
            node: Node,
            commands: BTreeMap<u64, Command>,
            /// Those of the message under way: what the library appends of it is taken from here.
            incoming: BTreeMap<u64, Command>,
            /// Whether term or vote have changed since they were written.
            hard: (Term, Option<Id>),
        }

        /// What registers it.
        pub type BareSystem = HostedSystem<Bare>;

        fn node_of(id: Id) -> NodeId {
            NodeId(id.get() as u32)
        }

        /// The places of commands among entries.
        fn places(entries: &LogEntries) -> impl Iterator<Item = u64> {
            let of = |(at, entry): (LogPosition, LogEntry)| (entry == LogEntry::Command).then_some(at.index.get());
            entries.iter_with_positions().filter_map(of)
        }

        impl Bare {
            fn commands_of(&self, entries: &LogEntries) -> Rc<[Command]> {
                places(entries).map(|index| self.commands[&index].clone()).collect()
            }
            fn raft(&self, message: Message) -> Wire {
                let commands = match &message {
                    Message::AppendEntriesCall { entries, .. } => self.commands_of(entries),
                    _ => Rc::default(),
                };
                Wire::Raft(message, commands)
            }
            /// Entries behind `index`, and their commands.
            fn behind(&self, index: LogIndex) -> (LogEntries, Rc<[Command]>) {
                let log = self.node.log().entries();
                let mut at = log.prev_position();
                let entries: Vec<LogEntry> = log
                    .iter_with_positions()
                    .filter_map(|(place, entry)| {
                        if place.index <= index {
                            at = place;
                        }
                        (place.index > index).then_some(entry)
                    })
                    .collect();
                let entries = LogEntries::from_iter(at, entries);
                let commands = self.commands_of(&entries);
                (entries, commands)
            }
            /// Everything there is, in one record.
            fn anew(&mut self, whole: Option<Rc<Whole>>, turn: &mut Turn<'_, '_, Self>) {
                let (at, cluster) = (self.node.log().snapshot_position(), self.node.log().snapshot_config().clone());
                self.hard = (self.node.current_term(), self.node.voted_for());
                let (term, vote) = self.hard;
                turn.write_anew(Record {
                    term,
                    vote,
                    entries: Some(self.behind(at.index)),
                    base: Some((whole, at, cluster)),
                });
            }
            fn apply(&mut self, turn: &mut Turn<'_, '_, Self>) {
                while turn.applied() < self.node.commit_index().get() {
                    let index = turn.applied() + 1;
                    let of_commands =
                        self.node.log().entries().get_entry(LogIndex::new(index)) == Some(LogEntry::Command);
                    turn.decide(index, self.commands.get(&index).filter(|_| of_commands));
                }
                if !turn.takes_snapshot() {
                    return;
                }
                let index = LogIndex::new(turn.applied().saturating_sub(self.config.snapshot_keep));
                let Some((at, cluster)) = self.node.log().get_position_and_config(index) else { return };
                let cluster = cluster.clone();
                if self.node.handle_snapshot_installed(at, cluster) {
                    self.commands = self.commands.split_off(&(at.index.get() + 1));
                    self.anew(Some(turn.whole()), turn);
                }
            }
        }

        impl Library for Bare {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const CONNECTS: bool = false;
            const SYNCHRONOUS: bool = true;
            type Options = Options;
            type Wire = Wire;
            type Record = Record;

            fn open(config: &Config, me: NodeId, disk: &[&Record], turn: &mut Turn<'_, '_, Self>) -> Self {
                let mut cluster = ClusterConfig::new();
                cluster.voters = (0..u64::from(config.nodes)).map(Id::new).collect();
                let mut log = (LogPosition::ZERO, cluster, Vec::<(LogPosition, LogEntry)>::new());
                let (mut hard, mut commands) = ((Term::ZERO, None), BTreeMap::new());
                for Record { term, vote, entries, base } in disk {
                    hard = (*term, *vote);
                    if let Some((whole, at, cluster)) = base {
                        whole.iter().for_each(|whole| turn.restore(whole));
                        log = (*at, cluster.clone(), Vec::new());
                        commands.clear();
                    }
                    if let Some((entries, of_them)) = entries {
                        let first = entries.prev_position().index.get() + 1;
                        log.2.retain(|(at, _)| at.index.get() < first);
                        log.2.extend(entries.iter_with_positions());
                        commands.retain(|index, _| *index < first);
                        commands.extend(places(entries).zip(of_them.iter().cloned()));
                    }
                }
                let entries = LogEntries::from_iter(log.0, log.2.into_iter().map(|(_, entry)| entry));
                let node = Node::restart(Id::new(u64::from(me.0)), hard.0, hard.1, Log::new(log.1, entries));
                Self { config: config.clone(), node, commands, incoming: BTreeMap::new(), hard }
            }

            fn hear(&mut self, _: NodeId, wire: Wire, turn: &mut Turn<'_, '_, Self>) {
                self.incoming.clear();
                match wire {
                    Wire::Raft($message, commands) => {
                        if let Message::AppendEntriesCall { entries, .. } = &$message {
                            self.incoming = places(entries).zip(commands.iter().cloned()).collect();
                        }
                        let $node = &mut self.node;
                        $hear;
                    }
                    Wire::Install { whole, at, cluster } => {
                        // An old one comes late, or twice.
                        if whole.index > turn.applied() && self.node.handle_snapshot_installed(at, cluster) {
                            self.commands = self.commands.split_off(&(at.index.get() + 1));
                            self.anew(Some(whole.clone()), turn);
                            turn.install(&whole);
                        }
                    }
                }
            }
            fn timer(&mut self, _: Timer, _: &mut Turn<'_, '_, Self>) {
                self.node.handle_election_timeout();
            }
            fn propose(&mut self, command: Command) -> bool {
                let at = self.node.propose_command();
                if at != LogPosition::INVALID {
                    self.commands.insert(at.index.get(), command);
                }
                at != LogPosition::INVALID
            }

            fn settle(&mut self, turn: &mut Turn<'_, '_, Self>) {
                let (mut entries, mut messages) = (None, Vec::new());
                let peers: Vec<NodeId> = self.node.peers().map(node_of).collect();
                while let Some(action) = self.node.actions_mut().next() {
                    match action {
                        Action::SetElectionTimeout => {
                            let ((lo, hi), beat) = (self.config.election, self.config.heartbeat as u64);
                            let waits = turn.fx.rng().between(lo as u64, hi as u64);
                            let ticks = if self.node.role() == Role::Leader { beat } else { waits };
                            turn.fx.arm(ELECTION, Duration(self.config.tick.0 * ticks));
                        }
                        Action::SaveCurrentTerm | Action::SaveVotedFor => {}
                        Action::AppendLogEntries(appended) => {
                            let came = places(&appended).filter_map(|index| self.incoming.remove_entry(&index));
                            self.commands.extend(came);
                            let commands = self.commands_of(&appended);
                            entries = Some((appended, commands));
                        }
                        Action::BroadcastMessage(message) => {
                            let wire = self.raft(message);
                            messages.extend(peers.iter().map(|to| (*to, wire.clone())));
                        }
                        Action::SendMessage(to, message) => messages.push((node_of(to), self.raft(message))),
                        Action::InstallSnapshot(to) => {
                            let index = LogIndex::new(turn.applied());
                            if let Some((at, cluster)) = self.node.log().get_position_and_config(index) {
                                let (whole, cluster) = (turn.whole(), cluster.clone());
                                messages.push((node_of(to), Wire::Install { whole, at, cluster }));
                            }
                        }
                    }
                }
                let now = (self.node.current_term(), self.node.voted_for());
                if now != self.hard || entries.is_some() {
                    self.hard = now;
                    turn.write(Record { term: now.0, vote: now.1, entries, base: None });
                }
                for (to, message) in messages {
                    turn.send(to, message);
                }
                self.apply(turn);
            }

            fn standing(&self) -> Standing {
                let role = match self.node.role() {
                    Role::Leader => "leader",
                    Role::Candidate => "candidate",
                    Role::Follower => "follower",
                };
                let vote = self.node.voted_for().filter(|id| *id != self.node.id());
                Standing { role, term: self.node.current_term().get(), leader: vote.map(node_of) }
            }
        }
    };
}

/// The newest version.
pub mod newest {
    adapter!(noraft, "noraft", "a key-value store on noraft 0.7.1, unchanged, from crates.io", |node, message| {
        // A snapshot that does not fit the leader's log: the library gives up, and so does whoever trusts it.
        node.handle_message(&message).expect("the leader's log fits this node's snapshot")
    });
}

/// The last one under its old name.
pub mod raftbare {
    adapter!(
        raftbare,
        "raftbare",
        "a key-value store on raftbare 0.2.2, unchanged, from crates.io",
        |node, message| node.handle_message(message)
    );
}
