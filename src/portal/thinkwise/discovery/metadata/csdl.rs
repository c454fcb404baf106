//! The relevant parts of a CSDL document, as declared.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The maximum number of tables, fields and invocations: about ten times what a large application has.
pub(crate) const MAX_ITEMS: usize = 200_000;

/// The prefix of the name of a task that is bound to a row.
pub(crate) const TASK_PREFIX: &str = "task_";
pub(crate) const STAGED_PREFIX: &str = "staged_";

#[derive(Debug, Default)]
pub(crate) struct Csdl {
    /// Namespaces by their aliases.
    pub aliases: BTreeMap<String, String>,
    /// Entity and complex types by their qualified names.
    pub structures: BTreeMap<String, Structure>,
    /// Type definitions with their underlying types.
    pub definitions: BTreeMap<String, String>,
    pub sets: Vec<EntitySet>,
    pub actions: Vec<Action>,
    pub imports: Vec<ActionImport>,
}

/// An entity type or a complex type.
#[derive(Debug, Default)]
pub(crate) struct Structure {
    pub base: Option<String>,
    pub key: Vec<String>,
    pub properties: Vec<Property>,
    pub navigation: Vec<NavigationProperty>,
}

/// A property, or a parameter of an action.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub name: String,
    /// Its type, shared: there are few types and many properties.
    pub type_name: Arc<str>,
    /// It is declared with `Nullable="false"`.
    pub required: bool,
    pub max_length: Option<usize>,
}

/// A navigation property, which leads from one entity to others.
#[derive(Debug)]
pub(crate) struct NavigationProperty {
    pub name: String,
    pub type_name: String,
}

/// A set of entities, which is a table.
#[derive(Debug)]
pub(crate) struct EntitySet {
    pub name: Arc<str>,
    pub type_name: String,
}

#[derive(Debug, Default)]
pub(crate) struct Action {
    /// The name with its namespace.
    pub name: String,
    /// Whether it is bound to its first parameter.
    pub bound: bool,
    pub parameters: Vec<Property>,
    pub returns: Option<String>,
}

/// The name under which an unbound action is called.
#[derive(Debug)]
pub(crate) struct ActionImport {
    pub name: String,
    pub action: String,
}

/// Longer chains of base types are considered cyclic.
const MAX_CHAIN_LENGTH: usize = 16;

impl Csdl {
    /// The name under which a type is stored: the element type of a collection, with its alias resolved.
    pub(crate) fn qualified(&self, reference: &str) -> String {
        let one = reference.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(reference);
        match one.rsplit_once('.') {
            Some((space, name)) => match self.aliases.get(space) {
                Some(space) => format!("{space}.{name}"),
                None => one.to_owned(),
            },
            None => one.to_owned(),
        }
    }

    /// The underlying type of a type definition; any other type itself.
    pub(crate) fn underlying(&self, reference: &str) -> String {
        let name = self.qualified(reference);
        self.definitions.get(&name).cloned().unwrap_or(name)
    }

    /// A structure and its base types, itself first.
    pub(crate) fn base_chain(&self, reference: &str) -> Vec<&Structure> {
        let mut chain = Vec::new();
        let mut next = Some(self.qualified(reference));
        while let Some(structure) = next.and_then(|name| self.structures.get(&name)) {
            chain.push(structure);
            if chain.len() == MAX_CHAIN_LENGTH {
                break;
            }
            next = structure.base.as_deref().map(|base| self.qualified(base));
        }
        chain
    }

    /// The key of an entity type, its own or its base type's.
    pub(crate) fn key(&self, reference: &str) -> &[String] {
        let own = |structure: &&Structure| !structure.key.is_empty();
        self.base_chain(reference).into_iter().find(own).map_or(&[], |found| found.key.as_slice())
    }

    /// The properties of a structure, those of its base types first.
    pub(crate) fn properties(&self, reference: &str) -> Vec<&Property> {
        self.base_chain(reference).into_iter().rev().flat_map(|structure| &structure.properties).collect()
    }
}

/// A task's name without `task_`.
pub(crate) fn strip_task_prefix(name: &str) -> &str {
    name.strip_prefix(TASK_PREFIX).unwrap_or(name)
}

/// A name without its namespace.
pub(crate) fn local_name(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, local)| local)
}
