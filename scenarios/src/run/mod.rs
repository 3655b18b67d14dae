//! Finding labs, running them, and what comes out of it.
//!
//! [`discover()`] finds the files, [`run_lab`] runs one lab on a [`LabWorld`], [`run_labs`] runs many on threads. What is
//! written is data first ([`OutputFile`]): whoever runs labs decides where it goes, so that nothing here touches a disk
//! except to read labs.

mod bind;
mod capture;
mod discover;
mod junit;
mod lab;
mod output;
mod pool;
mod report;
mod transcript;
mod world;

pub use bind::SimWorld;
pub use capture::CaptureFilter;
pub use discover::{LoadError, discover, load};
pub use junit::junit;
pub use lab::{Observer, RunOptions, Silent, run_lab};
pub use output::{OutputFile, components, session_files};
pub use pool::{PoolOptions, run_labs};
pub use report::{LabReport, StepReport, Summary, Verdict};
pub use transcript::Transcript;
pub use world::{BuildError, Capture, Captures, LabWorld, MachineFile, WorldOptions};
