//! Finding lab files: what a path on the command line means.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::document::{self, Form, Lab};

/// Why labs could not be loaded at all: a mistake on the command line rather than in a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {cause}")]
pub struct LoadError {
    /// The path that is meant.
    pub path: String,
    /// What is wrong with it.
    pub cause: String,
}

/// A lab is a text that a person reads. Anything longer is a mistake, and is not read into memory.
const MAX_LAB_BYTES: u64 = 16 * 1024 * 1024;

/// Folders within folders that are searched for labs.
const MAX_DEPTH: usize = 32;

/// The lab files below the given paths: files as named, folders sorted by name and searched to their depth. Hidden files
/// and linked folders in folders are left out, as is `skip` (where the labs' output goes).
///
/// # Errors
/// For a path that does not exist, or a file that has none of the endings of a lab.
pub fn discover(paths: &[PathBuf], skip: Option<&Path>) -> Result<Vec<PathBuf>, LoadError> {
    let mut found = Vec::new();
    for path in paths {
        let kind = fs::metadata(path).map_err(|error| refuse(path, cause(&error)))?;
        if kind.is_dir() {
            folder(path, skip, MAX_DEPTH, &mut found)?;
        } else if Form::of(&file_name(path)).is_some() {
            found.push(path.clone());
        } else {
            return Err(refuse(path, format!("not a lab: labs end in {}", Form::endings())));
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    Ok(found)
}

fn folder(path: &Path, skip: Option<&Path>, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    if skip.is_some_and(|skip| fs::canonicalize(path).is_ok_and(|path| path == skip)) || depth == 0 {
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|error| refuse(path, cause(&error)))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| refuse(&path, cause(&error)))?;
        let name = file_name(&path);
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            folder(&path, skip, depth - 1, found)?;
        } else if Form::of(&name).is_some() && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// Reads the labs of files. Markdown files from a folder that have no console block are documents of another kind:
/// only those in `named` must be labs.
///
/// # Errors
/// For a file that cannot be read, a named document without commands, and two labs of the same name.
pub fn load(files: &[PathBuf], named: &[PathBuf]) -> Result<Vec<Lab>, LoadError> {
    let mut labs: Vec<Lab> = Vec::new();
    for path in files {
        let lab = document::read(&path.to_string_lossy(), &read_text(path)?);
        if lab.steps.is_empty() && lab.error.is_none() && lab.form != Form::Script {
            if named.contains(path) {
                return Err(refuse(path, "there is no command in it: commands stand in ```console blocks".into()));
            }
            continue;
        }
        if let Some(other) = labs.iter().find(|other| other.name == lab.name) {
            let cause = format!(
                "its name is `{}`, as that of {}: their output would go to the same folder",
                lab.name, other.path
            );
            return Err(refuse(path, cause));
        }
        labs.push(lab);
    }
    Ok(labs)
}

fn read_text(path: &Path) -> Result<String, LoadError> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| refuse(path, cause(&error)))?;
    file.take(MAX_LAB_BYTES + 1).read_to_end(&mut bytes).map_err(|error| refuse(path, cause(&error)))?;
    if bytes.len() as u64 > MAX_LAB_BYTES {
        return Err(refuse(path, format!("longer than {} MiB", MAX_LAB_BYTES / 1024 / 1024)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
        refuse(path, format!("line {line} is not UTF-8 text"))
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn refuse(path: &Path, cause: String) -> LoadError {
    LoadError { path: path.display().to_string(), cause }
}

/// The operating system's words without its error number.
fn cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
