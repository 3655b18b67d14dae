//! The test suite of conntrack-tools: files `NNname` of lines `arguments ; OK or BAD`. A line without a verdict is kept for the
//! standard input of the next one; `; |EXPRESSION` runs the command and puts its output there, changed by `sed`.

use std::path::Path;

use hopwise_userland::World;

use super::Count;

/// Whether a file is one of the suite.
pub(super) fn is_suite(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.extension().is_none() && name.len() > 2 && name.bytes().take(2).all(|byte| byte.is_ascii_digit())
}

/// Runs a file's commands in order on one machine and compares whether they succeed.
pub(super) fn suite(text: &str, count: &mut Count) {
    let mut world = World::new(1);
    let machine = world.add_machine("host");
    let mut input = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((command, verdict)) = line.split_once(';') else { continue };
        let command = command.strip_prefix("conntrack").unwrap_or(command);
        let verdict = verdict.trim();
        if verdict.is_empty() {
            input.push_str(&format!("{command}\n"));
        } else if let Some(expression) = verdict.strip_prefix('|') {
            let output = world.run(machine, &format!("conntrack {command} 2>/dev/null | sed -e '{expression}'"));
            input = output.text;
        } else {
            let fed = core::mem::take(&mut input);
            let typed = match fed.is_empty() {
                true => format!("conntrack {command}"),
                false => format!("printf -- '%s' '{fed}' | conntrack {command}"),
            };
            let succeeds = world.run(machine, &typed).status == 0;
            count.note(succeeds == verdict.starts_with("OK"), || line.to_owned());
        }
    }
}
