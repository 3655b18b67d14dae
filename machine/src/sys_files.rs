//! Files and descriptors as system calls: paths are the calling process's (working folder, bind mounts), `/proc` and `/sys` are
//! asked of the machine itself first, then of the kernel.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::files::{self, Device, FileKind, Inode, Node, Stat, Walk};
use crate::io::{Read, Target};
use crate::process::FdEntry;
use crate::signal::Signal;
use crate::{DirEntry, Errno, Kernel, Sys, procfs};

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Open {
    /// For reading.
    Read,
    /// For writing, created or emptied (`>`).
    Write,
    /// For writing at the end, created if missing (`>>`).
    Append,
    /// For reading and writing, created if missing (`<>`).
    ReadWrite,
    /// For writing, created, must not exist (`set -C`).
    CreateNew,
}

/// Descriptors.
impl<K: Kernel> Sys<'_, K> {
    pub(crate) fn fd_entry(&self, fd: u32) -> Option<FdEntry> {
        self.m.processes.get(&self.number)?.fds.get(&fd).copied()
    }

    fn fds(&mut self) -> Option<&mut BTreeMap<u32, FdEntry>> {
        self.m.processes.get_mut(&self.number).map(|p| &mut p.fds)
    }

    /// Puts a description under a descriptor, closing what was there.
    fn place(&mut self, fd: u32, entry: FdEntry) {
        let old = self.fds().and_then(|fds| fds.insert(fd, entry));
        if let Some(old) = old {
            self.m.drop_desc(old.desc);
        }
    }

    fn free_fd(&mut self, from: u32) -> u32 {
        let Some(fds) = self.fds() else { return from };
        (from..).find(|fd| !fds.contains_key(fd)).unwrap_or(from)
    }

    /// Writes text to standard output. It never blocks; a broken pipe is told by SIGPIPE, other errors are lost (see [`Sys::write`]).
    pub fn out(&mut self, text: &str) {
        let _ = self.write(1, text.as_bytes());
    }

    /// Writes bytes to standard output.
    pub fn out_bytes(&mut self, bytes: &[u8]) {
        let _ = self.write(1, bytes);
    }

    /// Writes text to standard error.
    pub fn err(&mut self, text: &str) {
        let _ = self.write(2, text.as_bytes());
    }

    /// Writes bytes to a descriptor. What does not fit into a pipe is kept for later; the order is kept.
    ///
    /// # Errors
    /// EBADF, EPIPE (with SIGPIPE), ENOSPC, and what the kernel says of a write to `/proc/sys`.
    pub fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<(), Errno> {
        let entry = self.fd_entry(fd).ok_or(Errno::EBADF)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let ns = self.ns();
        let queue_empty = self.m.processes.get(&self.number).is_none_or(|p| p.outbox.is_empty());
        let is_pipe = matches!(self.m.target(entry.desc), Some(Target::PipeWrite(_)));
        if queue_empty || !is_pipe {
            match self.m.write_desc(self.kernel, ns, entry.desc, bytes, self.now) {
                Ok(count) if count >= bytes.len() => return Ok(()),
                Ok(count) => self.keep_for_later(entry, bytes.get(count..).unwrap_or(&[])),
                Err(Errno::EPIPE) => {
                    self.m.signal(self.number, Signal::PIPE);
                    return Err(Errno::EPIPE);
                }
                Err(Errno::EFBIG) => {
                    // Linux: SIGXFSZ comes with EFBIG.
                    self.m.signal(self.number, Signal::XFSZ);
                    return Err(Errno::EFBIG);
                }
                Err(errno) => return Err(errno),
            }
        } else {
            self.keep_for_later(entry, bytes);
        }
        Ok(())
    }

    fn keep_for_later(&mut self, entry: FdEntry, bytes: &[u8]) {
        self.m.hold_desc(entry.desc);
        if let Some(process) = self.m.processes.get_mut(&self.number) {
            process.outbox.push_back((entry.desc, bytes.to_vec()));
        }
    }

    /// Reads up to `max` bytes from a descriptor, without waiting.
    ///
    /// # Errors
    /// EBADF if it is not open for reading.
    pub fn read(&mut self, fd: u32, max: usize) -> Result<Read, Errno> {
        let entry = self.fd_entry(fd).ok_or(Errno::EBADF)?;
        if self.m.work.is_over() {
            // The machine is about to stop the command; who reads in a loop comes to its end.
            return Ok(Read::WouldBlock);
        }
        self.m.read_desc(entry.desc, max)
    }

    /// Gives back bytes that were read too far: the next reader of the same open file sees them again.
    pub fn unread(&mut self, fd: u32, bytes: &[u8]) {
        if let Some(entry) = self.fd_entry(fd)
            && !bytes.is_empty()
        {
            self.m.unread_desc(entry.desc, bytes);
        }
    }

    /// Opens a file; gives the lowest free descriptor from 3 on.
    ///
    /// # Errors
    /// ENOENT, EISDIR, ENOTDIR, EEXIST, EACCES, ELOOP, ENXIO.
    pub fn open(&mut self, path: &str, how: Open) -> Result<u32, Errno> {
        let desc = self.open_desc(path, how)?;
        let fd = self.free_fd(3);
        self.place(fd, FdEntry { desc, close_on_exec: true });
        Ok(fd)
    }

    fn open_desc(&mut self, path: &str, how: Open) -> Result<u32, Errno> {
        let absolute = self.absolute(path);
        if let Some(fd) = self.fd_path(&absolute) {
            let entry = self.fd_entry(fd).ok_or(Errno::ENOENT)?;
            if let (Some(Target::File { ino, .. }), true) = (self.m.target(entry.desc), how == Open::Write) {
                let ino = *ino;
                self.m.files.truncate(ino, 0, self.now)?;
            }
            return Ok(self.m.hold_desc(entry.desc));
        }
        let ino = match self.m.files.walk(&absolute, true)? {
            Walk::Kernel(path) => return self.open_kernel(&path, how),
            Walk::Missing(_, _) if how == Open::Read => return Err(Errno::ENOENT),
            Walk::Missing(..) if path.ends_with('/') => return Err(Errno::EISDIR),
            Walk::Missing(dir, name) => {
                let mode = 0o666 & !self.umask();
                self.m.files.create(dir, &name, Node::File(Arc::default()), mode, self.now)?
            }
            Walk::Found(ino) => ino,
        };
        let (read, write) = (matches!(how, Open::Read | Open::ReadWrite), how != Open::Read);
        match self.m.files.get(ino).map(|i| &i.node) {
            Some(Node::Device(Device::Tty)) => Err(Errno::ENXIO),
            Some(Node::Device(device)) => {
                let device = *device;
                Ok(self.m.add_desc(Target::Device(device)))
            }
            Some(Node::Dir(_) | Node::Mount) => Err(Errno::EISDIR),
            Some(Node::Program(_)) if write => Err(Errno::ETXTBSY),
            _ => {
                if how == Open::Write {
                    self.m.files.truncate(ino, 0, self.now)?;
                }
                Ok(self.m.add_desc(Target::File { ino, offset: 0, read, write, append: how == Open::Append }))
            }
        }
    }

    fn open_kernel(&mut self, path: &str, how: Open) -> Result<u32, Errno> {
        if how == Open::Read {
            let data = Arc::new(self.read_kernel(path)?);
            return Ok(self.m.add_desc(Target::KernelRead { data, offset: 0 }));
        }
        match self.stat_kernel(path) {
            Some(stat) if stat.kind == FileKind::Dir => Err(Errno::EISDIR),
            Some(stat) if stat.mode & 0o222 == 0 => Err(Errno::EACCES),
            Some(_) => Ok(self.m.add_desc(Target::KernelWrite(path.to_owned()))),
            None if path.starts_with("/proc/") => Err(Errno::ENOENT),
            None => Err(Errno::EACCES),
        }
    }

    fn read_kernel(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        if let Some(data) = procfs::read(self, path) {
            return data;
        }
        let (machine, ns) = (self.m.id, self.ns());
        if let Some(data) = self.kernel.proc_read(machine, ns, path) {
            return data;
        }
        if procfs::is_dir(self, path) || self.kernel.proc_list(machine, ns, path).is_some() {
            return Err(Errno::EISDIR);
        }
        Err(Errno::ENOENT)
    }

    /// The descriptor that an absolute path such as `/dev/stdin` or `/proc/self/fd/3` means.
    fn fd_path(&self, path: &str) -> Option<u32> {
        if let Some(name) = path.strip_prefix("/dev/") {
            return match name {
                "stdin" => Some(0),
                "stdout" => Some(1),
                "stderr" => Some(2),
                _ => name.strip_prefix("fd/")?.parse().ok(),
            };
        }
        let (process, fd) = path.strip_prefix("/proc/")?.split_once("/fd/")?;
        (process == "self" || process == self.number.to_string()).then(|| fd.parse().ok())?
    }

    /// Closes a descriptor.
    pub fn close(&mut self, fd: u32) {
        let old = self.fds().and_then(|fds| fds.remove(&fd));
        if let Some(old) = old {
            self.m.drop_desc(old.desc);
        }
    }

    /// Makes `to` refer to what `from` refers to.
    ///
    /// # Errors
    /// EBADF if `from` is not open.
    pub fn dup_to(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        let entry = self.fd_entry(from).ok_or(Errno::EBADF)?;
        if from != to {
            let desc = self.m.hold_desc(entry.desc);
            self.place(to, FdEntry { desc, close_on_exec: false });
        }
        Ok(())
    }

    /// A second descriptor for the same description, from `lowest` on, closed on exec.
    ///
    /// # Errors
    /// EBADF if `fd` is not open.
    pub fn dup_above(&mut self, fd: u32, lowest: u32) -> Result<u32, Errno> {
        let entry = self.fd_entry(fd).ok_or(Errno::EBADF)?;
        let desc = self.m.hold_desc(entry.desc);
        let new = self.free_fd(lowest);
        self.place(new, FdEntry { desc, close_on_exec: true });
        Ok(new)
    }

    /// The descriptor stays open in programs that are started.
    pub(crate) fn keep_on_exec(&mut self, fd: u32) {
        if let Some(entry) = self.fds().and_then(|fds| fds.get_mut(&fd)) {
            entry.close_on_exec = false;
        }
    }

    /// Standard output and error become the collected output of a typed command.
    pub(crate) fn set_output(&mut self, number: u32) {
        let desc = self.m.add_desc(Target::Output(number));
        self.place(1, FdEntry { desc, close_on_exec: false });
        let desc = self.m.hold_desc(desc);
        self.place(2, FdEntry { desc, close_on_exec: false });
    }

    /// Whether a descriptor is open.
    pub fn is_open(&self, fd: u32) -> bool {
        self.fd_entry(fd).is_some()
    }

    /// Whether a read from this descriptor would give something (or the end) at once.
    pub fn is_readable(&self, fd: u32) -> bool {
        self.fd_entry(fd).is_none_or(|e| self.m.is_readable(e.desc))
    }

    /// A new pipe: (descriptor to read from, descriptor to write to), both closed on exec, from 60 down being left to the user.
    pub fn pipe(&mut self) -> (u32, u32) {
        let (reader, writer) = self.m.add_pipe();
        let read_fd = self.free_fd(10);
        self.place(read_fd, FdEntry { desc: reader, close_on_exec: true });
        let write_fd = self.free_fd(10);
        self.place(write_fd, FdEntry { desc: writer, close_on_exec: true });
        (read_fd, write_fd)
    }

    /// A descriptor from which this text can be read (a here-document).
    pub fn text_fd(&mut self, text: &[u8]) -> u32 {
        let desc = self.m.add_desc(Target::KernelRead { data: Arc::new(text.to_vec()), offset: 0 });
        let fd = self.free_fd(10);
        self.place(fd, FdEntry { desc, close_on_exec: true });
        fd
    }

    /// Whether the descriptor is a pipe's end, a file, ... for `stat` and `test -p /dev/stdin`.
    pub fn fd_kind(&self, fd: u32) -> Option<FileKind> {
        match self.m.target(self.fd_entry(fd)?.desc)? {
            Target::PipeRead(_) | Target::PipeWrite(_) | Target::Output(_) => Some(FileKind::Pipe),
            Target::Device(_) => Some(FileKind::CharDevice),
            _ => Some(FileKind::File),
        }
    }
}

