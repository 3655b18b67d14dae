//! The part of `/proc` that the machine itself knows: its processes and a few constants. The rest is the kernel's.

use crate::files::FileKind;
use crate::{DirEntry, Errno, Kernel, Sys};

/// The kernel release every machine runs.
pub const KERNEL_RELEASE: &str = "6.18.0";

/// Splits `/proc/PID/rest` (or `/proc/self/rest`) where PID is alive.
fn of_process<'p, K: Kernel>(sys: &Sys<'_, K>, path: &'p str) -> Option<(u32, &'p str)> {
    let rest = path.strip_prefix("/proc/")?;
    let (id, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let pid = if id == "self" || id == "thread-self" { sys.number } else { id.parse().ok()? };
    sys.m.processes.contains_key(&pid).then_some((pid, rest))
}

/// The text of a file, if the machine makes it up.
pub(crate) fn read<K: Kernel>(sys: &mut Sys<'_, K>, path: &str) -> Option<Result<Vec<u8>, Errno>> {
    let text = match path {
        "/proc/version" => format!("Linux version {KERNEL_RELEASE} (hopwise) #1 SMP PREEMPT_DYNAMIC\n"),
        "/proc/uptime" => {
            let centis = sys.now.as_nanos() / 10_000_000;
            format!("{}.{:02} {}.{:02}\n", centis / 100, centis % 100, centis / 100, centis % 100)
        }
        "/proc/loadavg" => "0.00 0.00 0.00 1/1 1000\n".to_owned(),
        "/proc/sys/kernel/hostname" => format!("{}\n", sys.hostname()),
        "/proc/sys/kernel/osrelease" => format!("{KERNEL_RELEASE}\n"),
        "/proc/sys/kernel/ostype" => "Linux\n".to_owned(),
        "/proc/cpuinfo" => "processor\t: 0\nmodel name\t: hopwise\n\n".to_owned(),
        "/proc/meminfo" => {
            "MemTotal:        4194304 kB\nMemFree:         4194304 kB\nMemAvailable:    4194304 kB\n".to_owned()
        }
        "/proc/mounts" | "/proc/self/mounts" => {
            "rootfs / rootfs rw 0 0\nproc /proc proc rw 0 0\nsysfs /sys sysfs rw 0 0\n".to_owned()
        }
        _ => return read_process(sys, path),
    };
    Some(Ok(text.into_bytes()))
}

fn read_process<K: Kernel>(sys: &Sys<'_, K>, path: &str) -> Option<Result<Vec<u8>, Errno>> {
    let (pid, rest) = of_process(sys, path)?;
    let process = sys.m.processes.get(&pid)?;
    let text = match rest {
        "cmdline" => process.own.argv.iter().fold(String::new(), |text, arg| text + arg + "\0"),
        "environ" => process.own.env.iter().fold(String::new(), |text, (k, v)| text + k + "=" + v + "\0"),
        "comm" => format!("{}\n", process.comm()),
        "cgroup" => format!("0::{}\n", if process.own.cgroup.is_empty() { "/" } else { &process.own.cgroup }),
        "status" => {
            let state = if process.ended.is_some() { "Z (zombie)" } else { "S (sleeping)" };
            format!(
                "Name:\t{}\nState:\t{state}\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{}\nUid:\t0\t0\t0\t0\n",
                process.comm(),
                process.parent
            )
        }
        _ => return None,
    };
    Some(Ok(text.into_bytes()))
}

/// Where a made-up symbolic link points.
pub(crate) fn link<K: Kernel>(sys: &mut Sys<'_, K>, path: &str) -> Option<String> {
    if path.starts_with("/sys/") {
        let (machine, ns) = (sys.machine(), sys.ns());
        return sys.kernel.proc_link(machine, ns, path);
    }
    match path {
        "/proc/self" => return Some(sys.number.to_string()),
        "/proc/net" => return Some("self/net".to_owned()),
        "/proc/mounts" => return Some("self/mounts".to_owned()),
        _ => {}
    }
    let (pid, rest) = of_process(sys, path)?;
    let process = sys.m.processes.get(&pid)?;
    match rest {
        "cwd" => Some(process.own.cwd.clone()),
        "root" => Some("/".to_owned()),
        "exe" => Some(format!("/usr/bin/{}", process.comm())),
        "ns/net" => {
            let ns = process.own.ns;
            Some(format!("net:[{}]", sys.kernel.ns_inode(ns)))
        }
        _ => {
            let fd: u32 = rest.strip_prefix("fd/")?.parse().ok()?;
            process.fds.contains_key(&fd).then(|| format!("pipe:[{}]", 1000 + fd))
        }
    }
}

/// Whether the machine makes up a folder of this name.
pub(crate) fn is_dir<K: Kernel>(sys: &Sys<'_, K>, path: &str) -> bool {
    const FOLDERS: [&str; 6] = ["/proc", "/proc/sys", "/proc/sys/kernel", "/sys", "/sys/class", "/sys/module"];
    FOLDERS.contains(&path)
        || of_process(sys, path)
            .is_some_and(|(_, rest)| (rest.is_empty() && path != "/proc/self") || rest == "fd" || rest == "ns")
}

/// The machine's own entries of a folder.
pub(crate) fn list<K: Kernel>(sys: &Sys<'_, K>, dir: &str) -> Vec<DirEntry> {
    let entry = |name: String, kind| DirEntry { name, kind };
    let named = |kind, names: &[&str]| names.iter().map(|n| entry((*n).to_owned(), kind)).collect::<Vec<_>>();
    match dir {
        "/proc" => {
            let mut all = named(FileKind::File, &["cpuinfo", "loadavg", "meminfo", "uptime", "version"]);
            all.extend(named(FileKind::Symlink, &["mounts", "net", "self"]));
            all.extend(named(FileKind::Dir, &["sys"]));
            all.extend(sys.m.processes.keys().map(|pid| entry(pid.to_string(), FileKind::Dir)));
            all
        }
        "/proc/sys" => named(FileKind::Dir, &["kernel"]),
        "/proc/sys/kernel" => named(FileKind::File, &["hostname", "osrelease", "ostype"]),
        "/sys" => named(FileKind::Dir, &["class", "module"]),
        _ => match of_process(sys, dir) {
            Some((_, "")) => {
                let mut all = named(FileKind::File, &["cgroup", "cmdline", "comm", "environ", "status"]);
                all.extend(named(FileKind::Symlink, &["cwd", "exe", "root"]));
                all.extend(named(FileKind::Dir, &["fd", "ns"]));
                all
            }
            Some((_, "ns")) => named(FileKind::Symlink, &["net"]),
            Some((pid, "fd")) => {
                let fds =
                    sys.m.processes.get(&pid).map(|p| p.fds.keys().copied().collect::<Vec<_>>()).unwrap_or_default();
                fds.into_iter().map(|fd| entry(fd.to_string(), FileKind::Symlink)).collect()
            }
            _ => Vec::new(),
        },
    }
}
