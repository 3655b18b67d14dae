//! What `ipset` says when something is refused.

use core::fmt;

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetError {
    /// Words that cannot be read: with a hint at the help, status 2.
    Usage(String),
    /// An argument that cannot be read.
    Syntax(String),
    /// There is no set of that name.
    NoSet,
    /// `create`: there is one already.
    Exists,
    /// There is no room for another set.
    TooMany,
    /// `add`: it is there already.
    Added,
    /// `del`: it is not there.
    Missing,
    /// The set is full.
    Full,
    /// A list of sets is full.
    ListFull,
    /// A prefix length that makes no sense.
    Cidr,
    /// A port outside a bitmap's range.
    OutOfRange,
    /// A member of a list that is no set.
    NoMember,
    /// A list as member of a list.
    ListInList,
    /// The set beside which another one shall stand is not in the list.
    NoNeighbour,
    /// `destroy`: something refers to it.
    Busy,
    /// `rename`: something refers to it.
    RenameBusy,
    /// `rename`: the new name is taken.
    NameTaken,
    /// `swap` of unequal sets.
    Unequal,
    /// `swap`: there is no second set.
    NoSecond,
    /// An option for elements that the set was not made for.
    NoSupport(&'static str),
    /// A set that hopwise does not have.
    Refused(&'static str),
}

impl SetError {
    /// The exit status.
    pub const fn status(&self) -> i32 {
        if matches!(self, SetError::Usage(_)) { 2 } else { 1 }
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::Usage(text) => return f.write_str(text),
            SetError::Syntax(text) => return write!(f, "Syntax error: {text}"),
            SetError::NoSupport(what) => return write!(f, "{what}"),
            SetError::Refused(what) => return write!(f, "hopwise does not support {what}"),
            SetError::NoSet => "The set with the given name does not exist",
            SetError::Exists => "Set cannot be created: set with the same name already exists",
            SetError::TooMany => "Set cannot be created: maximal number of sets reached",
            SetError::Added => "Element cannot be added to the set: it's already added",
            SetError::Missing => "Element cannot be deleted from the set: it's not added",
            SetError::Full => "Hash is full, cannot add more elements",
            SetError::ListFull => "The set is full, more elements cannot be added.",
            SetError::Cidr => "The value of the CIDR parameter of the IP address is invalid",
            SetError::OutOfRange => "Element is out of the range of the set",
            SetError::NoMember => "Set to be added/deleted/tested as element does not exist.",
            SetError::ListInList => "Sets with list:set type cannot be added to the set.",
            SetError::NoNeighbour => "Reference set is not added to the set.",
            SetError::Busy => "Set cannot be destroyed: it is in use by a kernel component",
            SetError::RenameBusy => "Set cannot be renamed: it is in use by another system",
            SetError::NameTaken => "Set cannot be renamed: a set with the new name already exists",
            SetError::Unequal => "The sets cannot be swapped: their type does not match",
            SetError::NoSecond => "Sets cannot be swapped: the second set does not exist",
        })
    }
}

impl core::error::Error for SetError {}