/// Paths.
impl<K: Kernel> Sys<'_, K> {
    /// A path as the file tree sees it: absolute, with the process's bind mounts applied. Symbolic links and `..` are kept.
    pub(crate) fn absolute(&self, path: &str) -> String {
        if path.is_empty() {
            return String::new();
        }
        let Some(process) = self.m.processes.get(&self.number) else { return path.to_owned() };
        let full = files::join(&process.own.cwd, path);
        if process.own.binds.is_empty() {
            return full;
        }
        let plain = files::normalise(&full);
        for bind in process.own.binds.iter().rev() {
            if let Some(rest) = plain.strip_prefix(bind.target.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return format!("{}{rest}", bind.source);
            }
        }
        full
    }

    fn stat_kernel(&mut self, path: &str) -> Option<Stat> {
        let (machine, ns) = (self.m.id, self.ns());
        let now = self.now;
        let made_up = |kind, mode| Stat { ino: 0, kind, mode, nlink: 1, size: 0, mtime: now, original: true };
        if procfs::is_dir(self, path) || self.kernel.proc_list(machine, ns, path).is_some() {
            return Some(made_up(FileKind::Dir, 0o555));
        }
        if let Some(target) = procfs::link(self, path) {
            let size = target.len() as u64;
            return Some(Stat { size, ..made_up(FileKind::Symlink, 0o777) });
        }
        if procfs::read(self, path).is_some() {
            return Some(made_up(FileKind::File, 0o444));
        }
        let listed = path.rsplit_once('/').and_then(|(dir, name)| {
            let entries = self.kernel.proc_list(machine, ns, if dir.is_empty() { "/" } else { dir })?;
            entries.into_iter().find(|e| e.name == name)
        });
        if listed.is_some() || self.kernel.proc_read(machine, ns, path).is_some() {
            let writable =
                path.starts_with("/proc/sys/") || path.starts_with("/sys/") || path.contains("/net/xt_recent/");
            return Some(made_up(listed.map_or(FileKind::File, |e| e.kind), if writable { 0o644 } else { 0o444 }));
        }
        None
    }

    /// What `stat(2)` (or `lstat(2)`, if not `follow`) tells of a path.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ELOOP.
    pub fn stat(&mut self, path: &str, follow: bool) -> Result<Stat, Errno> {
        let path = self.absolute(path);
        if let (Some(fd), true) = (self.fd_path(&path), follow) {
            let kind = self.fd_kind(fd).ok_or(Errno::ENOENT)?;
            return Ok(Stat { ino: 1, kind, mode: 0o600, nlink: 1, size: 0, mtime: self.now, original: true });
        }
        match self.m.files.walk(&path, follow)? {
            Walk::Found(ino) => self.m.files.stat(ino),
            Walk::Missing(..) => Err(Errno::ENOENT),
            Walk::Kernel(path) => self.stat_kernel(&path).ok_or(Errno::ENOENT),
        }
    }

    /// A folder's entries in order of name, without `.` and `..`.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    pub fn list(&mut self, path: &str) -> Result<Vec<DirEntry>, Errno> {
        match self.m.files.walk(&self.absolute(path), true)? {
            Walk::Missing(..) => Err(Errno::ENOENT),
            Walk::Found(dir) => {
                let names: Vec<(String, u32)> = self.m.files.list(dir)?.map(|(n, i)| (n.to_owned(), i)).collect();
                let entry =
                    |(name, ino)| DirEntry { name, kind: self.m.files.stat(ino).map_or(FileKind::File, |s| s.kind) };
                Ok(names.into_iter().map(entry).collect())
            }
            Walk::Kernel(path) => {
                let (machine, ns) = (self.m.id, self.ns());
                let mut entries = self.kernel.proc_list(machine, ns, &path).unwrap_or_default();
                if entries.is_empty()
                    && !procfs::is_dir(self, &path)
                    && self.kernel.proc_list(machine, ns, &path).is_none()
                {
                    return Err(if self.stat_kernel(&path).is_some() { Errno::ENOTDIR } else { Errno::ENOENT });
                }
                entries.extend(procfs::list(self, &path));
                entries.sort();
                entries.dedup_by(|a, b| a.name == b.name);
                Ok(entries)
            }
        }
    }

    /// A whole file.
    ///
    /// # Errors
    /// ENOENT, EISDIR, ...
    pub fn read_file(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let path = self.absolute(path);
        if let Some(fd) = self.fd_path(&path) {
            let mut all = Vec::new();
            while let Read::Data(data) = self.read(fd, 65_536)? {
                all.extend(data);
            }
            return Ok(all);
        }
        match self.m.files.walk(&path, true)? {
            Walk::Found(ino) => match self.m.files.get(ino) {
                Some(Inode { node: Node::Device(_), .. }) => Ok(Vec::new()),
                _ => self.m.files.content(ino).map(|data| data.to_vec()),
            },
            Walk::Missing(..) => Err(Errno::ENOENT),
            Walk::Kernel(path) => self.read_kernel(&path),
        }
    }

    /// Replaces (or creates) a whole file.
    ///
    /// # Errors
    /// As [`Sys::open`] and [`Sys::write`].
    pub fn write_file(&mut self, path: &str, data: &[u8]) -> Result<(), Errno> {
        let fd = self.open(path, Open::Write)?;
        let written = self.write(fd, data);
        self.close(fd);
        written
    }

    /// Folder and last name of a path, which may or may not exist; for calls that create or remove names.
    fn name_of(&mut self, path: &str) -> Result<(u32, String), Errno> {
        let absolute = self.absolute(path);
        let trimmed = absolute.trim_end_matches('/');
        let name = files::base_name(trimmed);
        if name.is_empty() || name == "/" {
            return Err(if absolute.is_empty() { Errno::ENOENT } else { Errno::EBUSY });
        }
        if name == "." || name == ".." {
            return Err(Errno::EINVAL);
        }
        match self.m.files.walk(files::parent_name(trimmed), true)? {
            Walk::Found(dir) => Ok((dir, name.to_owned())),
            Walk::Missing(..) => Err(Errno::ENOENT),
            Walk::Kernel(_) => Err(Errno::EPERM),
        }
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// EEXIST, ENOENT, ENOTDIR.
    pub fn mkdir(&mut self, path: &str, mode: u32) -> Result<(), Errno> {
        if self.stat(path, false).is_ok() {
            return Err(Errno::EEXIST);
        }
        let (dir, name) = self.name_of(path)?;
        let mode = mode & !self.umask();
        self.m.files.create(dir, &name, Node::Dir(BTreeMap::new()), mode, self.now).map(|_| ())
    }

    /// Removes a name that is not a folder.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    pub fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        let (dir, name) = self.name_of(path)?;
        self.m.files.unlink(dir, &name, self.now)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ENOTEMPTY.
    pub fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        let (dir, name) = self.name_of(path)?;
        self.m.files.rmdir(dir, &name, self.now)
    }

    /// Moves a file or folder.
    ///
    /// # Errors
    /// ENOENT, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let (from_dir, from_name) = self.name_of(from)?;
        let (to_dir, to_name) = self.name_of(to)?;
        self.m.files.rename((from_dir, &from_name), (to_dir, &to_name), self.now)
    }

    /// Makes a symbolic link at `path`.
    ///
    /// # Errors
    /// EEXIST, ENOENT.
    pub fn symlink(&mut self, target: &str, path: &str) -> Result<(), Errno> {
        let (dir, name) = self.name_of(path)?;
        self.m.files.create(dir, &name, Node::Symlink(target.to_owned()), 0o777, self.now).map(|_| ())
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EPERM for a folder.
    pub fn link(&mut self, existing: &str, path: &str) -> Result<(), Errno> {
        let ino = self.m.files.find(&self.absolute(existing), false)?;
        let (dir, name) = self.name_of(path)?;
        self.m.files.link(ino, dir, &name)
    }

    /// Where a symbolic link points.
    ///
    /// # Errors
    /// EINVAL if it is none.
    pub fn readlink(&mut self, path: &str) -> Result<String, Errno> {
        match self.m.files.walk(&self.absolute(path), false)? {
            Walk::Found(ino) => match self.m.files.get(ino) {
                Some(Inode { node: Node::Symlink(target), .. }) => Ok(target.clone()),
                _ => Err(Errno::EINVAL),
            },
            Walk::Missing(..) => Err(Errno::ENOENT),
            Walk::Kernel(path) => match procfs::link(self, &path) {
                Some(target) => Ok(target),
                None if self.stat_kernel(&path).is_some() => Err(Errno::EINVAL),
                None => Err(Errno::ENOENT),
            },
        }
    }

    /// Sets the permission bits.
    ///
    /// # Errors
    /// ENOENT, EPERM in `/proc` and `/sys`.
    pub fn chmod(&mut self, path: &str, mode: u32) -> Result<(), Errno> {
        match self.m.files.walk(&self.absolute(path), true)? {
            Walk::Found(ino) => {
                if let Some(inode) = self.m.files.get_mut(ino) {
                    inode.mode = mode & 0o7777;
                }
                Ok(())
            }
            Walk::Missing(..) => Err(Errno::ENOENT),
            Walk::Kernel(_) => Err(Errno::EPERM),
        }
    }

    /// Sets a file's time stamp.
    ///
    /// # Errors
    /// ENOENT.
    pub fn set_mtime(&mut self, path: &str, time: hopwise_sim_core::Time) -> Result<(), Errno> {
        let ino = self.m.files.find(&self.absolute(path), true)?;
        self.m.files.touch(ino, time);
        Ok(())
    }

    /// Whether two paths lead to the same file.
    pub fn same_file(&mut self, a: &str, b: &str) -> bool {
        let (a, b) = (self.absolute(a), self.absolute(b));
        matches!((self.m.files.walk(&a, true), self.m.files.walk(&b, true)), (Ok(a), Ok(b)) if a == b && !matches!(a, Walk::Missing(..)))
    }

    /// The path without any symbolic link, as `pwd -P` and `readlink -f` show it. The last name need not exist.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ELOOP.
    pub fn real_path(&mut self, path: &str) -> Result<String, Errno> {
        let mut done = String::new();
        let mut todo: Vec<String> = self.absolute(path).split('/').rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                name => {
                    let here = format!("{done}/{name}");
                    match self.readlink(&here) {
                        Ok(target) if links < 40 => {
                            links += 1;
                            if target.starts_with('/') {
                                done.clear();
                            }
                            todo.extend(target.split('/').rev().map(str::to_owned));
                        }
                        Ok(_) => return Err(Errno::ELOOP),
                        Err(Errno::ENOENT) if todo.iter().all(String::is_empty) => done = here,
                        Err(Errno::EINVAL) => done = here,
                        Err(errno) => return Err(errno),
                    }
                }
            }
        }
        Ok(if done.is_empty() { "/".to_owned() } else { done })
    }
}
