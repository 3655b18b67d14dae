//! Names of links: `dev_valid_name`, `dev_alloc_name`.

use crate::dev::DevTable;
use crate::error::{Errno, NlError};

/// The longest name, in bytes (`IFNAMSIZ` - 1).
const MAX_NAME: usize = 15;

/// How many numbers a pattern is tried with (`PAGE_SIZE * 8`).
const MAX_NUMBERS: u32 = 32_768;

/// The name that `wanted`, a name or a pattern with one `%d`, gives in a namespace.
///
/// # Errors
/// A name that no link can have, or that one has already.
pub(super) fn new_name(devs: &DevTable, wanted: &str) -> Result<String, NlError> {
    check(wanted)?;
    let Some((front, back)) = wanted.split_once('%') else {
        return if devs.find(wanted).is_some() { Err(Errno::EEXIST.into()) } else { Ok(wanted.into()) };
    };
    let Some(back) = back.strip_prefix('d').filter(|b| !b.contains('%')) else { return Err(Errno::EINVAL.into()) };
    let free = (0..MAX_NUMBERS).map(|n| format!("{front}{n}{back}")).find(|name| devs.find(name).is_none());
    match free {
        Some(name) if name.len() <= MAX_NAME => Ok(name),
        _ => Err(Errno::ENFILE.into()),
    }
}

/// Two names stand for all links among the settings, so no link can have them (`sysctl_dev_name_is_allowed`).
pub(super) fn is_for_all(name: &str) -> bool {
    matches!(name, "all" | "default")
}

/// `dev_valid_name`; a name that is too long is refused by netlink's policy before that.
fn check(name: &str) -> Result<(), NlError> {
    if name.len() > MAX_NAME {
        return Err(NlError::with(Errno::ERANGE, "Attribute failed policy validation"));
    }
    let bad = |b: u8| b == b'/' || b == b':' || b.is_ascii_whitespace() || b == 0x0b;
    let refused = matches!(name, "" | "." | "..") || is_for_all(name) || name.bytes().any(bad);
    if refused { Err(Errno::EINVAL.into()) } else { Ok(()) }
}
