//! Who gives out which addresses.

pub mod calico;
