//! The everyday programs. Adding one is a file (or a function in a file) and one line in the table below.

mod awk;
mod base64;
mod comm;
mod diff;
mod digest;
mod dump;
mod ends;
mod files;
mod filter;
mod fold;
mod grep;
mod jq;
mod look;
mod opts;
mod process;
mod sed;
mod shuf;
mod small;
mod sort;
mod split;
mod text;
mod two;

use crate::{Kernel, Place, Program, ProgramEntry, Start};

pub use opts::{Opts, getopt, refuse};

/// A builtin of bash as a program of its own (`/usr/bin/printf`, for `xargs` and `env`).
fn through_bash<K: Kernel>(name: &'static str, args: &[String]) -> Box<dyn Program<K>> {
    let mut argv = vec!["-c".to_owned(), format!("{name} \"$@\""), name.to_owned()];
    argv.extend(args.iter().cloned());
    crate::bash::start(&argv)
}

fn echo<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    through_bash("echo", args)
}
fn printf<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    through_bash("printf", args)
}
fn test<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    through_bash("test", args)
}
fn bracket<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    through_bash("[", args)
}
fn pwd<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    through_bash("pwd", args)
}
fn succeed<K: Kernel>(_: &[String]) -> Box<dyn Program<K>> {
    crate::once(|_| 0)
}
fn fail<K: Kernel>(_: &[String]) -> Box<dyn Program<K>> {
    crate::once(|_| 1)
}
fn watch<K: Kernel>(_: &[String]) -> Box<dyn Program<K>> {
    refuse("watch: not supported by hopwise: it never ends and needs a terminal\n".to_owned(), 1)
}

/// All programs of this crate.
pub(crate) fn table<K: Kernel>() -> Vec<ProgramEntry<K>> {
    let row = |package, name, about, start: Start<K>| ProgramEntry { name, place: Place::Bin, package, about, start };
    let core = |name, about, start: Start<K>| row("coreutils", name, about, start);
    vec![
        row("bash", "bash", "the GNU Bourne-Again shell", crate::bash::start),
        row("bash", "sh", "the shell (bash)", crate::bash::start),
        core("[", "evaluate a condition", bracket),
        row("mawk", "awk", "pattern scanning and processing", awk::start),
        core("base64", "encode and decode base64", base64::base64),
        core("basename", "strip folder and suffix from names", small::basename),
        core("cat", "concatenate files and print them", files::cat),
        core("chmod", "change permission bits", files::chmod),
        row("ncurses-bin", "clear", "clear the terminal", small::clear),
        row("bsdextrautils", "column", "arrange lines in columns (-t)", small::column),
        core("comm", "compare sorted files line by line", comm::comm),
        core("cp", "copy files", files::cp),
        core("cut", "print parts of lines", text::cut),
        core("date", "print the (virtual) date", small::date),
        row("diffutils", "diff", "compare files line by line", diff::start),
        core("dirname", "strip the last part of names", small::dirname),
        core("echo", "display a line of text", echo),
        row("grep", "egrep", "print lines that match (-E)", grep::extended),
        core("env", "run a program in a changed environment", process::env),
        core("expr", "evaluate an expression", small::expr),
        core("false", "do nothing, unsuccessfully", fail),
        row("grep", "fgrep", "print lines that match (-F)", grep::plain),
        row("findutils", "find", "search for files", look::find),
        core("fold", "break long lines", fold::fold),
        row("mawk", "gawk", "pattern scanning and processing (mawk)", awk::start),
        row("grep", "grep", "print lines that match a pattern", grep::start),
        core("head", "print the first part of files", ends::head),
        row("bsdextrautils", "hexdump", "print bytes (-C)", dump::hexdump),
        row("hostname", "hostname", "show or set the machine's name", small::hostname),
        core("id", "print user and groups", small::id),
        row("jq", "jq", "filter and print JSON", jq::start),
        row("procps", "kill", "send a signal", process::kill),
        row("psmisc", "killall", "send a signal by name", process::killall),
        core("ln", "make links", files::ln),
        core("ls", "list folders", look::ls),
        row("mawk", "mawk", "pattern scanning and processing", awk::start),
        core("md5sum", "print or check MD5 digests", digest::md5sum),
        core("mkdir", "make folders", files::mkdir),
        core("mktemp", "make a temporary file or folder", small::mktemp),
        core("mv", "move files", files::mv),
        core("nl", "number lines", text::nl),
        core("nohup", "run a program immune to hangups", process::nohup),
        core("nproc", "print the number of processors", small::nproc),
        core("od", "print bytes (-t x1)", dump::od),
        core("paste", "join lines of files", text::paste),
        row("procps", "pgrep", "look processes up by name", process::pgrep),
        row("procps", "pkill", "send a signal by name", process::pkill),
        core("printenv", "print the environment", small::printenv),
        core("printf", "print formatted", printf),
        row("procps", "ps", "list processes", process::ps),
        core("pwd", "print the working folder", pwd),
        core("readlink", "print where a link points", files::readlink),
        core("realpath", "print the resolved path", files::realpath),
        row("bsdextrautils", "rev", "reverse lines", text::rev),
        core("rm", "remove files", files::rm),
        core("rmdir", "remove empty folders", files::rmdir),
        row("sed", "sed", "edit a stream", sed::start),
        core("seq", "print numbers", small::seq),
        row("util-linux", "setsid", "run a program in a session of its own", process::setsid),
        core("sha1sum", "print or check SHA-1 digests", digest::sha1sum),
        core("sha256sum", "print or check SHA-256 digests", digest::sha256sum),
        core("sha512sum", "print or check SHA-512 digests", digest::sha512sum),
        core("shuf", "print lines in random order", shuf::shuf),
        core("sleep", "wait (virtual time)", small::sleep),
        core("sort", "sort lines", sort::start),
        core("split", "cut a file into pieces", split::split),
        core("stat", "show what is known of a file", look::stat),
        row("sudo", "sudo", "run a program as root (as all are)", process::sudo),
        core("tac", "print lines last to first", text::tac),
        core("tail", "print the last part of files", ends::tail),
        core("tee", "copy input to files and output", text::tee),
        core("test", "evaluate a condition", test),
        core("timeout", "run a program with a time limit", process::timeout),
        core("touch", "make files, change time stamps", files::touch),
        core("tr", "translate characters", text::tr),
        core("true", "do nothing, successfully", succeed),
        core("truncate", "change a file's size", files::truncate),
        core("tty", "print the terminal's name", small::tty),
        core("uname", "print system information", small::uname),
        core("uniq", "drop repeated lines", text::uniq),
        row("procps", "watch", "refused", watch),
        core("wc", "count lines, words, bytes", text::wc),
        row("debianutils", "which", "locate a program", small::which),
        core("whoami", "print the user's name", small::whoami),
        row("findutils", "xargs", "build and run command lines", process::xargs),
        row("xxd", "xxd", "print bytes", dump::xxd),
        core("yes", "print a line for ever", small::yes),
    ]
}
