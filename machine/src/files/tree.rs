//! The inodes and the walk along a path (Linux: `link_path_walk`, fs/namei.c).

use std::collections::BTreeMap;
use std::sync::Arc;

use hopwise_sim_core::Time;

use super::{Device, FileKind, Stat, path};
use crate::Errno;

/// An inode's number: its index in the tree's table. 0 is the root folder.
pub type Ino = u32;

/// Symbolic links followed in one walk (Linux: `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;
/// The longest name of one path component (Linux: `NAME_MAX`).
const NAME_MAX: usize = 255;
/// The largest file: a runaway `>>` must end with an error, not with the real machine's memory.
pub(crate) const FILE_MAX: usize = 256 << 20;

/// What an inode holds.
#[derive(Clone, Debug)]
pub enum Node {
    /// A folder's names, in order.
    Dir(BTreeMap<String, Ino>),
    /// A file's bytes, shared between forks of the world until one of them writes.
    File(Arc<Vec<u8>>),
    /// A symbolic link's target.
    Symlink(String),
    /// A device.
    Device(Device),
    /// An installed program: its name in the program table.
    Program(&'static str),
    /// A folder that the kernel makes up from here on (`/proc`, `/sys`).
    Mount,
}

/// One file, folder, link or device.
#[derive(Clone, Debug)]
pub struct Inode {
    /// What it holds.
    pub node: Node,
    /// The permission bits.
    pub mode: u32,
    /// Names that refer to it.
    pub nlink: u32,
    /// Open descriptions: an unlinked file lives until the last one closes.
    pub(crate) opens: u32,
    /// Last change of the content.
    pub mtime: Time,
    /// Whether a command created or changed it.
    pub changed: bool,
}

/// Where a walk along a path ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Walk {
    /// At an inode.
    Found(Ino),
    /// The folder is there, the last name is not.
    Missing(Ino, String),
    /// Inside `/proc` or `/sys`: the whole path, normalised.
    Kernel(String),
}

/// The files of one machine. Cloning is cheap: the table is shared until one side writes.
#[derive(Clone, Debug)]
pub struct FileTree {
    inodes: Arc<Vec<Option<Inode>>>,
}

impl FileTree {
    /// Only the root folder.
    pub(super) fn empty() -> Self {
        let root = Inode {
            node: Node::Dir(BTreeMap::new()),
            mode: 0o755,
            nlink: 2,
            opens: 0,
            mtime: Time::ZERO,
            changed: false,
        };
        FileTree { inodes: Arc::new(vec![Some(root)]) }
    }

