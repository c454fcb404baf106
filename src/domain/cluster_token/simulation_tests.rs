//! Random schedules: labels change, namespaces and tokens go, tenants edit, writes fail, and the process is lost before
//! any write. At rest every matching namespace has its token and no other one has; a token is never deleted within its
//! grace period; after the object is gone, nothing of it is left.

use super::tests::{at, parent, token};
use super::*;

struct World {
    parent: Parent,
    now: i64,
    namespaces: BTreeMap<String, NamespaceView>,
    tokens: BTreeMap<String, TokenView>,
    /// Since when a namespace does not match, as far as a pass could see.
    unmatched: BTreeMap<String, i64>,
    /// Tokens whose namespace matched again, where the process was lost before it removed or corrected the time of the
    /// earlier departure. If the namespace leaves before the next process sees it, nobody can know that it matched.
    unknown: BTreeSet<String>,
    memory: Memory,
    next_uid: u64,
    random: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            parent: parent("d $(NAMESPACE)"),
            now: 1_000,
            namespaces: BTreeMap::new(),
            tokens: BTreeMap::new(),
            unmatched: BTreeMap::new(),
            unknown: BTreeSet::new(),
            memory: Memory::default(),
            next_uid: 0,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % below
    }

    fn set_matches(&mut self, name: &str, matches: bool) {
        // The deletion of a namespace cannot be undone.
        if self.namespaces.get(name).is_some_and(|view| view.is_terminating) {
            return;
        }
        let view = NamespaceView { matches, is_terminating: false };
        self.namespaces.insert(name.to_owned(), view);
        if !matches {
            self.unmatched.entry(name.to_owned()).or_insert(self.now);
        }
    }

    fn plan(&mut self) -> Plan {
        // A namespace that matched between two passes, and does not any more, has not matched for anybody.
        self.unmatched.retain(|name, _| !self.namespaces.get(name).is_some_and(|view| view.matches));
        let namespaces = self.namespaces.iter().map(|(name, view)| (name.as_str(), *view)).collect();
        let tokens = self.tokens.iter().map(|(name, token)| (name.as_str(), token.clone())).collect();
        plan(&self.parent, &namespaces, &tokens, &mut self.memory, at(self.now))
    }

    fn write(&mut self, write: &Write) {
        let name = write.namespace.as_str();
        match &write.action {
            Action::Create(_) => {
                assert!(!self.namespaces[name].is_terminating, "no token in a terminating namespace");
                assert!(!self.tokens.contains_key(name), "one token for each namespace");
                self.next_uid += 1;
                self.unknown.remove(name);
                let created = TokenView { uid: self.next_uid.to_string(), ..token(&self.parent, name) };
                self.tokens.insert(name.to_owned(), created);
            }
            Action::Update(desired) => {
                let token = self.tokens.get_mut(name).expect("it exists");
                token.fingerprint = desired.fingerprint;
                token.ownership = Ownership::Owned;
            }
            Action::MarkUnmatched(since) => {
                // A tenant who removes the outdated time makes a process write it again that knows no other one.
                if self.unmatched.get(name).is_some_and(|left| *since >= at(*left)) {
                    self.unknown.remove(name);
                }
                self.tokens.get_mut(name).expect("it exists").unmatched_since = Some(*since);
            }
            Action::ClearUnmatched => {
                self.unknown.remove(name);
                self.tokens.get_mut(name).expect("it exists").unmatched_since = None;
            }
            Action::Delete => {
                let since = self.unmatched.get(name).expect("a matching namespace keeps its token");
                let early = self.now - since < 100 && !self.unknown.contains(name);
                assert!(!early, "{name} is deleted {} s after it left", self.now - since);
                self.tokens.get_mut(name).expect("it exists").is_deleting = true;
            }
        }
    }

    /// Something that others do.
    fn event(&mut self) {
        let name = format!("ns-{}", self.random(5));
        match self.random(12) {
            0..=2 => self.set_matches(&name, true),
            3..=5 => self.set_matches(&name, false),
            6 => {
                if let Some(view) = self.namespaces.get_mut(&name) {
                    view.is_terminating = true;
                }
            }
            7 => {
                // A namespace is gone when it is empty.
                if self.namespaces.get(&name).is_some_and(|view| view.is_terminating) {
                    self.namespaces.remove(&name);
                    self.tokens.remove(&name);
                    self.unmatched.remove(&name);
                }
            }
            8 => self.tokens.retain(|_, token| !token.is_deleting),
            9 => {
                // A tenant edits the token. Only a later time is an advantage.
                if let Some(token) = self.tokens.get_mut(&name) {
                    token.fingerprint = 7;
                    token.unmatched_since = None;
                    token.ownership = Ownership::Adoptable;
                }
            }
            10 => {
                if let Some(token) = self.tokens.get_mut(&name) {
                    token.is_deleting = true;
                }
            }
            _ => self.now += i64::try_from(self.random(60)).expect("small"),
        }
    }

    /// Performs some of a plan. The process may be lost before each write.
    fn work(&mut self) {
        let plan = self.plan();
        for write in &plan.writes {
            match self.random(6) {
                0 => {
                    self.memory = Memory::default();
                    let outdated = |(name, token): (&String, &TokenView)| {
                        let recorded = token.unmatched_since?;
                        let left = self.unmatched.get(name).copied();
                        left.is_none_or(|left| recorded < at(left)).then(|| name.clone())
                    };
                    self.unknown.extend(self.tokens.iter().filter_map(outdated).collect::<Vec<_>>());
                    return;
                }
                1 => {
                    let problem = Problem { reason: Reason::TokenRejected, message: String::new(), terminal: true };
                    let (name, later) = (&write.namespace, at(self.now + 10));
                    self.memory.record_failure(name, write.fingerprint, problem, later);
                }
                _ => {
                    self.write(write);
                    self.memory.record_success(&write.namespace);
                }
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..50 {
            let plan = self.plan();
            for write in &plan.writes {
                self.write(write);
                self.memory.record_success(&write.namespace);
            }
            self.tokens.retain(|_, token| !token.is_deleting);
            self.now += 10;
        }
    }

    fn assert_at_rest(&mut self) {
        let plan = self.plan();
        assert!(plan.writes.is_empty() && plan.next.is_none(), "{plan:?}");
        for (name, view) in &self.namespaces {
            if !view.is_terminating {
                assert_eq!(self.tokens.contains_key(name), view.matches, "{name}");
            }
        }
        for (name, token) in self.tokens.iter().filter(|(name, _)| !self.namespaces[*name].is_terminating) {
            let desired = self.parent.template.render(name).expect("rendered");
            assert_eq!((token.fingerprint, token.unmatched_since), (desired.fingerprint, None), "{name}");
        }
    }

    /// The object is deleted; the process may be lost before each write.
    fn delete(&mut self) {
        for _ in 0..200 {
            let tokens = self.tokens.iter().map(|(name, token)| (name.as_str(), token.clone())).collect();
            let plan = plan_deletion(&tokens, false);
            if plan.left == 0 {
                return;
            }
            for name in plan.delete {
                if self.random(3) == 0 {
                    break;
                }
                self.tokens.get_mut(&name).expect("it exists").is_deleting = true;
            }
            if self.random(2) == 0 {
                self.tokens.retain(|_, token| !token.is_deleting);
            }
        }
        panic!("the deletion does not end");
    }
}

#[test]
fn every_schedule_converges_and_no_token_is_deleted_early() {
    let mut deleted = 0;
    for seed in 0..3_000 {
        let mut world = World::new(seed);
        for _ in 0..60 {
            world.event();
            world.work();
        }
        let before = world.tokens.len();
        world.settle();
        world.assert_at_rest();
        deleted += before.saturating_sub(world.tokens.len());
        world.delete();
        assert!(world.tokens.values().all(|token| token.ownership != Ownership::Owned));
    }
    assert!(deleted > 100, "the schedules delete something: {deleted}");
}
