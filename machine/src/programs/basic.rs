//! The smallest programs: true, false, echo, sleep, cat.

use hopwise_sim_core::{Duration, Time};

use crate::{Kernel, Open, Program, Read, Step, Sys, Wait, once};

/// `true`
pub(super) fn succeed<K: Kernel>(_: &[String]) -> Box<dyn Program<K>> {
    once(|_| 0)
}

/// `false`
pub(super) fn fail<K: Kernel>(_: &[String]) -> Box<dyn Program<K>> {
    once(|_| 1)
}

/// `echo`
pub(super) fn echo<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, K>| {
        sys.out(&format!("{}\n", args.join(" ")));
        0
    })
}

#[derive(Clone)]
struct Sleep {
    args: Vec<String>,
    until: Option<Time>,
}

/// `sleep`
pub(super) fn sleep<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    Box::new(Sleep { args: args.to_vec(), until: None })
}

impl<K: Kernel> Program<K> for Sleep {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let now = sys.now();
        let seconds: u64 = self.args.first().and_then(|a| a.parse().ok()).unwrap_or(0);
        let until = *self.until.get_or_insert(now + Duration::from_secs(seconds));
        if now >= until { Step::Exit(0) } else { Step::Block(Wait::until(until)) }
    }
}

#[derive(Clone)]
struct Cat {
    files: Vec<String>,
    open: Option<u32>,
    status: i32,
}

/// `cat`
pub(super) fn cat<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let mut files = args.to_vec();
    if files.is_empty() {
        files.push("-".to_owned());
    }
    Box::new(Cat { files, open: None, status: 0 })
}

impl<K: Kernel> Program<K> for Cat {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(fd) = self.open else {
            if self.files.is_empty() {
                return Step::Exit(self.status);
            }
            let name = self.files.remove(0);
            if name == "-" {
                self.open = Some(0);
            } else {
                match sys.open(&name, Open::Read) {
                    Ok(fd) => self.open = Some(fd),
                    Err(errno) => {
                        sys.err(&format!("cat: {name}: {errno}\n"));
                        self.status = 1;
                    }
                }
            }
            return Step::Again;
        };
        match sys.read(fd, 65536) {
            Ok(Read::Data(data)) => sys.out_bytes(&data),
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
            Ok(Read::Eof) | Err(_) => self.open = None,
        }
        Step::Again
    }
}
