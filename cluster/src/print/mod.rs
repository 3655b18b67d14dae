//! What kubectl prints.

pub mod describe;
pub mod jsonpath;
pub mod table;
pub mod tabwriter;
pub mod yaml;

use core::fmt::Display;

use crate::object::ObjectMeta;
use crate::store::Store;
use crate::time::{Timestamp, human};

/// A column of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// What stands above it.
    pub name: &'static str,
    /// Whether it is there with `-o wide` only.
    pub wide: bool,
}

impl Column {
    /// One that is always there.
    pub const fn new(name: &'static str) -> Self {
        Column { name, wide: false }
    }

    /// One that is there with `-o wide`.
    pub const fn wide(name: &'static str) -> Self {
        Column { name, wide: true }
    }
}

/// What a printer may look at besides the object.
#[derive(Clone, Copy)]
pub struct Show<'a> {
    /// The other objects.
    pub store: &'a Store,
    /// The present.
    pub now: Timestamp,
}

impl<'a> Show<'a> {
    /// Prints what is in a store, at the store's time.
    pub fn new(store: &'a Store) -> Self {
        Show { store, now: store.now() }
    }

    /// The column AGE.
    pub fn age(&self, meta: &ObjectMeta) -> String {
        meta.creation_timestamp.map_or_else(|| "<unknown>".into(), |at| human(at.until(self.now)))
    }

    /// A value, or `<none>`.
    pub fn or_none(&self, value: Option<impl Display>) -> String {
        value.map_or_else(|| "<none>".into(), |value| value.to_string())
    }
}
