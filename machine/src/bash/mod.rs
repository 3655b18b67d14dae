//! bash: placeholder that runs one program; the interpreter follows.

use crate::{Kernel, Program, Spawn, Step, Sys, Wait};

#[derive(Clone)]
struct Stub {
    text: Option<String>,
    child: Option<u32>,
    session: bool,
    number: u32,
}

impl<K: Kernel> Program<K> for Stub {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        if let Some(child) = self.child {
            let Ok(Some(status)) = sys.reap(child) else { return Step::Block(Wait::event()) };
            self.child = None;
            if !self.session {
                return Step::Exit(status.shell_code());
            }
            sys.m.command_done(self.number, status.shell_code());
        }
        let text = if self.session {
            let Some((number, text)) = sys.m.next_typed(sys.number) else { return Step::Block(Wait::event()) };
            self.number = number;
            text.to_string()
        } else {
            self.text.clone().unwrap_or_default()
        };
        match sys.spawn(Spawn::new(text.split_whitespace().map(str::to_owned).collect())) {
            Ok(child) => self.child = Some(child),
            Err(errno) => {
                sys.err(&format!("bash: {errno}\n"));
                return Step::Exit(127);
            }
        }
        Step::Again
    }
}

/// A session that waits for typed commands.
pub(crate) fn session<K: Kernel>() -> Box<dyn Program<K>> {
    Box::new(Stub { text: None, child: None, session: true, number: 0 })
}

/// A shell that runs a file.
pub(crate) fn script<K: Kernel>(path: &str, _args: &[String]) -> Box<dyn Program<K>> {
    text("bash", path)
}

/// A shell that runs this text.
pub(crate) fn text<K: Kernel>(_name: &str, text: &str) -> Box<dyn Program<K>> {
    Box::new(Stub { text: Some(text.to_owned()), child: None, session: false, number: 0 })
}
