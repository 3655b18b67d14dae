//! Why a change of the rules is refused, so that a command can say it in its own words.

use core::fmt;

use hopwise_sim_core::Errno;

use crate::hook::TableId;

/// What was asked of the kernel (`enum obj_update_type` of iptables-nft), for `RULE_APPEND failed`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// `-A`.
    Append,
    /// `-I`.
    Insert,
    /// `-R`.
    Replace,
    /// `-X`.
    DeleteChain,
}

impl Request {
    const fn word(self) -> &'static str {
        match self {
            Request::Append => "RULE_APPEND",
            Request::Insert => "RULE_INSERT",
            Request::Replace => "RULE_REPLACE",
            Request::DeleteChain => "CHAIN_DEL",
        }
    }
}

/// The refusal of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RuleError {
    /// There is no chain of that name.
    NoChain,
    /// `-N`: there is one already.
    ChainExists,
    /// `-E`: there is one of the new name already.
    NameTaken,
    /// `-I` with a number beyond the end.
    InsertTooBig,
    /// `-D` with a number beyond the end.
    DeleteTooBig,
    /// `-R` with a number beyond the end.
    ReplaceTooBig,
    /// `-L`, `-S` of a chain that does not exist.
    NotListed {
        /// The chain.
        chain: String,
        /// The table.
        table: TableId,
    },
    /// `-D`, `-C`: no such rule.
    NoRule,
    /// `-P` with something that is no policy.
    BadPolicy,
    /// `-P` for a chain that is not built in.
    BadBuiltin,
    /// `-X CHAIN` within a transaction: it has rules, or others lead to it.
    NotEmpty,
    /// `-E` of a built-in chain.
    RenameBuiltin,
    /// A jump to a chain that does not exist.
    NoJumpChain(String),
    /// The kernel refused it.
    Kernel {
        /// What was asked.
        request: Request,
        /// The error number.
        errno: Errno,
        /// The chain.
        chain: String,
    },
}

impl RuleError {
    /// The status that `iptables` exits with.
    pub const fn status(&self) -> i32 {
        match self {
            RuleError::Kernel { .. } => 4,
            RuleError::NoJumpChain(_) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RuleError::NoChain => "No chain/target/match by that name.",
            RuleError::ChainExists => "Chain already exists.",
            RuleError::NameTaken => "File exists.",
            RuleError::InsertTooBig => "Index of insertion too big.",
            RuleError::DeleteTooBig => "Index of deletion too big.",
            RuleError::ReplaceTooBig => "Index of replacement too big.",
            RuleError::NoRule => "Bad rule (does a matching rule exist in that chain?).",
            RuleError::BadPolicy => "Bad policy name. Run `dmesg' for more information.",
            RuleError::BadBuiltin => "Bad built-in chain name.",
            RuleError::NotEmpty => "Directory not empty.",
            RuleError::RenameBuiltin => "hopwise does not rename built-in chains.",
            RuleError::NoJumpChain(name) => return write!(f, "Chain '{name}' does not exist"),
            RuleError::NotListed { chain, table } => {
                let table = table.name();
                return write!(f, "chain `{chain}' in table `{table}' is incompatible, use 'nft' tool.");
            }
            RuleError::Kernel { request, errno, chain } => {
                let what = if *request == Request::DeleteChain { "chain" } else { "rule in chain" };
                return write!(f, "{} failed ({errno}): {what} {chain}", request.word());
            }
        })
    }
}

impl core::error::Error for RuleError {}
