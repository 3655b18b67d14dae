//! One file per kind of link of hopwise
