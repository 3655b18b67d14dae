//! Children and jobs: who runs, who has ended how, and the table that `jobs`, `wait`, `kill %1` read.

use std::collections::{BTreeMap, BTreeSet};

use super::shell::Shell;
use crate::process::ExitStatus;
use crate::{Kernel, Sys};

/// A background command.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) number: u32,
    /// The process whose number is `$!`.
    pub(super) pid: u32,
    pub(super) group: u32,
    pub(super) text: String,
    pub(super) status: Option<ExitStatus>,
}

#[derive(Clone, Default, Debug)]
pub(super) struct Jobs {
    children: BTreeSet<u32>,
    ended: BTreeMap<u32, ExitStatus>,
    pub(super) list: Vec<Job>,
}

impl Jobs {
    pub(super) fn add_child(&mut self, pid: u32) {
        self.children.insert(pid);
    }

    pub(super) fn add_job(&mut self, pid: u32, group: u32, text: String) -> u32 {
        let number = self.list.iter().map(|j| j.number).max().unwrap_or(0) + 1;
        self.list.push(Job { number, pid, group, text, status: None });
        number
    }

    /// How a child ended, once.
    pub(super) fn take_status(&mut self, pid: u32) -> Option<ExitStatus> {
        self.ended.remove(&pid)
    }

    /// How a child ended; it can be asked again.
    pub(super) fn status(&self, pid: u32) -> Option<ExitStatus> {
        self.ended.get(&pid).copied()
    }

    pub(super) fn is_running(&self, pid: u32) -> bool {
        self.children.contains(&pid)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Job> {
        self.list.iter().filter(|j| j.status.is_none())
    }

    /// Drops jobs whose end is known to the user.
    pub(super) fn forget_finished(&mut self) {
        let ended: Vec<u32> = self.list.iter().filter(|j| j.status.is_some()).map(|j| j.pid).collect();
        self.list.retain(|j| j.status.is_none());
        for pid in ended {
            self.ended.remove(&pid);
        }
    }

    /// `%1`, `%%`, `%+`, `%-`, `%name`, `%?text`
    pub(super) fn find(&self, spec: &str) -> Option<&Job> {
        let spec = spec.strip_prefix('%')?;
        match spec {
            "" | "%" | "+" => self.current(),
            "-" => self.previous(),
            _ if spec.parse::<u32>().is_ok() => self.list.iter().find(|j| Some(j.number) == spec.parse().ok()),
            _ => match spec.strip_prefix('?') {
                Some(text) => self.list.iter().find(|j| j.text.contains(text)),
                None => self.list.iter().find(|j| j.text.starts_with(spec)),
            },
        }
    }

    pub(super) fn current(&self) -> Option<&Job> {
        self.list.last()
    }

    pub(super) fn previous(&self) -> Option<&Job> {
        self.list.len().checked_sub(2).and_then(|n| self.list.get(n)).or(self.list.last())
    }
}

impl Shell {
    /// Fetches the ends of children.
    pub(super) fn reap<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        for pid in self.jobs.children.iter().copied().collect::<Vec<_>>() {
            let status = match sys.reap(pid) {
                Ok(None) => continue,
                Ok(Some(status)) => status,
                Err(_) => ExitStatus::Code(127),
            };
            self.jobs.children.remove(&pid);
            self.jobs.ended.insert(pid, status);
            if let Some(job) = self.jobs.list.iter_mut().find(|j| j.pid == pid) {
                job.status = Some(status);
            }
        }
    }
}