    /// The inode with this number.
    pub fn get(&self, ino: Ino) -> Option<&Inode> {
        self.inodes.get(ino as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, ino: Ino) -> Option<&mut Inode> {
        Arc::make_mut(&mut self.inodes).get_mut(ino as usize)?.as_mut()
    }

    fn dir(&self, ino: Ino) -> Result<&BTreeMap<String, Ino>, Errno> {
        match self.get(ino).map(|i| &i.node) {
            Some(Node::Dir(names)) => Ok(names),
            Some(_) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn dir_mut(&mut self, ino: Ino) -> Result<&mut BTreeMap<String, Ino>, Errno> {
        match self.get_mut(ino).map(|i| &mut i.node) {
            Some(Node::Dir(names)) => Ok(names),
            Some(_) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    /// Walks along an absolute `path`. Links in the middle are always followed, the last one only if `follow`.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG as the system calls give them.
    pub fn walk<'a>(&'a self, path: &'a str, follow: bool) -> Result<Walk, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let must_be_dir = path.len() > 1 && path.ends_with('/');
        // The names still ahead, the next one last, and the folders behind.
        let mut todo: Vec<&str> = components(path).rev().collect();
        let mut stack = vec![(0, "")];
        let mut links = 0;
        while let Some(name) = todo.pop() {
            let here = stack.last().map_or(0, |top| top.0);
            if let Some(Inode { node: Node::Mount, .. }) = self.get(here) {
                todo.push(name);
                return self.walk_in_mount(&stack, &todo, follow);
            }
            if name == ".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            if name.len() > NAME_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            let Some(&next) = self.dir(here)?.get(name) else {
                return if todo.is_empty() { Ok(Walk::Missing(here, name.to_owned())) } else { Err(Errno::ENOENT) };
            };
            if let Some(Inode { node: Node::Symlink(target), .. }) = self.get(next)
                && (follow || must_be_dir || !todo.is_empty())
            {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::ELOOP);
                }
                if target.starts_with('/') {
                    stack.truncate(1);
                }
                todo.extend(components(target).rev());
                continue;
            }
            stack.push((next, name));
        }
        let ino = stack.last().map_or(0, |top| top.0);
        match self.get(ino).map(|i| &i.node) {
            Some(Node::Mount) => Ok(Walk::Kernel(stack_path(&stack))),
            Some(Node::Dir(_)) => Ok(Walk::Found(ino)),
            Some(_) if must_be_dir => Err(Errno::ENOTDIR),
            Some(_) => Ok(Walk::Found(ino)),
            None => Err(Errno::ENOENT),
        }
    }

    /// The rest of a walk that entered `/proc` or `/sys`; `..` may lead out of it again.
    fn walk_in_mount(&self, stack: &[(Ino, &str)], todo: &[&str], follow: bool) -> Result<Walk, Errno> {
        let mount = stack_path(stack);
        let rest: Vec<&str> = todo.iter().rev().copied().collect();
        let full = path::normalise(&format!("{mount}/{}", rest.join("/")));
        if full == mount || full.starts_with(&format!("{mount}/")) {
            Ok(Walk::Kernel(full))
        } else {
            self.walk(&full, follow)
        }
    }

    /// The inode a path leads to.
    ///
    /// # Errors
    /// As [`FileTree::walk`]; ENOENT also for what the kernel makes up.
    pub fn find(&self, path: &str, follow: bool) -> Result<Ino, Errno> {
        match self.walk(path, follow)? {
            Walk::Found(ino) => Ok(ino),
            Walk::Missing(..) | Walk::Kernel(_) => Err(Errno::ENOENT),
        }
    }

    /// What `stat(2)` tells of an inode.
    pub fn stat(&self, ino: Ino) -> Result<Stat, Errno> {
        let inode = self.get(ino).ok_or(Errno::ENOENT)?;
        let (kind, size) = match &inode.node {
            Node::Dir(_) | Node::Mount => (FileKind::Dir, 4096),
            Node::File(data) => (FileKind::File, data.len() as u64),
            Node::Symlink(target) => (FileKind::Symlink, target.len() as u64),
            Node::Device(_) => (FileKind::CharDevice, 0),
            Node::Program(name) => (FileKind::File, program_text(name).len() as u64),
        };
        let nlink = match &inode.node {
            Node::Dir(names) => {
                2 + names
                    .values()
                    .filter(|&&i| matches!(self.get(i), Some(Inode { node: Node::Dir(_) | Node::Mount, .. })))
                    .count() as u32
            }
            _ => inode.nlink,
        };
        Ok(Stat {
            ino: u64::from(ino) + 2,
            kind,
            mode: inode.mode,
            nlink,
            size,
            mtime: inode.mtime,
            original: !inode.changed,
        })
    }

    /// The names in a folder with their inodes, in order.
    ///
    /// # Errors
    /// ENOTDIR if it is none.
    pub fn list(&self, dir: Ino) -> Result<impl Iterator<Item = (&str, Ino)>, Errno> {
        Ok(self.dir(dir)?.iter().map(|(name, ino)| (name.as_str(), *ino)))
    }

    /// A file's bytes. EISDIR for a folder.
    pub fn content(&self, ino: Ino) -> Result<Arc<Vec<u8>>, Errno> {
        match self.get(ino).map(|i| &i.node) {
            Some(Node::File(data)) => Ok(data.clone()),
            Some(Node::Program(name)) => Ok(Arc::new(program_text(name).into_bytes())),
            Some(Node::Dir(_) | Node::Mount) => Err(Errno::EISDIR),
            Some(_) => Err(Errno::EINVAL),
            None => Err(Errno::ENOENT),
        }
    }

    /// Puts a new inode under a name.
    ///
    /// # Errors
    /// EEXIST if the name is taken.
    pub fn create(&mut self, dir: Ino, name: &str, node: Node, mode: u32, now: Time) -> Result<Ino, Errno> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if self.dir(dir)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let inodes = Arc::make_mut(&mut self.inodes);
        let ino = Ino::try_from(inodes.len()).map_err(|_| Errno::ENOSPC)?;
        inodes.push(Some(Inode { node, mode, nlink: 1, opens: 0, mtime: now, changed: true }));
        self.dir_mut(dir)?.insert(name.to_owned(), ino);
        self.touch(dir, now);
        Ok(ino)
    }

