//! `hopwise shell`: a person types, or a pipe does.

mod editor;
mod session;

use std::io::{self, BufRead, IsTerminal, Write};

use hopwise_scenarios::run::OutputFile;

use super::args::ShellArgs;
use super::disk::OutputFolder;
use super::interactive::Interactive;
use super::{Ended, Refusal, stage};
use session::{Answer, Session};

/// Runs the shell until the user leaves. The exit status is the last command's, as a shell's is.
pub(super) fn shell<W: Interactive>(args: &ShellArgs) -> Ended {
    let out = args.out.as_deref().map(OutputFolder::open).transpose()?;
    let mut session = begin::<W>(args)?;
    let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let status = if interactive {
        editor::converse(&mut session)?
    } else {
        piped(&mut session, io::stdin().lock(), &mut io::stdout())?
    };
    if let Some(out) = out {
        let Ending { name, files, mut problems } = session.end();
        problems.extend(out.write_lab(&name, &files));
        if !problems.is_empty() {
            return Err(Refusal::new(problems.join("\n")));
        }
    }
    Ok(status)
}

/// The machines, with the lab's commands run.
fn begin<W: Interactive>(args: &ShellArgs) -> Result<Session<W>, Refusal> {
    let lab = args.lab.as_deref().map(stage::one_lab).transpose()?;
    let (world, topology) = stage::play(lab.as_ref(), args.fresh, args.seed)?;
    let name = lab.as_ref().map_or("shell", |lab| lab.name.as_str()).to_owned();
    Ok(Session::new(name, world, &topology))
}

/// Commands through a pipe: outputs come out, prompts do not.
fn piped<W: Interactive>(session: &mut Session<W>, input: impl BufRead, output: &mut impl Write) -> Ended {
    let mut lines = input.lines();
    while let Some(line) = lines.next() {
        let read = |line: io::Result<String>| line.map_err(|error| Refusal::new(format!("standard input: {error}")));
        let mut command = read(line)?;
        while session.wants_more(&command) {
            let Some(next) = lines.next() else { break };
            command = command + "\n" + &read(next)?;
        }
        let text = match session.typed(&command) {
            Answer::Leave => break,
            Answer::Output(text) => text,
        };
        if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err() {
            // Nobody reads any more.
            break;
        }
    }
    Ok(session.status())
}

/// What a session leaves behind.
struct Ending {
    /// The name of its folder.
    name: String,
    files: Vec<OutputFile>,
    /// A sentence for each file that cannot be written.
    problems: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopwise_scenarios::document;
    use hopwise_scenarios::fake::FakeWorld;
    use hopwise_scenarios::run::{LabWorld, WorldOptions};

    impl Interactive for FakeWorld {
        fn wants_more(&self, command: &str) -> bool {
            command.matches('"').count() % 2 == 1
        }

        fn commands(&self, _: &str) -> Vec<String> {
            ["say", "put", "fail"].map(str::to_owned).to_vec()
        }

        fn links(&self, machine: &str) -> Vec<String> {
            vec![format!("{machine}-eth0")]
        }

        fn namespaces(&self, _: &str) -> Vec<String> {
            vec!["netns1".to_owned()]
        }
    }

    fn session() -> Session<FakeWorld> {
        let lab = document::read("x.md", "---\ntopology: {nodes: {a: {}, b: {}}}\n---\n");
        let world = FakeWorld::build(&lab.topology, &WorldOptions::default()).unwrap();
        Session::new("x".into(), world, &lab.topology)
    }

    fn typed(text: &str) -> (String, u8) {
        let mut output = Vec::new();
        let status = piped(&mut session(), text.as_bytes(), &mut output).unwrap();
        (String::from_utf8(output).unwrap(), status)
    }

    #[test]
    fn commands_through_a_pipe() {
        assert_eq!(typed("say one\n\nfail 3\n"), ("one\n".into(), 3));
        assert_eq!(typed("say one\nexit\nsay two\n"), ("one\n".into(), 0));
        assert_eq!(typed("exit 4\n"), ("".into(), 4));
        assert_eq!(typed("put no newline"), ("no newline".into(), 0));
    }

    #[test]
    fn machines_change() {
        assert_eq!(typed("host\nhost b\nhost\n").0, "* a\n  b\n  a\n* b\n");
        assert_eq!(typed("host c\n"), ("host: there is no machine `c`: the machines are a, b\n".into(), 1));
    }

    #[test]
    fn a_pasted_prompt_says_where_a_line_runs() {
        assert_eq!(typed("b# say one\n[root@a ~]# say two\nhost\n").0, "one\ntwo\n* a\n  b\n");
        assert_eq!(typed("# a comment of bash\nc# say x\n").1, 127);
    }

    #[test]
    fn a_command_goes_over_lines() {
        assert_eq!(typed("say a \\\nb\n").0, "a \\\nb\n");
        assert_eq!(typed("say <<E\nx\nE\nsay y\n").0, "<<E\nx\nE\ny\n");
        assert_eq!(typed("say \"x\ny\"\nsay z\n").0, "\"x\ny\"\nz\n");
        assert_eq!(typed("say \"never closed\n").0, "\"never closed\n");
    }

    #[test]
    fn a_paste_of_several_prompts_is_several_commands() {
        let mut session = session();
        let answer = session.typed("a# say one\nb# say \"two\nthree\"\nsay four");
        assert_eq!(answer, Answer::Output("one\n\"two\nthree\"\nfour\n".into()));
        assert_eq!(session.typed("say one\nsay two"), Answer::Output("one\nsay two\n".into()));
    }

    #[test]
    fn a_session_leaves_files() {
        let mut session = session();
        session.typed("write f x");
        let Ending { name, files, .. } = session.end();
        let paths: Vec<String> = files.iter().map(|file| file.path.join("/")).collect();
        assert_eq!((name.as_str(), paths), ("x", vec!["a/f".to_owned(), "transcript.txt".to_owned()]));
    }

    #[test]
    fn tab_completes_what_exists() {
        let session = session();
        assert_eq!(session.complete("", "s"), ["say"]);
        assert_eq!(session.complete("host ", ""), ["a", "b"]);
        assert_eq!(session.complete("ip link show ", ""), ["a-eth0"]);
        assert_eq!(session.complete("ip netns exec ", "n"), ["netns1"]);
    }
}
