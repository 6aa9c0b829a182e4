//! What points to a member, a user, a key or a domain: five types, so that none is taken for another.

/// A number that only its own kind of thing has.
pub trait Id: Copy + Eq {
    fn new(number: u32) -> Self;
    fn number(self) -> u32;
}

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl Id for $name {
            fn new(number: u32) -> Self {
                Self(number)
            }

            fn number(self) -> u32 {
                self.0
            }
        }
    )+};
}

ids! {
    /// A member of a set: where [`Sets`](super::Sets) keeps it.
    MemberId
    /// A user of a dump: where a [`Batch`](super::Batch) or [`Missing`](super::Missing) keeps them.
    UserId
    /// A key of [`Sets`](super::Sets), counted from 0.
    KeyId
    /// A domain of one `Domains`, counted from 0.
    DomainId
    /// The name of a domain: where `Domains` keeps it.
    NameId
}

impl KeyId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl DomainId {
    /// In the place of a domain, where domains do not count.
    pub const NONE: Self = Self(u32::MAX);

    pub fn index(self) -> usize {
        self.0 as usize
    }
}
