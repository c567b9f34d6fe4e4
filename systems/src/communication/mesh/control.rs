//! The control plane: versions of the configuration, each on its disk before anybody is told of it.

use super::bugs::MeshBug;
use super::graph::ServiceId;
use super::image::Image;
use super::message::{MeshFact, MeshMessage, MeshRecord, Version};
use super::node::{Fx, TICK};
use super::options::Config;
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{LocalInstant, NodeId, Replay, WriteId, hash};
use std::rc::Rc;

/// Configures sidecars.
#[derive(Clone, Debug)]
pub struct Control {
    /// The newest, and the one that is on the disk and may be pushed.
    version: Version,
    image: Rc<Image>,
    durable: Version,
    writing: Option<WriteId>,
    /// Releases that are in it.
    releases: u32,
    /// Who subscribes: which version it has, and when it was heard from.
    heard: SortedMap<NodeId, (Version, LocalInstant)>,
    began: LocalInstant,
}

impl Control {
    pub(super) fn boot(config: &Config, disk: Replay<'_, MeshRecord>, fx: &mut Fx<'_>) -> Self {
        let mut this = Self {
            version: Version(0),
            image: Rc::new(config.first_image()),
            durable: Version(0),
            writing: None,
            releases: 0,
            heard: SortedMap::new(),
            began: fx.now(),
        };
        for (_, record) in disk.iter() {
            if let Ok(MeshRecord::Configured { version, releases, image }) = record {
                (this.version, this.releases, this.image) = (*version, *releases, Rc::clone(image));
            }
        }
        // Also for what was found: it may only be on its way to the disk, and others may have a version behind it.
        let image = Image::clone(&this.image);
        this.change(config, image, fx);
        fx.arm(TICK, config.push_interval);
        this
    }

    /// The newest version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The newest configuration.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Sidecars that have another version than the newest.
    #[must_use]
    pub fn behind(&self) -> usize {
        self.heard.values().filter(|(version, _)| *version != self.version).count()
    }

    fn change(&mut self, config: &Config, image: Image, fx: &mut Fx<'_>) {
        let version = self.version.advance();
        let content = hash::of(&[
            hash::of(&image.weights.iter().map(|weight| u64::from(*weight)).collect::<Vec<_>>()),
            hash::of(&image.out.iter().map(|node| u64::from(node.0)).collect::<Vec<_>>()),
        ]);
        self.image = Rc::new(image);
        let image = Rc::clone(&self.image);
        let at = fx.append(MeshRecord::Configured { version, releases: self.releases, image });
        fx.sync();
        fx.note(MeshFact::Versioned { version, content });
        self.writing = Some(at);
        if config.has(MeshBug::VersionForgotten) {
            self.durable = version;
            self.push(fx);
        }
    }

    /// Everything up to `upto` is on the disk.
    pub(super) fn on_synced(&mut self, upto: WriteId, fx: &mut Fx<'_>) {
        if let Some(at) = self.writing.take_if(|at| *at <= upto) {
            fx.forget(at);
            self.durable = self.version;
            self.push(fx);
        }
    }

    /// Everybody who has not got it gets it.
    fn push(&self, fx: &mut Fx<'_>) {
        let behind = self.heard.iter().filter(|(_, (version, _))| *version < self.durable);
        for (node, _) in behind {
            fx.send(*node, MeshMessage::Push { version: self.durable, image: Rc::clone(&self.image) });
        }
    }

    /// A sidecar says that it is there.
    pub(super) fn on_subscribe(&mut self, from: NodeId, version: Version, fx: &mut Fx<'_>) {
        self.heard.insert(from, (version, fx.now()));
        if version < self.durable && self.durable == self.version {
            fx.send(from, MeshMessage::Push { version: self.durable, image: Rc::clone(&self.image) });
        }
    }

    /// Looks whether there is something to change.
    pub(super) fn on_tick(&mut self, config: &Config, fx: &mut Fx<'_>) {
        fx.arm(TICK, config.push_interval);
        let now = fx.now();
        let mut image = Image::clone(&self.image);
        let due = config.releases.iter().take_while(|(at, ..)| *at <= now).count() as u32;
        for (_, ServiceId(service), weight) in config.releases.iter().take(due as usize).skip(self.releases as usize) {
            image.weights[usize::from(*service)] = *weight;
        }
        self.releases = self.releases.max(due);
        // Who has just started has not heard from anybody yet.
        let knows = now.since(self.began) > config.forget_after || config.has(MeshBug::SilenceIsDeath);
        for node in config.replicas.clone().map(NodeId) {
            let heard = self.heard.get(&node).map(|(_, at)| *at);
            let is_silent = heard.is_none_or(|at| now.since(at) > config.forget_after);
            if !is_silent && image.out.remove(&node) {
                fx.note(MeshFact::Discovered { node, is_in: true });
            } else if is_silent && knows && image.out.insert(node) {
                fx.note(MeshFact::Discovered { node, is_in: false });
            }
        }
        if image != *self.image && self.writing.is_none() {
            self.change(config, image, fx);
        }
    }
}
