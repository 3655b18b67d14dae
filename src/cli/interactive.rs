//! What the interactive shell asks a world, and which words Tab completes where.

use hopwise_scenarios::expect::Actual;
use hopwise_scenarios::run::LabWorld;

/// A world that a person types on.
pub(super) trait Interactive: LabWorld {
    /// Runs a command in the machine's login shell: unlike those of a lab's commands, its variables and working folder
    /// are still there at the next line.
    fn typed(&mut self, machine: &str, command: &str) -> Actual {
        self.run(machine, command)
    }
    /// Whether bash would ask for another line: an open quote, a `for` without its `done`.
    fn wants_more(&self, command: &str) -> bool;
    /// The programs and shell words that a machine knows.
    fn commands(&self, machine: &str) -> Vec<String>;
    /// The links of a machine, in all of its namespaces.
    fn links(&self, machine: &str) -> Vec<String>;
    /// The named namespaces of a machine.
    fn namespaces(&self, machine: &str) -> Vec<String>;
}

/// What kind of word is wanted at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A command: the line's first word, or the first one after `|`, `;`, `&&`, `netns exec NAME` and the like.
    Command,
    /// A machine, after `host`.
    Machine,
    /// A link.
    Link,
    /// A namespace.
    Namespace,
    /// A link or a namespace: an argument whose place tells nothing.
    Any,
}

/// Words after which a link is named.
const BEFORE_LINK: &[&str] =
    &["dev", "master", "set", "show", "-i", "iif", "oif", "peer", "brif", "delif", "addif", "ifconfig"];
/// Words after which a namespace is named.
const BEFORE_NAMESPACE: &[&str] = &["exec", "netns", "-n", "-netns", "del", "delete", "pids"];
/// Words after which a command begins.
const BEFORE_COMMAND: &[&str] = &["sudo", "time", "then", "do", "else", "nohup", "watch"];

/// What is wanted at the end of `before` (the line up to the word being completed).
pub(super) fn wanted(before: &str) -> Wanted {
    let words: Vec<&str> = before.split_whitespace().collect();
    let Some((last, earlier)) = words.split_last() else { return Wanted::Command };
    let previous = earlier.last().copied().unwrap_or("");
    if *last == "host" && earlier.is_empty() {
        Wanted::Machine
    } else if last.ends_with(['|', ';', '&', '(', '#']) || BEFORE_COMMAND.contains(last) || previous == "exec" {
        Wanted::Command
    } else if *last == "exec" && previous == "netns"
        || *last == "netns" && previous != "ip"
        || *last == "-n" && previous == "ip"
    {
        Wanted::Namespace
    } else if BEFORE_LINK.contains(last) {
        Wanted::Link
    } else if BEFORE_NAMESPACE.contains(last) {
        if before.contains("netns") { Wanted::Namespace } else { Wanted::Any }
    } else {
        Wanted::Any
    }
}

/// The words that can complete `start` at this place, sorted.
pub(super) fn candidates(
    world: &impl Interactive,
    machines: &[String],
    machine: &str,
    before: &str,
    start: &str,
) -> Vec<String> {
    let mut words = match wanted(before) {
        Wanted::Command => {
            let mut words = world.commands(machine);
            words.extend(["host", "exit"].map(str::to_owned));
            words
        }
        Wanted::Machine => machines.to_vec(),
        Wanted::Link => world.links(machine),
        Wanted::Namespace => world.namespaces(machine),
        Wanted::Any => [world.links(machine), world.namespaces(machine)].concat(),
    };
    words.retain(|word| word.starts_with(start));
    words.sort();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_before_tells_what_comes() {
        for (before, expected) in [
            ("", Wanted::Command),
            ("ip link | ", Wanted::Command),
            ("true; ", Wanted::Command),
            ("sudo ", Wanted::Command),
            ("ip netns exec netns1 ", Wanted::Command),
            ("host ", Wanted::Machine),
            ("ip netns exec ", Wanted::Namespace),
            ("ip -n ", Wanted::Namespace),
            ("ip link set veth1 netns ", Wanted::Namespace),
            ("ip netns del ", Wanted::Namespace),
            ("ip addr add 10.0.0.1/24 dev ", Wanted::Link),
            ("tcpdump -i ", Wanted::Link),
            ("ip link set ", Wanted::Link),
            ("ping ", Wanted::Any),
        ] {
            assert_eq!(wanted(before), expected, "{before}");
        }
    }
}
