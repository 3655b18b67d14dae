//! The file tree of a machine: folders, files, links, devices in memory. Nothing here can reach the real machine's files.

mod base;
mod path;
mod tree;

pub use path::{base_name, join, normalise, parent_name};
pub use tree::{FileTree, Ino, Inode, Node, Walk};

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A character device such as `/dev/null`.
    CharDevice,
    /// A pipe.
    Pipe,
}

impl FileKind {
    /// The letter `ls -l` shows first.
    pub const fn letter(self) -> char {
        match self {
            FileKind::File => '-',
            FileKind::Dir => 'd',
            FileKind::Symlink => 'l',
            FileKind::CharDevice => 'c',
            FileKind::Pipe => 'p',
        }
    }

    /// The type bits of `st_mode`.
    pub const fn mode_bits(self) -> u32 {
        match self {
            FileKind::File => 0o100_000,
            FileKind::Dir => 0o040_000,
            FileKind::Symlink => 0o120_000,
            FileKind::CharDevice => 0o020_000,
            FileKind::Pipe => 0o010_000,
        }
    }
}

/// A character device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// `/dev/null`
    Null,
    /// `/dev/zero`
    Zero,
    /// `/dev/full`
    Full,
    /// `/dev/random`, `/dev/urandom`: the machine's seeded stream.
    Random,
    /// `/dev/tty`: no terminal is there.
    Tty,
}

/// What `stat(2)` tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stat {
    /// The inode's number; 0 for what the kernel makes up.
    pub ino: u64,
    /// What it is.
    pub kind: FileKind,
    /// The permission bits, 0o7777 at most.
    pub mode: u32,
    /// Names that refer to it.
    pub nlink: u32,
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime: hopwise_sim_core::Time,
    /// Whether it existed when the world began (its times are then shown as the epoch's).
    pub original: bool,
}
