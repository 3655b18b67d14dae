//! The `hopwise` program in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A temporary folder.
pub(crate) struct Folder(tempfile::TempDir);

/// Files by their paths.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

impl Folder {
    /// A folder with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `hopwise` in it.
    #[expect(clippy::disallowed_methods, reason = "the program itself is tested")]
    pub(crate) fn hopwise(&self, args: &[&str]) -> Output {
        std::process::Command::new(env!("CARGO_BIN_EXE_hopwise"))
            .args(args)
            .current_dir(self.path())
            .env("HOPWISE_TEST_SECRET", "the-environment")
            .output()
            .unwrap()
    }

    /// All files below it, without those below `but`.
    pub(crate) fn files(&self, but: &str) -> Files {
        let mut files = Files::new();
        walk(self.path(), &self.path().join(but), &mut files);
        files
    }

    /// All files below one of its folders, with paths relative to that.
    pub(crate) fn files_in(&self, folder: &str) -> Files {
        let mut files = Files::new();
        let top = self.path().join(folder);
        walk(&top, Path::new("/"), &mut files);
        files.into_iter().map(|(path, bytes)| (path.strip_prefix(&top).unwrap().to_owned(), bytes)).collect()
    }
}

fn walk(folder: &Path, but: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path == but {
            continue;
        }
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            walk(&path, but, files);
        } else if kind.is_symlink() {
            files.insert(path.clone(), fs::read_link(&path).unwrap().to_string_lossy().into_owned().into_bytes());
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// Standard output and standard error.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
