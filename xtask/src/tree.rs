//! The files of the repository, as text.

use std::io;
use std::path::Path;

/// A text file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its path below the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// All text files that people wrote, in order of path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

/// What is made by tools, not by people.
const NOT_OURS: &[&str] = &["target", "hopwise-out", ".git", "corpus", "artifacts"];

/// The kinds of file that are looked at; files without an ending are scripts.
const ENDINGS: &[&str] = &["rs", "toml", "md", "sh", "yml", "yaml", "explained", "dict"];

impl Tree {
    /// Reads the files below `root`.
    pub(crate) fn read(root: &Path) -> io::Result<Tree> {
        let mut tree = Tree::default();
        tree.walk(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn walk(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                if !NOT_OURS.contains(&name.as_str()) {
                    self.walk(&entry.path(), &format!("{path}/"))?;
                }
            } else if is_text(&name) {
                // What is not UTF-8 is no text of ours.
                if let Ok(text) = std::fs::read_to_string(entry.path()) {
                    self.files.push(File { path, text });
                }
            }
        }
        Ok(())
    }

    /// The file of that path.
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        let at = self.files.binary_search_by(|f| f.path.as_str().cmp(path)).ok()?;
        self.files.get(at).map(|f| f.text.as_str())
    }

    /// The Rust files below a folder.
    pub(crate) fn rust<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |f| f.path.starts_with(folder) && f.path.ends_with(".rs"))
    }
}

fn is_text(name: &str) -> bool {
    match name.rsplit_once('.') {
        Some((_, ending)) => ENDINGS.contains(&ending),
        None => true,
    }
}

#[cfg(test)]
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    let mut files: Vec<File> =
        files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() }).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Tree { files }
}
