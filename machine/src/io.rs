//! Open descriptions and pipes: what file descriptors refer to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hopwise_sim_core::Time;

use crate::files::{Device, Ino};
use crate::machine::Machine;
use crate::{Errno, Kernel, work};

/// What a pipe holds before its writer waits (Linux: 16 pages).
const PIPE_CAPACITY: usize = 65_536;
/// How much output of one command is kept. More than that is nobody's lab output but a runaway loop's.
const OUTPUT_MAX: usize = 16 << 20;

/// Number of an open description (`struct file`).
pub(crate) type DescId = u32;

/// What an open description refers to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    File {
        ino: Ino,
        offset: usize,
        read: bool,
        write: bool,
        append: bool,
    },
    PipeRead(u32),
    PipeWrite(u32),
    /// The collected output of a command.
    Output(u32),
    Device(Device),
    /// A made-up file, read at the time of opening.
    KernelRead {
        data: Arc<Vec<u8>>,
        offset: usize,
    },
    /// A made-up file open for writing: each write goes to the kernel at once.
    KernelWrite(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) target: Target,
    refs: u32,
}

#[derive(Clone, Default, Debug)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    readers: u32,
    writers: u32,
    /// Processes to step again when something changes.
    waiting: Vec<u32>,
}

/// What a read gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// At least one byte.
    Data(Vec<u8>),
    /// The end.
    Eof,
    /// Nothing yet: block on the descriptor.
    WouldBlock,
}

#[derive(Clone, Default, Debug)]
pub(crate) struct Descriptions {
    table: BTreeMap<DescId, Description>,
    next: DescId,
    pipes: BTreeMap<u32, Pipe>,
    next_pipe: u32,
}

impl<K: Kernel> Machine<K> {
    /// A new description with one reference.
    pub(crate) fn add_desc(&mut self, target: Target) -> DescId {
        match &target {
            Target::File { ino, .. } => self.files.opened(*ino),
            Target::PipeRead(pipe) => self.pipe_mut(*pipe, |p| p.readers += 1),
            Target::PipeWrite(pipe) => self.pipe_mut(*pipe, |p| p.writers += 1),
            _ => {}
        }
        let id = self.descs.next;
        self.descs.next += 1;
        self.descs.table.insert(id, Description { target, refs: 1 });
        id
    }

    /// One more reference.
    pub(crate) fn hold_desc(&mut self, id: DescId) -> DescId {
        if let Some(desc) = self.descs.table.get_mut(&id) {
            desc.refs += 1;
        }
        id
    }

    /// One reference less; the last one closes.
    pub(crate) fn drop_desc(&mut self, id: DescId) {
        let Some(desc) = self.descs.table.get_mut(&id) else { return };
        desc.refs -= 1;
        if desc.refs > 0 {
            return;
        }
        let Some(desc) = self.descs.table.remove(&id) else { return };
        match desc.target {
            Target::File { ino, .. } => self.files.closed(ino),
            Target::PipeRead(pipe) => self.pipe_changed(pipe, |p| p.readers -= 1),
            Target::PipeWrite(pipe) => self.pipe_changed(pipe, |p| p.writers -= 1),
            _ => {}
        }
    }

    pub(crate) fn target(&self, id: DescId) -> Option<&Target> {
        self.descs.table.get(&id).map(|d| &d.target)
    }

    /// A pipe's two ends: (read, write).
    pub(crate) fn add_pipe(&mut self) -> (DescId, DescId) {
        let id = self.descs.next_pipe;
        self.descs.next_pipe += 1;
        self.descs.pipes.insert(id, Pipe::default());
        (self.add_desc(Target::PipeRead(id)), self.add_desc(Target::PipeWrite(id)))
    }

    fn pipe_mut(&mut self, id: u32, change: impl FnOnce(&mut Pipe)) {
        if let Some(pipe) = self.descs.pipes.get_mut(&id) {
            change(pipe);
        }
    }

    /// Changes a pipe and wakes all who wait for it.
    fn pipe_changed(&mut self, id: u32, change: impl FnOnce(&mut Pipe)) {
        let Some(pipe) = self.descs.pipes.get_mut(&id) else { return };
        change(pipe);
        let waiting = std::mem::take(&mut pipe.waiting);
        if pipe.readers == 0 && pipe.writers == 0 {
            self.descs.pipes.remove(&id);
        }
        for pid in waiting {
            self.make_ready(pid);
        }
    }

    /// Notes that a process is to be stepped when the state of this description changes.
    pub(crate) fn wait_for_desc(&mut self, id: DescId, pid: u32) {
        if let Some(Target::PipeRead(pipe) | Target::PipeWrite(pipe)) = self.target(id) {
            self.pipe_mut(*pipe, |p| {
                if !p.waiting.contains(&pid) {
                    p.waiting.push(pid);
                }
            });
        }
    }

    /// Whether a read would give something (also an end or an error) at once.
    pub(crate) fn is_readable(&self, id: DescId) -> bool {
        match self.target(id) {
            Some(Target::PipeRead(pipe)) => {
                self.descs.pipes.get(pipe).is_none_or(|p| !p.bytes.is_empty() || p.writers == 0)
            }
            _ => true,
        }
    }

