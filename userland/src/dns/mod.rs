//! Names: messages, the resolver of the C library, `dig`, `nslookup`, and a server like dnsmasq.

mod asking;
mod config;
pub mod dig;
mod exchange;
pub mod message;
pub mod nslookup;
mod resolver;
pub mod server;

pub(crate) use config::first_server;
pub use exchange::{Exchange, Failure};
pub use resolver::{Lookup, Names, Reverse};
