//! Sets of addresses, networks and ports (`net/netfilter/ipset`), and the program that changes them.

pub mod command;
mod element;
mod error;
mod packet;
mod print;
mod set;

pub use element::Element;
pub use error::SetError;
pub use packet::Dirs;
pub use set::{Key, Kind, Member, Set};

use rustc_hash::FxHashMap;

/// Sets that refer to sets end here: the kernel allows no list in a list.
const MAX_SETS: usize = 65_535;

/// The sets of a namespace, in places that are used again.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    places: Vec<Option<Set>>,
    by_name: FxHashMap<Box<str>, usize>,
}

impl Sets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A set.
    pub fn get(&self, name: &str) -> Option<&Set> {
        self.places.get(*self.by_name.get(name)?)?.as_ref()
    }

    /// A set, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Set> {
        self.places.get_mut(*self.by_name.get(name)?)?.as_mut()
    }

    /// All sets in the order of their places, but lists of sets behind the others.
    pub fn all(&self) -> impl Iterator<Item = &Set> {
        let is_list = |set: &&Set| set.kind == Kind::ListSet;
        let sets = || self.places.iter().flatten();
        sets().filter(move |set| !is_list(set)).chain(sets().filter(is_list))
    }

    /// The names of all sets with their dimensions.
    pub fn dimensions(&self) -> impl Iterator<Item = (&str, u8)> {
        self.places.iter().flatten().map(|set| (&*set.name, set.kind.dimension()))
    }

    /// How many lists have a set as member.
    pub fn listed(&self, name: &str) -> u32 {
        let lists = self.places.iter().flatten().filter(|set| set.list.iter().any(|row| &*row.0 == name));
        lists.count() as u32
    }

    /// Adds a set.
    ///
    /// # Errors
    /// There is one of that name, or there are too many.
    pub fn create(&mut self, set: Set) -> Result<(), SetError> {
        if self.by_name.contains_key(&set.name) {
            return Err(SetError::Exists);
        }
        let free = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        if free >= MAX_SETS {
            return Err(SetError::TooMany);
        }
        self.by_name.insert(set.name.clone(), free);
        if free == self.places.len() {
            self.places.push(None);
        }
        self.places[free] = Some(set);
        Ok(())
    }

    /// Removes a set that nothing refers to any more.
    pub fn destroy(&mut self, name: &str) {
        if let Some(place) = self.by_name.remove(name) {
            self.places[place] = None;
        }
    }

    /// Gives a set another name.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(place) = self.by_name.remove(from)
            && let Some(set) = &mut self.places[place]
        {
            set.name = to.into();
            self.by_name.insert(to.into(), place);
        }
    }

    /// Exchanges the contents of two sets: what refers to one by its name then means the other.
    pub fn swap(&mut self, a: &str, b: &str) {
        let (Some(&one), Some(&other)) = (self.by_name.get(a), self.by_name.get(b)) else { return };
        self.places.swap(one, other);
        for (place, name) in [(one, a), (other, b)] {
            if let Some(set) = &mut self.places[place] {
                set.name = name.into();
            }
        }
    }
}
