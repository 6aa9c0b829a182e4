//! Walks through every state that a setting can reach, nearest first, so that a counterexample is a shortest one.
//! The states themselves are compared, not hashes of them: none is skipped.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;

use foldhash::fast::FixedState;

use crate::setting::Setting;
use crate::world::{Past, Step, World};

/// What must be true of every state.
pub struct Promise {
    pub says: &'static str,
    pub holds: fn(&World) -> bool,
    /// What it asks of the past.
    pub needs: Option<Past>,
}

pub struct Broken {
    pub promise: &'static str,
    pub steps: Vec<String>,
}

/// The number of states, if the promises hold in all of them.
pub fn explore(setting: &Setting, promises: &[&Promise]) -> Result<usize, Broken> {
    let mut numbers: HashMap<World, u32, FixedState> = HashMap::default();
    let mut found: Vec<(World, Option<(u32, Step)>)> = Vec::new();
    let mut meet = |world: World, from, found: &mut Vec<_>| {
        let number = found.len() as u32;
        if let Entry::Vacant(new) = numbers.entry(world) {
            new.insert(number);
            found.push((world, from));
        }
    };
    let needed: Vec<_> = promises
        .iter()
        .filter_map(|promise| promise.needs)
        .collect();
    for mut world in World::beginnings(setting) {
        world.forget_all_but(&needed);
        meet(world, None, &mut found);
    }
    let mut next = 0;
    while next < found.len() {
        let world = found[next].0;
        if let Some(promise) = promises.iter().find(|promise| !(promise.holds)(&world)) {
            return Err(Broken {
                promise: promise.says,
                steps: story(&found, next),
            });
        }
        for (step, mut after) in world.steps(setting) {
            after.forget_all_but(&needed);
            meet(after, Some((next as u32, step)), &mut found);
        }
        next += 1;
    }
    Ok(found.len())
}

fn story(found: &[(World, Option<(u32, Step)>)], end: usize) -> Vec<String> {
    let mut steps = Vec::new();
    let mut at = end;
    while let (world, Some((before, step))) = &found[at] {
        steps.push(format!("{step:<60} {world}"));
        at = *before as usize;
    }
    steps.push(format!("{:<60} {}", "at first", found[at].0));
    steps.reverse();
    steps
}

impl Broken {
    pub fn told(&self, setting: &Setting) -> String {
        let mut text = format!("{setting:?}\nnot true: {}\n", self.promise);
        for (number, step) in self.steps.iter().enumerate() {
            let _ = writeln!(text, "{number:>3}. {step}");
        }
        text
    }
}
