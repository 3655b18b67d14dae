//! Path text: joining and normalising, without looking at any file.

/// `path` as seen from the folder `cwd`: absolute, but not yet normalised.
pub fn join(cwd: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else if cwd.ends_with('/') {
        format!("{cwd}{path}")
    } else {
        format!("{cwd}/{path}")
    }
}

/// Removes `.`, `..` and doubled slashes from an absolute path, as `cd -L` does: `..` never leads above `/`.
///
/// ```
/// assert_eq!(hopwise_machine::files::normalise("/a/./b//../../../c"), "/c");
/// assert_eq!(hopwise_machine::files::normalise("/.."), "/");
/// ```
pub fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The last component, as `basename` prints it.
pub fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return if path.is_empty() { "" } else { "/" };
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// All but the last component, as `dirname` prints it.
pub fn parent_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return if path.is_empty() { "." } else { "/" };
    }
    match trimmed.rfind('/') {
        None => ".",
        Some(at) => {
            let parent = trimmed[..at].trim_end_matches('/');
            if parent.is_empty() { "/" } else { parent }
        }
    }
}
