//! A shell's session: the world, the machine the user is on, and what was done.

use hopwise_scenarios::document::command::{Collector, Need};
use hopwise_scenarios::document::{Topology, prompt};
use hopwise_scenarios::expect::Actual;
use hopwise_scenarios::run::{Transcript, session_files};

use super::super::interactive::{self, Interactive};
use super::Ending;

/// What a line led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This is printed.
    Output(String),
    /// The user leaves.
    Leave,
}

/// A session.
pub(super) struct Session<W> {
    name: String,
    world: W,
    machines: Vec<String>,
    current: String,
    status: u8,
    transcript: Transcript,
}

impl<W: Interactive> Session<W> {
    /// A session that begins on the first machine.
    pub(super) fn new(name: String, world: W, topology: &Topology) -> Self {
        let machines: Vec<String> = topology.machines.iter().map(|machine| machine.name.clone()).collect();
        let current = machines.first().cloned().unwrap_or_default();
        Self { name, world, machines, current, status: 0, transcript: Transcript::default() }
    }

    /// The exit status of the last command.
    pub(super) fn status(&self) -> u8 {
        self.status
    }

    /// The prompt: the one that lab documents have.
    pub(super) fn prompt(&self) -> String {
        format!("{}# ", self.current)
    }

    /// Whether the command so far needs another line before it can run.
    pub(super) fn wants_more(&self, text: &str) -> bool {
        let mut lines = text.split('\n');
        let mut command = Collector::new(lines.next().unwrap_or(""));
        lines.for_each(|line| command.push(line));
        command.need() != Need::Nothing || self.world.wants_more(text)
    }

    /// Does what was typed. A paste of several lines with prompts on them is several commands.
    pub(super) fn typed(&mut self, text: &str) -> Answer {
        if self.pasted(text).is_none() {
            return self.line(text);
        }
        let mut output = String::new();
        let mut lines = text.split('\n');
        while let Some(line) = lines.next() {
            let mut command = line.to_owned();
            while self.wants_more(&command) {
                let Some(next) = lines.next() else { break };
                command = command + "\n" + next;
            }
            match self.line(&command) {
                Answer::Output(text) => output.push_str(&text),
                Answer::Leave => return Answer::Leave,
            }
        }
        Answer::Output(output)
    }

    /// The machine and the command of a line that has a machine's prompt on it: lines come from tutorials.
    fn pasted<'l>(&self, line: &'l str) -> Option<(&'l str, &'l str)> {
        let prompt = prompt::read(line)?;
        let machine = prompt.machine.filter(|machine| self.machines.iter().any(|name| name == machine))?;
        Some((machine, prompt.command))
    }

    /// Does what one line (or one command of several lines) says.
    fn line(&mut self, line: &str) -> Answer {
        if let Some((machine, command)) = self.pasted(line) {
            return self.run(machine, command);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => Answer::Output(String::new()),
            ["exit" | "quit" | "logout"] => Answer::Leave,
            ["exit", status] if status.parse::<u8>().is_ok() => {
                self.status = status.parse().unwrap_or(0);
                Answer::Leave
            }
            ["host"] => Answer::Output(self.list()),
            ["host", name] => self.change(name),
            _ => self.run(&self.current.clone(), line),
        }
    }

    fn run(&mut self, machine: &str, command: &str) -> Answer {
        let actual = self.world.typed(machine, command);
        self.status = u8::try_from(actual.status).unwrap_or(u8::MAX);
        self.transcript.add(machine, command, &actual);
        let Actual { output, .. } = actual;
        Answer::Output(output)
    }

    fn list(&self) -> String {
        let line = |name: &String| format!("{} {name}\n", if *name == self.current { '*' } else { ' ' });
        self.machines.iter().map(line).collect()
    }

    fn change(&mut self, name: &str) -> Answer {
        if self.machines.iter().any(|machine| machine == name) {
            self.current = name.to_owned();
            self.status = 0;
            return Answer::Output(String::new());
        }
        self.status = 1;
        Answer::Output(format!("host: there is no machine `{name}`: the machines are {}\n", self.machines.join(", ")))
    }

    /// The words that can complete `start`, `before` being the line before it.
    pub(super) fn complete(&self, before: &str, start: &str) -> Vec<String> {
        interactive::candidates(&self.world, &self.machines, &self.current, before, start)
    }

    /// Ends the session: what still runs is ended, and the files are there.
    pub(super) fn end(mut self) -> Ending {
        self.world.finish();
        let (files, problems) = session_files(&self.world, self.transcript);
        Ending { name: self.name, files, problems }
    }
}
