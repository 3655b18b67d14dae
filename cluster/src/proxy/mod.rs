//! kube-proxy in iptables mode: what it writes for Services.

mod memo;
pub mod names;
mod ports;
mod purposes;
mod rules;

pub use memo::{Memo, NodeRules};
pub use ports::{Backend, Port, ports};
pub use purposes::purposes;
pub use rules::{JUMPS, Jump, Written, write};
