//! Lab documents: a Markdown tutorial whose console blocks run and check themselves.
//!
//! - [`document`] reads a lab (Markdown, a containerlab topology or a shell script) into a [`document::Lab`];
//! - [`expect`] compares what a command printed with what the document says, shows the difference and blesses it;
//! - [`run`] finds labs, runs them on a [`run::LabWorld`] and collects reports, transcripts and captures;
//! - [`diagnostic`] shows what is wrong in a document: file, line, column, and what would be right.
//!
//! Nothing in here simulates a network. The world is a trait, so that the format can be tested without one;
//! [`run::SimWorld`] is the real one.

pub mod diagnostic;
pub mod document;
pub mod expect;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod run;
