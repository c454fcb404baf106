//! Builds tables and tasks from a document, within a budget.
//!
//! A small document can declare much: a thousand tables of one type, each with all columns of the type, or a task
//! that is bound to each of them. So the fields of a type are built once and shared, and everything that is built is
//! counted: more than [`MAX_ITEMS`] fail with an error that says so.

use super::catalog::{Catalog, FieldInfo, Invocation, InvocationForm, TableInfo, TaskInfo};
use super::csdl::{Action, Csdl, MAX_ITEMS, Property, local_name};
use super::error::MetadataError;
use super::table_index::TableIndex;
use crate::portal::thinkwise::odata::value_kind::ValueKind;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Fields that many tables or tasks share.
pub(crate) type Fields = Arc<[FieldInfo]>;

/// The state of a build.
pub(crate) struct Builder<'a> {
    pub csdl: &'a Csdl,
    pub tables: TableIndex<'a>,
    catalog: Catalog,
    /// The index of each task in the catalog.
    tasks: HashMap<String, usize>,
    /// The existing invocations: task, form, and the table's name.
    invocations: HashSet<(usize, InvocationForm, Option<Arc<str>>)>,
    /// The fields of a type by its qualified name.
    fields_by_type: HashMap<String, Fields>,
    remaining: usize,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(csdl: &'a Csdl) -> Self {
        Self {
            csdl,
            tables: TableIndex::new(csdl),
            catalog: Catalog::default(),
            tasks: HashMap::new(),
            invocations: HashSet::new(),
            fields_by_type: HashMap::new(),
            remaining: MAX_ITEMS,
        }
    }

    /// Deducts items that are about to be built.
    pub(crate) fn spend(&mut self, items: usize) -> Result<(), MetadataError> {
        self.remaining = self.remaining.checked_sub(items).ok_or(MetadataError::OVERSIZED)?;
        Ok(())
    }

    /// The fields of a structure that have valid names, built once.
    pub(crate) fn fields(&mut self, type_name: &str) -> Result<Fields, MetadataError> {
        let type_name = self.csdl.qualified(type_name);
        if let Some(fields) = self.fields_by_type.get(&type_name) {
            return Ok(Arc::clone(fields));
        }
        let properties = self.csdl.properties(&type_name);
        self.spend(properties.len())?;
        let valid = properties.into_iter().filter(|property| is_identifier(&property.name));
        let fields: Fields = valid.map(|property| field_info(self.csdl, property)).collect();
        self.fields_by_type.insert(type_name, Arc::clone(&fields));
        Ok(fields)
    }

    /// The parameters of an action; `None` if one of them has an invalid name, and therefore cannot be sent.
    pub(crate) fn inputs(&mut self, parameters: &[Property]) -> Result<Option<Fields>, MetadataError> {
        self.spend(parameters.len())?;
        let valid = |parameter: &Property| is_identifier(&parameter.name).then(|| field_info(self.csdl, parameter));
        Ok(parameters.iter().map(valid).collect())
    }

    pub(crate) fn outputs(&mut self, action: &Action) -> Result<Fields, MetadataError> {
        match &action.returns {
            Some(type_name) => self.fields(type_name),
            None => Ok(Fields::default()),
        }
    }

    /// Names become parts of URLs and messages: elements with names that OData does not allow are ignored.
    pub(crate) fn add_tables(&mut self) -> Result<(), MetadataError> {
        let sets: Vec<_> = self.tables.all().collect();
        self.spend(sets.len())?;
        let mut keys: HashMap<String, Option<Fields>> = HashMap::new();
        for set in sets {
            if !is_identifier(&set.name) {
                continue;
            }
            let columns = self.fields(&set.type_name)?;
            let type_name = self.csdl.qualified(&set.type_name);
            let key = keys.entry(type_name).or_insert_with_key(|type_name| key(self.csdl, type_name, &columns));
            if let Some(key) = key.clone() {
                self.catalog.tables.push(TableInfo { name: set.name.to_string(), key, columns });
            }
        }
        Ok(())
    }

    pub(crate) fn add_unbound_tasks(&mut self) -> Result<(), MetadataError> {
        let csdl = self.csdl;
        let mut imports: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for import in &csdl.imports {
            imports.entry(csdl.qualified(&import.action)).or_default().push(&import.name);
        }
        for action in csdl.actions.iter().filter(|action| !action.bound) {
            // Without an import, OData does not allow the call; an action that is declared is accepted nevertheless.
            let own = [local_name(&action.name)];
            let names = imports.get(&action.name).map_or(&own[..], Vec::as_slice);
            let Some(inputs) = self.inputs(&action.parameters)? else { continue };
            let outputs = self.outputs(action)?;
            for name in names {
                let (inputs, outputs) = (Arc::clone(&inputs), Arc::clone(&outputs));
                self.add_invocation(name, Invocation { form: InvocationForm::Unbound, table: None, inputs, outputs })?;
            }
        }
        Ok(())
    }

    /// Adds an invocation of a task, unless it exists already or its name is invalid.
    pub(crate) fn add_invocation(&mut self, task: &str, invocation: Invocation) -> Result<(), MetadataError> {
        self.spend(1)?;
        if !is_identifier(task) {
            return Ok(());
        }
        let at = if let Some(at) = self.tasks.get(task) {
            *at
        } else {
            self.catalog.tasks.push(TaskInfo { name: task.to_owned(), invocations: Vec::with_capacity(1) });
            let at = self.catalog.tasks.len() - 1;
            self.tasks.insert(task.to_owned(), at);
            at
        };
        if self.invocations.insert((at, invocation.form, invocation.table.clone()))
            && let Some(task) = self.catalog.tasks.get_mut(at)
        {
            task.invocations.push(invocation);
        }
        Ok(())
    }

    /// The task of this name, as far as it is built.
    pub(crate) fn task(&self, name: &str) -> Option<&TaskInfo> {
        self.catalog.tasks.get(*self.tasks.get(name)?)
    }

    pub(crate) fn finish(mut self) -> Catalog {
        for task in &mut self.catalog.tasks {
            task.invocations.sort_by_key(|invocation| invocation.form);
        }
        self.catalog
    }
}

/// The columns of a key; `None` if one of them has an invalid name.
fn key(csdl: &Csdl, of: &str, columns: &[FieldInfo]) -> Option<Fields> {
    let parts = csdl.key(of);
    if !parts.iter().all(|part| is_identifier(part)) {
        return None;
    }
    Some(parts.iter().filter_map(|part| columns.iter().find(|column| column.name == *part).cloned()).collect())
}

/// A simple identifier of OData 4.0, limited to ASCII letters like the fields of the issuer's spec.
fn is_identifier(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn field_info(csdl: &Csdl, property: &Property) -> FieldInfo {
    let kind = match csdl.underlying(&property.type_name).as_str() {
        "Edm.Byte" | "Edm.SByte" | "Edm.Int16" | "Edm.Int32" | "Edm.Int64" => ValueKind::Integer,
        "Edm.Decimal" | "Edm.Double" | "Edm.Single" => ValueKind::Decimal,
        "Edm.Boolean" => ValueKind::Boolean,
        "Edm.Guid" => ValueKind::Guid,
        "Edm.String" => ValueKind::Text,
        _ => ValueKind::Other,
    };
    let Property { name, required, max_length, .. } = property;
    FieldInfo { name: name.clone(), kind, required: *required, max_length: *max_length }
}