    /// Gives an inode one more name (`link(2)`).
    ///
    /// # Errors
    /// EPERM for a folder, EEXIST if the name is taken.
    pub fn link(&mut self, ino: Ino, dir: Ino, name: &str) -> Result<(), Errno> {
        if matches!(self.get(ino), Some(Inode { node: Node::Dir(_) | Node::Mount, .. }) | None) {
            return Err(Errno::EPERM);
        }
        if self.dir(dir)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.dir_mut(dir)?.insert(name.to_owned(), ino);
        if let Some(inode) = self.get_mut(ino) {
            inode.nlink += 1;
        }
        Ok(())
    }

    /// Removes a name of something that is not a folder.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    pub fn unlink(&mut self, dir: Ino, name: &str, now: Time) -> Result<(), Errno> {
        let ino = *self.dir(dir)?.get(name).ok_or(Errno::ENOENT)?;
        if matches!(self.get(ino), Some(Inode { node: Node::Dir(_) | Node::Mount, .. })) {
            return Err(Errno::EISDIR);
        }
        self.dir_mut(dir)?.remove(name);
        self.touch(dir, now);
        if let Some(inode) = self.get_mut(ino) {
            inode.nlink = inode.nlink.saturating_sub(1);
        }
        self.reap(ino);
        Ok(())
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ENOTEMPTY, EBUSY.
    pub fn rmdir(&mut self, dir: Ino, name: &str, now: Time) -> Result<(), Errno> {
        let ino = *self.dir(dir)?.get(name).ok_or(Errno::ENOENT)?;
        if matches!(self.get(ino), Some(Inode { node: Node::Mount, .. })) {
            return Err(Errno::EBUSY);
        }
        if !self.dir(ino)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.dir_mut(dir)?.remove(name);
        self.touch(dir, now);
        if let Some(inode) = self.get_mut(ino) {
            inode.nlink = 0;
        }
        self.reap(ino);
        Ok(())
    }

    /// Moves a name, replacing what stood at the target (`rename(2)`).
    ///
    /// # Errors
    /// ENOENT, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL (a folder into itself).
    pub fn rename(&mut self, from: (Ino, &str), to: (Ino, &str), now: Time) -> Result<(), Errno> {
        let ino = *self.dir(from.0)?.get(from.1).ok_or(Errno::ENOENT)?;
        let moves_dir = matches!(self.get(ino), Some(Inode { node: Node::Dir(_), .. }));
        if moves_dir && self.contains(ino, to.0) {
            return Err(Errno::EINVAL);
        }
        if let Some(&old) = self.dir(to.0)?.get(to.1) {
            if old == ino {
                return Ok(());
            }
            let old_dir = matches!(self.get(old), Some(Inode { node: Node::Dir(_) | Node::Mount, .. }));
            match (moves_dir, old_dir) {
                (false, true) => return Err(Errno::EISDIR),
                (true, false) => return Err(Errno::ENOTDIR),
                (true, true) => self.rmdir(to.0, to.1, now)?,
                (false, false) => self.unlink(to.0, to.1, now)?,
            }
        }
        self.dir_mut(from.0)?.remove(from.1);
        self.dir_mut(to.0)?.insert(to.1.to_owned(), ino);
        self.touch(from.0, now);
        self.touch(to.0, now);
        if let Some(inode) = self.get_mut(ino) {
            inode.changed = true;
        }
        Ok(())
    }

    /// Whether folder `dir` is `ancestor` or lies below it.
    fn contains(&self, ancestor: Ino, dir: Ino) -> bool {
        let mut todo = vec![ancestor];
        while let Some(ino) = todo.pop() {
            if ino == dir {
                return true;
            }
            if let Ok(names) = self.dir(ino) {
                todo.extend(names.values().filter(|&&i| matches!(self.get(i), Some(Inode { node: Node::Dir(_), .. }))));
            }
        }
        false
    }

