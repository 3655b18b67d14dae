//! A simulated Unix machine: its file tree, processes, pipes, bash and the everyday text programs. It knows no network; what it needs
//! from the networking side is the [`Kernel`] trait, and network programs are added to the [`ProgramTable`].
//!
//! Everything is a state machine that is stepped in virtual time: no thread, no call of the real operating system, and
//! [`Machines`] can be cloned while daemons run.
//!
//! ```
//! use hopwise_machine::{Machines, NoNetwork, ProgramTable, run_until_idle};
//! let mut kernel = NoNetwork;
//! let mut machines: Machines<NoNetwork> = Machines::new(ProgramTable::default(), 1);
//! let host = machines.add_machine("host", ());
//! let command = machines.submit(host, "sleep 3600; echo done").unwrap();
//! run_until_idle(&mut machines, &mut kernel);
//! assert_eq!(machines.output(command), b"done\n");
//! assert_eq!(machines.status(command), Some(0));
//! ```

pub mod bash;
pub mod clock;
pub mod files;
mod format;
mod io;
mod kernel;
mod machine;
mod machines;
mod process;
mod procfs;
mod program;
pub mod programs;
mod regexp;
mod signal;
mod sys;
mod sys_files;
mod work;

pub use bash::is_incomplete;
pub use files::FileKind;
pub use format::general_6;
pub use hopwise_sim_core::Errno;
pub use io::Read;
pub use kernel::{DirEntry, Kernel, MachineId, NoNetwork, Pid};
pub use machines::{CommandId, Machines};
pub use process::{Env, EnvMap, ExitStatus};
pub use procfs::KERNEL_RELEASE;
pub use program::{EXEC_COST, Place, Program, ProgramEntry, ProgramTable, Start, Step, Wait, once};
pub use signal::{DefaultAction, Signal, SignalSet};
pub use sys::{ProcessInfo, Spawn, Sys};
pub use sys_files::Open;

/// Lets virtual time go on from process deadline to process deadline until no process waits for time any more: for tests and for worlds
/// without a network, whose own agenda would have to be part of it.
pub fn run_until_idle<K: Kernel>(machines: &mut Machines<K>, kernel: &mut K) {
    while let Some(time) = machines.next_wake() {
        machines.step_ready(time, kernel);
    }
}
