//! A bounded map that forgets what was not used for longest, roughly: entries live in a young and an
//! old half; when the young one is full it becomes the old one, whose entries are forgotten.

use std::collections::HashMap;
use std::hash::Hash;

/// The map. Nothing depends on the order of its entries.
#[derive(Debug)]
pub struct Generations<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Generations<K, V> {
    /// A map of at most `capacity` entries, at least two.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { half: (capacity / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// The value of a key, which thereby counts as used.
    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    /// Adds or replaces a value.
    pub fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_grows_beyond_its_capacity_and_keeps_what_is_used() {
        let mut map = Generations::new(8);
        map.insert(0, 'k');
        for key in 1..1000 {
            map.insert(key, 'x');
            assert!(map.len() <= 8, "{} entries", map.len());
            assert_eq!(map.get(&0), Some('k'), "after {key}");
        }
        assert_eq!(map.get(&1), None);
        map.remove(&0);
        assert_eq!(map.get(&0), None);
        map.clear();
        assert!(map.is_empty());
    }
}
