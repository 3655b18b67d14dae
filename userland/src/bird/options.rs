//! The command line of `bird`, and what it does before it becomes a daemon.

use hopwise_machine::{Program, Spawn, Step, Sys};
use hopwise_routing::bird::config::{self, Config};
use hopwise_sim_core::Errno;

use super::process::Bird;
use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;
use crate::unix;

const USAGE: &str = "Usage: bird [--version] [--help] [-c <config-file>] [OPTIONS]\n";
const HELP: &str = include_str!("help.txt");

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) config: String,
    pub(super) socket: String,
    pub(super) pid_file: Option<String>,
    pub(super) foreground: bool,
    pub(super) debug: bool,
    pub(super) debug_file: Option<String>,
    check: bool,
}

/// `bird`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Starting { args: args.to_vec(), daemon: None })
}

#[derive(Clone)]
struct Starting {
    args: Vec<String>,
    daemon: Option<Box<Bird>>,
}

impl Program<SimKernel> for Starting {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(daemon) = &mut self.daemon {
            return daemon.step(sys);
        }
        let (options, config) = match prepare(sys, &self.args) {
            Ok(Some(ready)) => ready,
            Ok(None) => return Step::Exit(0),
            Err(text) => {
                sys.err(&text);
                return Step::Exit(1);
            }
        };
        let bird = Box::new(Bird::new(options.clone(), config));
        if options.foreground || options.debug {
            return self.daemon.insert(bird).step(sys);
        }
        // It goes on in its folder: relative paths stay what they are.
        let child = Starting { args: self.args.clone(), daemon: Some(bird) };
        match sys.spawn(Spawn::fork(Box::new(child)).without_fd(0).without_fd(1).without_fd(2).new_group()) {
            Ok(_) => Step::Exit(0),
            Err(errno) => {
                sys.err(&format!("bird: fork: {errno}\n"));
                Step::Exit(1)
            }
        }
    }
}

fn options(args: &[String]) -> Result<Option<Options>, String> {
    let mut options = Options {
        config: "/etc/bird/bird.conf".into(),
        socket: "/run/bird/bird.ctl".into(),
        pid_file: None,
        foreground: false,
        debug: false,
        debug_file: None,
        check: false,
    };
    const LONG: &[Long] = &[("help", Argument::No, 'h'), ("version", Argument::No, 'V')];
    let parsed = getopt::parse(args, "c:dD:fg:hlpP:Rs:u:", LONG);
    for option in parsed.options {
        let option = option.map_err(|error| format!("bird: {error}\n\n{USAGE}"))?;
        match option.key {
            'c' => options.config = option.text().to_owned(),
            's' => options.socket = option.text().to_owned(),
            'P' => options.pid_file = Some(option.text().to_owned()),
            'D' => options.debug_file = Some(option.text().to_owned()),
            'd' => options.debug = true,
            'f' => options.foreground = true,
            'p' => options.check = true,
            'l' => (options.config, options.socket) = ("bird.conf".into(), "bird.ctl".into()),
            'R' => return Err("bird: Graceful restart recovery (-R) is not supported here\n".into()),
            // There is one user, who may do everything.
            'u' | 'g' if matches!(option.text(), "root" | "0" | "bird") => {}
            'u' => return Err(format!("bird: User {} does not exist\n", option.text())),
            'g' => return Err(format!("bird: Group {} does not exist\n", option.text())),
            'h' => return Err(String::new()),
            _ => return Ok(None),
        }
    }
    if !parsed.operands.is_empty() {
        return Err(format!("\n{USAGE}"));
    }
    Ok(Some(options))
}

/// Reads options and configuration. `None`: there is nothing more to do.
fn prepare(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Option<(Options, Config)>, String> {
    let options = match options(args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            sys.err("BIRD version 2.0.12\n");
            return Ok(None);
        }
        Err(text) if text.is_empty() => {
            sys.out(&format!("{USAGE}\n{HELP}"));
            return Ok(None);
        }
        Err(text) => return Err(text),
    };
    if !options.check && unix::is_served(sys, &options.socket) {
        return Err("bird: I found another BIRD running.\n".into());
    }
    if !options.check {
        // The control socket comes first, and stays behind if there is no configuration to go on with (cli_init_unix).
        let _ = sys.write_file(&options.socket, b"");
    }
    let config = read_config(sys, &options.config)?;
    for warning in &config.warnings {
        sys.err(&format!("bird: {warning}\n"));
    }
    if options.check {
        return Ok(None);
    }
    Ok(Some((options, config)))
}

fn read_config(sys: &mut Sys<'_, SimKernel>, path: &str) -> Result<Config, String> {
    let failed = |errno: Errno| format!("bird: Unable to open configuration file {path}: {errno}\n");
    let bytes = sys.read_file(path).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut read = |name: &str| sys.read_file(name).map_err(|errno| errno.to_string());
    config::parse(path, &text, &mut read).map_err(|error| format!("bird: {error}\n"))
}
