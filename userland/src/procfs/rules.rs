//! The folders of `/proc/net` whose files rules make: `xt_recent` and `ipt_hashlimit`. And what rules could ask and do:
//! `ip_tables_matches`, `ip_tables_targets`.

use hopwise_netfilter::rules::Ruleset;
use hopwise_netfilter::{matches, targets};
use hopwise_sim_core::{Errno, Time};
use hopwise_stack::Namespace;

/// A folder.
pub(super) struct Folder {
    /// Its name in `/proc/net`.
    pub(super) name: &'static str,
    list: fn(&Ruleset) -> Vec<String>,
    read: fn(&Ruleset, &str, Time) -> Option<String>,
    write: fn(&mut Ruleset, &str, &str, Time) -> Option<bool>,
}

/// All of them.
pub(super) static FOLDERS: &[Folder] = &[
    Folder {
        name: "ipt_hashlimit",
        list: |rules| rules.limit_names().into_iter().map(str::to_owned).collect(),
        read: |rules, name, now| rules.limit_file(name, now),
        write: |_, _, _, _| None,
    },
    Folder {
        name: "xt_recent",
        list: |rules| rules.recent_names().into_iter().map(str::to_owned).collect(),
        read: |rules, name, _| rules.recent_file(name),
        write: |rules, name, text, now| rules.write_recent_file(name, text, now),
    },
];

fn find(folder: &str) -> Option<&'static Folder> {
    FOLDERS.iter().find(|row| row.name == folder)
}

/// Reads a file.
pub(super) fn read(space: &Namespace, now: Time, folder: &str, name: &str) -> Option<String> {
    (find(folder)?.read)(space.rules.as_deref()?, name, now)
}

/// Writes a file.
pub(super) fn write(
    space: &mut Namespace,
    now: Time,
    folder: &str,
    name: &str,
    text: &str,
) -> Option<Result<(), Errno>> {
    let done = (find(folder)?.write)(space.rules.as_deref_mut()?, name, text, now)?;
    Some(if done { Ok(()) } else { Err(Errno::EINVAL) })
}

/// Lists a folder.
pub(super) fn list(space: &Namespace, folder: &str) -> Option<Vec<String>> {
    let folder = find(folder)?;
    Some(space.rules.as_deref().map_or(Vec::new(), folder.list))
}

/// The matches that there are, one a line.
pub(super) fn match_names() -> String {
    matches::REGISTRY.iter().map(|kind| format!("{}\n", kind.name)).collect()
}

/// The targets that there are, one a line.
pub(super) fn target_names() -> String {
    targets::REGISTRY.iter().map(|kind| format!("{}\n", kind.name)).collect()
}
