//! Where the daemon's messages go.

use hopwise_machine::{Open, Sys};
use hopwise_routing::bird::cli::log_line;
use hopwise_routing::bird::config::{Config, LogTarget};
use hopwise_routing::bird::log::Class;

use super::options::Options;
use crate::kernel::SimKernel;

/// Writes a message to all that want its class.
pub(super) fn write(sys: &mut Sys<'_, SimKernel>, options: &Options, config: &Config, class: Class, text: &str) {
    let line = log_line(sys.now(), class, text);
    for log in config.logs.iter().filter(|log| log.classes & class.bit() != 0) {
        match &log.target {
            LogTarget::File(name) => append(sys, name, &line),
            LogTarget::Stderr => sys.err(&format!("bird: {text}\n")),
            LogTarget::Syslog => {}
        }
    }
    if let Some(name) = &options.debug_file {
        append(sys, name, &line);
    } else if options.debug {
        sys.err(&format!("bird: {text}\n"));
    }
}

fn append(sys: &mut Sys<'_, SimKernel>, name: &str, line: &str) {
    // A log that cannot be written is lost, as in BIRD.
    if let Ok(fd) = sys.open(name, Open::Append) {
        let _ = sys.write(fd, line.as_bytes());
        sys.close(fd);
    }
}
