//! What rules keep while packets pass.

/// Something that a rule remembers. It is no part of what the rule asks: two rules are equal whatever they remember.
#[derive(Clone, Debug, Default)]
pub struct State<T>(pub T);

impl<T> PartialEq for State<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What rules of all tables share, by name.
#[derive(Clone, Debug, Default)]
pub struct Shared {}
