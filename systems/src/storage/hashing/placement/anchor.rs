//! AnchorHash: a fixed set of buckets, of which some are in use; a key whose bucket is not wanders on among those that
//! were left when it went (Mendelson et al. 2020, algorithm 3).

use super::{Member, Members, Placement, Refused};
use crate::storage::hashing::key;
use sim_core::NodeId;

/// The arrays of the paper, by its names.
#[derive(Clone, Debug)]
pub struct Anchor {
    members: Members,
    /// Of a removed bucket, how many were left behind it; 0 for one in use.
    a: Vec<u32>,
    /// Who took the place of a removed bucket.
    k: Vec<u32>,
    /// The buckets in use, by place.
    w: Vec<u32>,
    /// The place of each bucket in `w`.
    l: Vec<u32>,
    /// Removed buckets, the newest last: it is the first to come back.
    r: Vec<u32>,
    /// Who has which bucket.
    nodes: Vec<NodeId>,
}

impl Anchor {
    /// Room for `capacity` buckets, of which the members take the first.
    ///
    /// # Panics
    /// If there are more members than that.
    #[must_use]
    pub fn new(members: Members, capacity: u32) -> Self {
        assert!(members.len() <= capacity as usize, "{} members, room for {capacity}", members.len());
        let identity = || (0..capacity).collect::<Vec<u32>>();
        let mut nodes: Vec<NodeId> = members.iter().map(|member| member.node).collect();
        let working = nodes.len() as u32;
        nodes.resize(capacity as usize, NodeId(u32::MAX));
        let mut a = vec![0; capacity as usize];
        for bucket in working..capacity {
            a[bucket as usize] = bucket;
        }
        Self { members, a, k: identity(), w: identity(), l: identity(), r: (working..capacity).rev().collect(), nodes }
    }

    /// The bucket of a key.
    #[inline]
    fn bucket(&self, key: u64) -> u32 {
        let mut bucket = key::below(key, self.a.len() as u64) as u32;
        while self.a[bucket as usize] > 0 {
            let left = self.a[bucket as usize];
            let mut next = key::below(key::again(key, u64::from(bucket) + 1), u64::from(left)) as u32;
            while self.a[next as usize] >= left {
                next = self.k[next as usize];
            }
            bucket = next;
        }
        bucket
    }
}

impl Placement for Anchor {
    #[inline]
    fn owner(&self, key: u64) -> NodeId {
        self.nodes[self.bucket(key) as usize]
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn join(&mut self, member: Member) -> Result<(), Refused> {
        if self.r.is_empty() {
            return Err(Refused::Full(self.a.len()));
        }
        let n = self.members.len();
        self.members.add(member)?;
        let bucket = self.r.pop().expect("looked at");
        let b = bucket as usize;
        self.a[b] = 0;
        self.l[self.w[n] as usize] = n as u32;
        self.w[self.l[b] as usize] = bucket;
        self.k[b] = bucket;
        self.nodes[b] = member.node;
        Ok(())
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Refused> {
        self.members.remove(node)?;
        let n = self.members.len();
        let in_use = self.nodes.iter().enumerate().position(|(b, of)| *of == node && self.a[b] == 0);
        let b = in_use.expect("members have buckets");
        self.r.push(b as u32);
        self.a[b] = n as u32;
        let last = self.w[n];
        self.w[self.l[b] as usize] = last;
        self.k[b] = last;
        self.l[last as usize] = self.l[b];
        Ok(())
    }

    fn bytes(&self) -> usize {
        let arrays = [&self.a, &self.k, &self.w, &self.l, &self.r];
        let nodes = self.nodes.capacity() * size_of::<NodeId>();
        self.members.bytes() + nodes + arrays.iter().map(|array| array.capacity() * size_of::<u32>()).sum::<usize>()
    }
}
