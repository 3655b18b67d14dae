//! What a machine's file tree holds when the world begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use hopwise_sim_core::Time;

use super::{Device, FileTree, Node, path};

/// Folders, each with its permissions.
const FOLDERS: &[(&str, u32)] = &[
    ("/boot", 0o755),
    ("/dev", 0o755),
    ("/dev/net", 0o755),
    ("/dev/pts", 0o755),
    ("/dev/shm", 0o1777),
    ("/etc", 0o755),
    ("/etc/iproute2", 0o755),
    ("/etc/netns", 0o755),
    ("/etc/sysctl.d", 0o755),
    ("/home", 0o755),
    ("/media", 0o755),
    ("/mnt", 0o755),
    ("/opt", 0o755),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/run/netns", 0o755),
    ("/run/lock", 0o1777),
    ("/srv", 0o755),
    ("/tmp", 0o1777),
    ("/usr", 0o755),
    ("/usr/bin", 0o755),
    ("/usr/lib", 0o755),
    ("/usr/local", 0o755),
    ("/usr/local/bin", 0o755),
    ("/usr/local/sbin", 0o755),
    ("/usr/sbin", 0o755),
    ("/usr/share", 0o755),
    ("/var", 0o755),
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/tmp", 0o1777),
];

/// Symbolic links (Debian's merged /usr).
const LINKS: &[(&str, &str)] = &[
    ("/bin", "usr/bin"),
    ("/sbin", "usr/sbin"),
    ("/lib", "usr/lib"),
    ("/var/run", "/run"),
    ("/var/lock", "/run/lock"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/etc/mtab", "../proc/self/mounts"),
];

const DEVICES: &[(&str, Device)] = &[
    ("/dev/null", Device::Null),
    ("/dev/zero", Device::Zero),
    ("/dev/full", Device::Full),
    ("/dev/random", Device::Random),
    ("/dev/urandom", Device::Random),
    ("/dev/tty", Device::Tty),
];

const OS_RELEASE: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

const PROTOCOLS: &str = "ip\t0\tIP\nicmp\t1\tICMP\nigmp\t2\tIGMP\nipencap\t4\tIP-ENCAP\ntcp\t6\tTCP\nudp\t17\tUDP\n\
ipv6\t41\tIPv6\ngre\t47\tGRE\nesp\t50\tIPSEC-ESP\nah\t51\tIPSEC-AH\nospf\t89\tOSPFIGP\nsctp\t132\tSCTP\n";

const RT_TABLES: &str =
    "#\n# reserved values\n#\n255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n#\n# local\n#\n#1\tinr.ruhep\n";

impl FileTree {
    /// The tree of a freshly installed machine of this name; `programs` are (absolute path, name in the program table).
    pub fn new(hostname: &str, programs: &[(String, &'static str)]) -> Self {
        let mut tree = FileTree::empty();
        for (name, mode) in FOLDERS {
            tree.install(name, Node::Dir(BTreeMap::new()), *mode);
        }
        for (name, target) in LINKS {
            tree.install(name, Node::Symlink((*target).to_owned()), 0o777);
        }
        for (name, device) in DEVICES {
            tree.install(name, Node::Device(*device), 0o666);
        }
        tree.install("/proc", Node::Mount, 0o555);
        tree.install("/sys", Node::Mount, 0o555);
        let hosts = format!("127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n");
        let texts: [(&str, &str); 10] = [
            ("/etc/hostname", &format!("{hostname}\n")),
            ("/etc/hosts", &hosts),
            ("/etc/resolv.conf", ""),
            ("/etc/os-release", OS_RELEASE),
            ("/etc/passwd", PASSWD),
            ("/etc/group", GROUP),
            ("/etc/protocols", PROTOCOLS),
            ("/etc/iproute2/rt_tables", RT_TABLES),
            ("/etc/sysctl.conf", ""),
            ("/etc/debian_version", "12.0\n"),
        ];
        for (name, text) in texts {
            tree.install(name, Node::File(Arc::new(text.as_bytes().to_vec())), 0o644);
        }
        for (file, program) in programs {
            tree.install(file, Node::Program(program), 0o755);
        }
        tree.settle();
        tree
    }

    /// Puts something at an absolute path whose folder exists; does nothing if the path is taken.
    fn install(&mut self, file: &str, node: Node, mode: u32) {
        if let Ok(dir) = self.find(path::parent_name(file), true) {
            let _ = self.create(dir, path::base_name(file), node, mode, Time::ZERO);
        }
    }
}
