//! The output folder: the only place on the real disk that hopwise writes to.
//!
//! The folder is opened once, and every path is resolved below that handle (openat2's RESOLVE_BENEATH, through
//! `cap-std`): neither `..` nor a symbolic link that somebody put there leads out of it.

use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hopwise_scenarios::run::{OutputFile, components};

use super::Refusal;

/// The opened output folder.
#[derive(Debug)]
pub(super) struct OutputFolder {
    dir: Dir,
    path: PathBuf,
}

impl OutputFolder {
    /// Opens the folder, and makes it if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, Refusal> {
        let refuse = |error: io::Error| Refusal::new(format!("--out {}: {}", path.display(), cause(&error)));
        Dir::create_ambient_dir_all(path, ambient_authority()).map_err(refuse)?;
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(refuse)?;
        Ok(Self { dir, path: path.to_owned() })
    }

    /// Writes the files of a lab. A sentence for each one that could not be written.
    pub(super) fn write_lab(&self, lab: &str, files: &[OutputFile]) -> Vec<String> {
        let write = |file: &OutputFile| {
            let path = format!("{lab}/{}", file.path.join("/"));
            let result = components(&path).map_err(io::Error::other).and_then(|parts| self.write(&parts, &file.bytes));
            result
                .err()
                .map(|error| format!("{} cannot be written: {}", self.path.join(&path).display(), cause(&error)))
        };
        files.iter().filter_map(write).collect()
    }

    /// Writes one file below the folder, making the folders it is in.
    pub(super) fn write(&self, parts: &[&str], bytes: &[u8]) -> io::Result<()> {
        let path: PathBuf = parts.iter().collect();
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.dir.create_dir_all(parent)?;
        }
        self.dir.write(&path, bytes)
    }
}

/// The parts of `file` below the folder `out`, both as the user typed them.
pub(super) fn inside(out: &Path, file: &Path) -> Result<Vec<String>, Refusal> {
    let outside = || {
        let name = file.file_name().map(Path::new).unwrap_or(Path::new("junit.xml"));
        let better = out.join(name);
        Refusal::new(format!(
            "--junit {}: hopwise writes only below --out; write --junit {}",
            file.display(),
            better.display()
        ))
    };
    let absolute = |path: &Path| std::path::absolute(path).map_err(|_| outside());
    let (out, file) = (absolute(out)?, absolute(file)?);
    let below = file.strip_prefix(&out).map_err(|_| outside())?;
    let part = |component: Component<'_>| match component {
        Component::Normal(name) => name.to_str().map(str::to_owned).ok_or_else(outside),
        _ => Err(outside()),
    };
    let parts: Vec<String> = below.components().map(part).collect::<Result<_, _>>()?;
    if parts.is_empty() { Err(outside()) } else { Ok(parts) }
}

/// The operating system's words without its error number.
pub(super) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &[&str]) -> OutputFile {
        OutputFile { path: path.iter().map(|part| (*part).to_owned()).collect(), bytes: b"x".to_vec() }
    }

    #[test]
    fn files_are_written_below_the_folder() {
        let temporary = tempfile::tempdir().unwrap();
        let out = OutputFolder::open(&temporary.path().join("a/b")).unwrap();
        assert!(out.write_lab("lab", &[file(&["w", "x.pcap"]), file(&["t.txt"])]).is_empty());
        assert!(temporary.path().join("a/b/lab/w/x.pcap").is_file());
    }

    #[test]
    fn no_path_and_no_link_leads_out() {
        let temporary = tempfile::tempdir().unwrap();
        let elsewhere = temporary.path().join("elsewhere");
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("kept"), "kept").unwrap();
        let path = temporary.path().join("out");
        let out = OutputFolder::open(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, path.join("linked")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", path.join("relative")).unwrap();
        std::fs::create_dir(path.join("lab")).unwrap();
        std::os::unix::fs::symlink(elsewhere.join("kept"), path.join("lab/file")).unwrap();
        for (lab, parts) in [
            ("linked", &["x"][..]),
            ("relative", &["x"]),
            ("lab", &["file"]),
            ("..", &["elsewhere", "x"]),
            ("lab", &["..", "..", "elsewhere", "x"]),
            ("/", &["x"]),
        ] {
            assert_eq!(out.write_lab(lab, &[file(parts)]).len(), 1, "{lab} {parts:?}");
        }
        let names: Vec<_> = std::fs::read_dir(&elsewhere).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["kept"]);
        assert_eq!(std::fs::read_to_string(elsewhere.join("kept")).unwrap(), "kept");
    }

    #[test]
    fn the_junit_file_is_inside_of_the_folder() {
        let out = Path::new("out");
        assert_eq!(inside(out, Path::new("out/ci/x.xml")).unwrap(), ["ci", "x.xml"]);
        assert_eq!(inside(out, Path::new("./out/x.xml")).unwrap(), ["x.xml"]);
        for bad in ["x.xml", "/tmp/x.xml", "out", "out/../x.xml", "output/x.xml"] {
            let text = inside(out, Path::new(bad)).unwrap_err().to_string();
            assert!(text.contains("only below --out; write --junit out/"), "{text}");
        }
    }
}
