//! Redirections: they change the shell's own descriptors, and are put back when the command is done.

use super::ast::{Redirect, RedirectKind, Word};
use super::expand::{Memo, Stop};
use super::frame::Kind;
use super::shell::Shell;
use crate::files::FileKind;
use crate::{Errno, Kernel, Open, Sys};

/// Where replaced descriptors are kept (bash: from 10 on).
const SAVED_FROM: u32 = 10;

impl Shell {
    /// Does one redirection; what it replaced goes to `saved`.
    pub(super) fn redirect<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        redirect: &Redirect,
        memo: &Memo,
        saved: &mut Vec<(u32, Option<u32>)>,
    ) -> Result<(), Stop> {
        match &redirect.kind {
            RedirectKind::Read(word) => self.open_to(sys, redirect.fd.unwrap_or(0), word, Open::Read, memo, saved),
            RedirectKind::Write(word) => {
                let how = if self.options.noclobber { Open::CreateNew } else { Open::Write };
                self.open_to(sys, redirect.fd.unwrap_or(1), word, how, memo, saved)
            }
            RedirectKind::Clobber(word) => self.open_to(sys, redirect.fd.unwrap_or(1), word, Open::Write, memo, saved),
            RedirectKind::Append(word) => self.open_to(sys, redirect.fd.unwrap_or(1), word, Open::Append, memo, saved),
            RedirectKind::ReadWrite(word) => {
                self.open_to(sys, redirect.fd.unwrap_or(0), word, Open::ReadWrite, memo, saved)
            }
            RedirectKind::Both(word, append) => {
                let how = if *append { Open::Append } else { Open::Write };
                self.open_to(sys, 1, word, how, memo, saved)?;
                self.save(sys, 2, saved);
                sys.dup_to(1, 2).map_err(|e| Stop::error(format!("2: {e}")))
            }
            RedirectKind::DupIn(word) => {
                self.duplicate(sys, redirect.fd.unwrap_or(0), word, false, redirect.fd.is_none(), memo, saved)
            }
            RedirectKind::DupOut(word) => {
                self.duplicate(sys, redirect.fd.unwrap_or(1), word, true, redirect.fd.is_none(), memo, saved)
            }
            RedirectKind::HereDoc(word) => {
                let text = self.attempt(sys, memo, |x| x.text(word))?;
                self.text_to(sys, redirect.fd.unwrap_or(0), &text, saved);
                Ok(())
            }
            RedirectKind::HereString(word) => {
                let text = self.attempt(sys, memo, |x| x.text(word))?;
                self.text_to(sys, redirect.fd.unwrap_or(0), &format!("{text}\n"), saved);
                Ok(())
            }
            RedirectKind::ProcessSubstitution(read, list) => {
                let fd = redirect.fd.unwrap_or(u32::from(!read));
                let end = self.start_process_substitution(sys, *read, list)?;
                self.save(sys, fd, saved);
                let _ = sys.dup_to(end, fd);
                sys.close(end);
                Ok(())
            }
        }
    }

    fn text_to<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, fd: u32, text: &str, saved: &mut Vec<(u32, Option<u32>)>) {
        self.save(sys, fd, saved);
        let source = sys.text_fd(text.as_bytes());
        let _ = sys.dup_to(source, fd);
        sys.close(source);
    }

    /// The one name a redirection leads to.
    fn target<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, word: &Word, memo: &Memo) -> Result<String, Stop> {
        let mut names = Vec::new();
        self.attempt(sys, memo, |x| x.fields(word, &mut names))?;
        match names.as_slice() {
            [name] => Ok(name.clone()),
            _ => Err(Stop::error(format!("{}: ambiguous redirect", source_text(word)))),
        }
    }

    fn open_to<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        fd: u32,
        word: &Word,
        how: Open,
        memo: &Memo,
        saved: &mut Vec<(u32, Option<u32>)>,
    ) -> Result<(), Stop> {
        let name = self.target(sys, word, memo)?;
        if how == Open::CreateNew && sys.stat(&name, true).is_ok_and(|s| s.kind == FileKind::File) {
            return Err(Stop::error(format!("{name}: cannot overwrite existing file")));
        }
        let how = if how == Open::CreateNew { Open::Write } else { how };
        let opened = if name.starts_with("/dev/tcp/") || name.starts_with("/dev/udp/") {
            Err(Errno::EOPNOTSUPP)
        } else {
            sys.open(&name, how)
        };
        let file = opened.map_err(|errno| Stop::error(format!("{name}: {errno}")))?;
        self.save(sys, fd, saved);
        if file != fd {
            let _ = sys.dup_to(file, fd);
            sys.close(file);
        } else {
            sys.keep_on_exec(fd);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a redirection's parts, used in two places")]
    fn duplicate<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        fd: u32,
        word: &Word,
        output: bool,
        fd_is_default: bool,
        memo: &Memo,
        saved: &mut Vec<(u32, Option<u32>)>,
    ) -> Result<(), Stop> {
        let name = self.target(sys, word, memo)?;
        if name == "-" {
            self.save(sys, fd, saved);
            sys.close(fd);
            return Ok(());
        }
        let (digits, moves) = name.strip_suffix('-').map_or((name.as_str(), false), |d| (d, true));
        match digits.parse::<u32>() {
            Ok(from) => {
                if !sys.is_open(from) || self.saved_fds.contains(&from) {
                    return Err(Stop::error(format!("{from}: {}", Errno::EBADF)));
                }
                self.save(sys, fd, saved);
                sys.dup_to(from, fd).map_err(|e| Stop::error(format!("{from}: {e}")))?;
                if moves {
                    self.save(sys, from, saved);
                    sys.close(from);
                }
                Ok(())
            }
            Err(_) if output && fd_is_default => {
                self.open_to(sys, 1, &Word::literal(&name), Open::Write, memo, saved)?;
                self.save(sys, 2, saved);
                sys.dup_to(1, 2).map_err(|e| Stop::error(format!("2: {e}")))
            }
            Err(_) => Err(Stop::error(format!("{}: ambiguous redirect", source_text(word)))),
        }
    }

    fn save<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, fd: u32, saved: &mut Vec<(u32, Option<u32>)>) {
        let kept = sys.dup_above(fd, SAVED_FROM).ok();
        self.saved_fds.extend(kept);
        saved.push((fd, kept));
    }

    /// Puts back what a redirection replaced.
    pub(super) fn put_back<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, fd: u32, kept: Option<u32>) {
        match kept {
            Some(kept) => {
                let _ = sys.dup_to(kept, fd);
                sys.close(kept);
                self.saved_fds.remove(&kept);
            }
            None => sys.close(fd),
        }
    }

    /// Starts the commands of `<(...)` or `>(...)`; gives this shell's end of the pipe.
    pub(super) fn start_process_substitution<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        read: bool,
        list: &std::sync::Arc<super::ast::List>,
    ) -> Result<u32, Stop> {
        let (reader, writer) = sys.pipe();
        let (mine, theirs, theirs_at) = if read { (reader, writer, 1) } else { (writer, reader, 0) };
        let mut child = self.fork(Kind::List { list: list.clone(), at: 0 });
        child.may_exec = true;
        let started = self.spawn_shell(sys, child, |s| s.fd(theirs_at, theirs).without_fd(mine).without_fd(theirs));
        sys.close(theirs);
        match started {
            Ok(pid) => {
                self.last_background = Some(pid);
                Ok(mine)
            }
            Err(_) => {
                sys.close(mine);
                Err(Stop::fatal("cannot make child for process substitution"))
            }
        }
    }
}

/// A word roughly as it was written, for messages.
pub(super) fn source_text(word: &Word) -> String {
    use super::ast::Part;
    let part = |p: &Part| match p {
        Part::Text(t) | Part::Quoted(t) => t.clone(),
        Part::Double(inner) => format!("\"{}\"", source_text(&Word { parts: inner.clone() })),
        Part::Param(p) if p.source.is_empty() => format!("${}", p.name),
        Part::Param(p) => p.source.clone(),
        Part::Command(s) => format!("$({})", s.text),
        Part::Arith(w) => format!("$(({}))", source_text(w)),
        Part::Tilde(user) => format!("~{user}"),
        Part::Refused(_) => String::new(),
    };
    word.parts.iter().map(part).collect()
}