    /// Writes bytes at an offset, filling a gap with zeros.
    ///
    /// # Errors
    /// EFBIG beyond this simulation's largest file, EISDIR.
    pub fn write_at(&mut self, ino: Ino, offset: usize, data: &[u8], now: Time) -> Result<(), Errno> {
        let end = offset.checked_add(data.len()).filter(|&e| e <= FILE_MAX).ok_or(Errno::EFBIG)?;
        let inode = self.get_mut(ino).ok_or(Errno::ENOENT)?;
        inode.mtime = now;
        inode.changed = true;
        match &mut inode.node {
            Node::File(bytes) => {
                let bytes = Arc::make_mut(bytes);
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(offset..end) {
                    place.copy_from_slice(data);
                }
                Ok(())
            }
            Node::Program(_) => Err(Errno::ETXTBSY),
            Node::Dir(_) | Node::Mount => Err(Errno::EISDIR),
            Node::Symlink(_) | Node::Device(_) => Err(Errno::EINVAL),
        }
    }

    /// The length of a file, for appending.
    pub fn len(&self, ino: Ino) -> usize {
        match self.get(ino).map(|i| &i.node) {
            Some(Node::File(data)) => data.len(),
            _ => 0,
        }
    }

    /// Cuts or fills a file to this length.
    ///
    /// # Errors
    /// EISDIR, ETXTBSY, EFBIG.
    pub fn truncate(&mut self, ino: Ino, len: usize, now: Time) -> Result<(), Errno> {
        if len > FILE_MAX {
            return Err(Errno::EFBIG);
        }
        let inode = self.get_mut(ino).ok_or(Errno::ENOENT)?;
        match &mut inode.node {
            Node::File(bytes) => {
                if len == 0 {
                    *bytes = Arc::default();
                } else {
                    Arc::make_mut(bytes).resize(len, 0);
                }
                inode.mtime = now;
                inode.changed = true;
                Ok(())
            }
            Node::Program(_) => Err(Errno::ETXTBSY),
            Node::Dir(_) | Node::Mount => Err(Errno::EISDIR),
            Node::Symlink(_) | Node::Device(_) => Err(Errno::EINVAL),
        }
    }

    /// Sets a time stamp to now.
    pub fn touch(&mut self, ino: Ino, now: Time) {
        if let Some(inode) = self.get_mut(ino) {
            inode.mtime = now;
            inode.changed = true;
        }
    }

    /// One more open description.
    pub(crate) fn opened(&mut self, ino: Ino) {
        if let Some(inode) = self.get_mut(ino) {
            inode.opens += 1;
        }
    }

    /// One open description less.
    pub(crate) fn closed(&mut self, ino: Ino) {
        if let Some(inode) = self.get_mut(ino) {
            inode.opens = inode.opens.saturating_sub(1);
        }
        self.reap(ino);
    }

    /// Forgets an inode that has neither a name nor an open description.
    fn reap(&mut self, ino: Ino) {
        if self.get(ino).is_some_and(|i| i.nlink == 0 && i.opens == 0)
            && let Some(slot) = Arc::make_mut(&mut self.inodes).get_mut(ino as usize)
        {
            *slot = None;
        }
    }

    /// All regular files below the folder `dir` (absolute path) that were created or changed since the world began:
    /// their path relative to it and their bytes, in order of name.
    pub fn changed_files(&self, dir: &str) -> Vec<(String, Arc<Vec<u8>>)> {
        let mut out = Vec::new();
        if let Ok(ino) = self.find(dir, true) {
            self.collect_changed(ino, String::new(), &mut out);
        }
        out
    }

    fn collect_changed(&self, top: Ino, prefix: String, out: &mut Vec<(String, Arc<Vec<u8>>)>) {
        let mut todo = vec![(top, prefix)];
        while let Some((dir, prefix)) = todo.pop() {
            let Ok(names) = self.dir(dir) else { continue };
            for (name, &ino) in names {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
                match self.get(ino) {
                    Some(Inode { node: Node::Dir(_), .. }) => todo.push((ino, path)),
                    Some(Inode { node: Node::File(data), changed: true, .. }) => out.push((path, data.clone())),
                    _ => {}
                }
            }
        }
        out.sort();
    }

    /// Marks everything as belonging to the beginning: from now on only later changes count as changes.
    pub(super) fn settle(&mut self) {
        for inode in Arc::make_mut(&mut self.inodes).iter_mut().flatten() {
            inode.changed = false;
        }
    }
}

/// What `cat /usr/bin/ip` shows: there are no machine instructions in here.
fn program_text(name: &str) -> String {
    format!("#!hopwise {name}\n")
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|p| !p.is_empty() && *p != ".")
}

fn stack_path(stack: &[(Ino, &str)]) -> String {
    let names: Vec<&str> = stack.iter().skip(1).map(|s| s.1).collect();
    format!("/{}", names.join("/"))
}
