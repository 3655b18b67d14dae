//! Streams of stdio, which write in blocks wherever they do not end at a terminal: what a program holds back is not yet
//! in the file, and lost if it is killed.

use hopwise_machine::Sys;

use crate::kernel::SimKernel;

/// `st_blksize` of files and pipes.
const BLOCK: usize = 4096;

/// An output stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    fd: u32,
    held: Vec<u8>,
    /// Whether each line, or each packet, is written at once.
    unheld: bool,
}

impl Stream {
    pub(crate) fn new(fd: u32, unheld: bool) -> Stream {
        Stream { fd, held: Vec::new(), unheld }
    }

    pub(crate) fn put(&mut self, sys: &mut Sys<'_, SimKernel>, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        if self.unheld {
            self.flush(sys);
        } else if self.held.len() > BLOCK {
            let rest = self.held.split_off(self.held.len() / BLOCK * BLOCK);
            self.flush(sys);
            self.held = rest;
        }
    }

    pub(crate) fn flush(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if !self.held.is_empty() {
            // As tcpdump, which finds out about a full disk at the end only; nothing is full here.
            let _written = sys.write(self.fd, &core::mem::take(&mut self.held));
        }
    }
}