    /// Reads up to `max` bytes.
    pub(crate) fn read_desc(&mut self, id: DescId, max: usize) -> Result<Read, Errno> {
        let read = self.read_target(id, max)?;
        if let Read::Data(data) = &read {
            self.work.spend(1 + (data.len() / work::BYTES) as u64);
        }
        Ok(read)
    }

    fn read_target(&mut self, id: DescId, max: usize) -> Result<Read, Errno> {
        let Some(desc) = self.descs.table.get_mut(&id) else { return Err(Errno::EBADF) };
        let max = max.max(1);
        match &mut desc.target {
            Target::File { read: false, .. } | Target::PipeWrite(_) | Target::Output(_) | Target::KernelWrite(_) => {
                Err(Errno::EBADF)
            }
            Target::File { ino, offset, .. } => {
                let data = self.files.content(*ino)?;
                Ok(slice_from(&data, offset, max))
            }
            Target::KernelRead { data, offset } => Ok(slice_from(&data.clone(), offset, max)),
            Target::Device(Device::Zero | Device::Full) => Ok(Read::Data(vec![0; max.min(PIPE_CAPACITY)])),
            Target::Device(Device::Random) => {
                let count = max.min(4096);
                Ok(Read::Data((0..count).map(|_| self.rng.next_u32() as u8).collect()))
            }
            Target::Device(Device::Null | Device::Tty) => Ok(Read::Eof),
            Target::PipeRead(pipe) => {
                let pipe = *pipe;
                let Some(state) = self.descs.pipes.get_mut(&pipe) else { return Ok(Read::Eof) };
                if state.bytes.is_empty() {
                    return Ok(if state.writers == 0 { Read::Eof } else { Read::WouldBlock });
                }
                let count = max.min(state.bytes.len());
                let data: Vec<u8> = state.bytes.drain(..count).collect();
                self.pipe_changed(pipe, |_| {});
                Ok(Read::Data(data))
            }
        }
    }

    /// Puts bytes back that were read too far, so that the next reader of the same description finds them.
    pub(crate) fn unread_desc(&mut self, id: DescId, bytes: &[u8]) {
        let Some(desc) = self.descs.table.get_mut(&id) else { return };
        match &mut desc.target {
            Target::File { offset, .. } | Target::KernelRead { offset, .. } => {
                *offset = offset.saturating_sub(bytes.len())
            }
            Target::PipeRead(pipe) => {
                let pipe = *pipe;
                self.pipe_changed(pipe, |p| {
                    for byte in bytes.iter().rev() {
                        p.bytes.push_front(*byte);
                    }
                });
            }
            _ => {}
        }
    }

    /// Writes bytes; gives how many were taken. Fewer than all means: the pipe is full.
    pub(crate) fn write_desc(
        &mut self,
        kernel: &mut K,
        ns: K::Ns,
        id: DescId,
        data: &[u8],
        now: Time,
    ) -> Result<usize, Errno> {
        // More than a pipe holds comes again.
        self.work.spend(1 + (data.len().min(PIPE_CAPACITY) / work::BYTES) as u64);
        let Some(desc) = self.descs.table.get_mut(&id) else { return Err(Errno::EBADF) };
        match &mut desc.target {
            Target::File { write: false, .. } | Target::PipeRead(_) | Target::KernelRead { .. } => Err(Errno::EBADF),
            Target::File { ino, offset, append, .. } => {
                if *append {
                    *offset = self.files.len(*ino);
                }
                self.files.write_at(*ino, *offset, data, now)?;
                *offset += data.len();
                Ok(data.len())
            }
            Target::Device(Device::Full) => Err(Errno::ENOSPC),
            Target::Device(_) => Ok(data.len()),
            Target::KernelWrite(path) => {
                kernel.proc_write(self.id, ns, path, data).unwrap_or(Err(Errno::EACCES))?;
                Ok(data.len())
            }
            Target::Output(number) => {
                let output = self.outputs.entry(*number).or_default();
                if output.len() > OUTPUT_MAX {
                    return Err(Errno::EFBIG);
                }
                if output.len() + data.len() > OUTPUT_MAX {
                    output.extend_from_slice(data.get(..OUTPUT_MAX - output.len()).unwrap_or(&[]));
                    let notice =
                        format!("\nhopwise: the command printed more than {OUTPUT_MAX} bytes, the rest is lost\n");
                    output.extend(notice.bytes());
                    return Err(Errno::EFBIG);
                }
                output.extend_from_slice(data);
                Ok(data.len())
            }
            Target::PipeWrite(pipe) => {
                let pipe = *pipe;
                let Some(state) = self.descs.pipes.get_mut(&pipe) else { return Err(Errno::EPIPE) };
                if state.readers == 0 {
                    return Err(Errno::EPIPE);
                }
                let count = data.len().min(PIPE_CAPACITY.saturating_sub(state.bytes.len()));
                state.bytes.extend(data.iter().take(count));
                if count > 0 {
                    self.pipe_changed(pipe, |_| {});
                }
                Ok(count)
            }
        }
    }
}

fn slice_from(data: &[u8], offset: &mut usize, max: usize) -> Read {
    let rest = data.get(*offset..).unwrap_or(&[]);
    let taken = &rest[..max.min(rest.len())];
    *offset += taken.len();
    if taken.is_empty() { Read::Eof } else { Read::Data(taken.to_vec()) }
}
