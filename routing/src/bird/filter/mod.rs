//! BIRD's filters: values, what a filter is made of, and the interpreter.

pub mod ast;
pub mod interp;
pub mod methods;
pub mod set;
pub mod value;

pub use ast::{Attr, Expr, Filter, Function, Stmt};
pub use interp::{Outcome, RuntimeError, evaluate, run};
pub use value::{EnumKind, Type, Value};
