//! The network interface card of every hosted stack: what goes in is handed over by the engine, what comes out is
//! collected for it.

use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// Buffers kept to be used again.
const SPARE: usize = 256;

/// One for all stacks: at any moment at most one of them is polled.
#[derive(Debug)]
pub(crate) struct Nic {
    mtu: usize,
    incoming: Vec<u8>,
    full: bool,
    /// What the stack that was polled has emitted.
    pub outgoing: Vec<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Nic {
    pub const fn new(mtu: u32) -> Self {
        Self { mtu: mtu as usize, incoming: Vec::new(), full: false, outgoing: Vec::new(), spare: Vec::new() }
    }

    /// The next stack that is polled receives `packet`.
    pub fn put(&mut self, packet: Vec<u8>) {
        let old = core::mem::replace(&mut self.incoming, packet);
        self.recycle(old);
        self.full = true;
    }

    /// A buffer that is not needed any more.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > 0 && self.spare.len() < SPARE {
            self.spare.push(buffer);
        }
    }

    /// The same bytes once more.
    pub fn copy(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(packet);
        copy
    }
}

/// What comes in.
pub(crate) struct Rx<'a>(&'a [u8]);

/// Room for what goes out.
pub(crate) struct Tx<'a> {
    outgoing: &'a mut Vec<Vec<u8>>,
    spare: &'a mut Vec<Vec<u8>>,
}

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.resize(len, 0);
        let result = f(&mut buffer);
        self.outgoing.push(buffer);
        result
    }
}

impl Device for Nic {
    type RxToken<'a> = Rx<'a>;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx<'_>, Tx<'_>)> {
        if !core::mem::take(&mut self.full) {
            return None;
        }
        let Self { incoming, outgoing, spare, .. } = self;
        Some((Rx(incoming), Tx { outgoing, spare }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        let Self { outgoing, spare, .. } = self;
        Some(Tx { outgoing, spare })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut all = DeviceCapabilities::default();
        all.medium = Medium::Ip;
        all.max_transmission_unit = self.mtu;
        // What the network corrupts it drops at the receiver's door, as checksums do.
        all.checksum = ChecksumCapabilities::ignored();
        all
    }
}
