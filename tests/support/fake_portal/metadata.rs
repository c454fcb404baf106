//! `$metadata`: tables and tasks that the caller may see, in CSDL. That each is described is documented; how bound or
//! staged tasks are described is not, so the simplest form is inferred: bound actions, and an entity type for staged
//! tasks.

use super::columns::Column;
use super::config::Config;
use super::csdl::{Action, Container, Entity, Property, complex};
use super::declared::{Declared, Meaning, Parameter};
use super::decoys;
use super::forms::Flow;
use super::keys::Kind;
use super::target::{flow, staged};

pub(super) fn document(config: &Config) -> String {
    let (mut types, mut container) = (String::new(), Container::new(&config.application));
    for (name, entity) in tables(config) {
        types += &entity.xml(&name);
        container.set(&name);
    }
    for declared in Declared::all(config) {
        task(config, &declared, &mut types, &mut container);
    }
    if config.decoys {
        other_tasks(config, &mut types, &mut container);
    }
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
  <edmx:DataServices>
    <Schema Namespace="{schema}" xmlns="http://docs.oasis-open.org/odata/ns/edm">
{types}{extra}
      <EntityContainer Name="Container">
{container}{extra_container}
      </EntityContainer>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>
"#,
        schema = config.application,
        extra = config.extra_schema,
        container = container.xml(),
        extra_container = config.extra_container,
    )
}

/// The tables, including that of the tokens.
fn tables(config: &Config) -> Vec<(String, Entity)> {
    let mut tables: Vec<(String, Entity)> = decoys::tables(config)
        .into_iter()
        .map(|table| {
            let key = table.key.iter().map(|(name, kind)| Property::new(name, *kind).required());
            let columns = table.columns.iter().map(|(name, kind)| Property::new(name, *kind));
            (table.name, Entity { key: key.collect(), properties: columns.collect() })
        })
        .collect();
    if !config.table_hidden {
        tables.insert(tables.len() / 2, (config.names.table.clone(), tokens(config)));
    }
    tables
}

fn tokens(config: &Config) -> Entity {
    let key = Column::key(config);
    let property = |column: &Column| {
        let property = Property::new(column.name(config), column.kind(config));
        let property = if column.is_nullable() { property } else { property.required() };
        match column {
            Column::Description => property.at_most(config.description_max_length),
            Column::Username | Column::RequestedBy => property.at_most(Some(100)),
            _ => property,
        }
    };
    let others = Column::all(config).into_iter().filter(|column| !key.contains(column));
    Entity { key: key.iter().map(property).collect(), properties: others.map(|column| property(&column)).collect() }
}

fn task(config: &Config, declared: &Declared<'_>, types: &mut String, container: &mut Container) {
    let (schema, form) = (&config.application, declared.form.form);
    let inputs: Vec<Property> = declared.wanted().into_iter().map(|parameter| property(config, parameter)).collect();
    let outputs: Vec<Property> = declared.outputs.iter().map(|(name, kind)| Property::new(name, *kind)).collect();
    let result = (!outputs.is_empty()).then(|| format!("{schema}.{}_result", declared.name));
    if result.is_some() {
        let echoed = declared.parameters.iter().map(|parameter| property(config, parameter).optional());
        let all: Vec<Property> = echoed.chain(outputs.iter().cloned()).collect();
        *types += &complex(&format!("{}_result", declared.name), &all);
    }
    let row = form.is_bound().then(|| format!("{schema}.{}", declared.bound().table));
    let name = if form.is_bound() { format!("task_{}", declared.name) } else { declared.name.to_owned() };
    *types += &Action { name: &name, binding: row.clone(), parameters: &inputs, result: result.clone() }.xml();
    if !form.is_bound() {
        container.import(&name);
    }
    if form.is_staged() {
        let all = declared.parameters.iter().map(|parameter| property(config, parameter).optional());
        let name = staged(declared);
        *types += &resource(&name, all.chain(outputs.iter().cloned()).collect());
        container.set(&name);
        let staged = format!("{schema}.{name}");
        // If two tasks are at one table, the name occurs twice, and only the result differs: CSDL cannot express
        // `task_<task>/stage`.
        if row.is_some() {
            *types += &Action { name: "stage", binding: row, parameters: &[], result: Some(staged.clone()) }.xml();
        }
        *types += &Action { name: "commit", binding: Some(staged), parameters: &[], result }.xml();
    }
    if declared.form.flow == Flow::Waits {
        let name = flow(declared);
        *types += &resource(&name, outputs);
        container.set(&name);
        let binding = Some(format!("{schema}.{name}"));
        *types += &Action { name: "commit", binding, parameters: &[], result: None }.xml();
    }
}

fn resource(name: &str, properties: Vec<Property>) -> String {
    Entity { key: vec![Property::new("staged_id", Kind::Guid).required()], properties }.xml(name)
}

fn property(config: &Config, parameter: &Parameter) -> Property {
    let property = Property::new(&parameter.name, parameter.kind);
    match parameter.meaning {
        Meaning::Description => property.at_most(config.description_max_length),
        Meaning::Confirm => property,
        Meaning::Id | Meaning::Username | Meaning::Fixed(_) => property.required(),
    }
}

fn other_tasks(config: &Config, types: &mut String, container: &mut Container) {
    let schema = &config.application;
    let properties = |list: &[(&str, Kind)]| -> Vec<Property> {
        list.iter().map(|(name, kind)| Property::new(name, *kind)).collect()
    };
    for task in &decoys::TASKS {
        let result = (!task.outputs.is_empty()).then(|| format!("{schema}.{}_result", task.name));
        if result.is_some() {
            *types += &complex(&format!("{}_result", task.name), &properties(task.outputs));
        }
        let name = if task.bound.is_some() { format!("task_{}", task.name) } else { task.name.to_owned() };
        let binding = task.bound.map(|table| format!("{schema}.{table}"));
        *types += &Action { name: &name, binding, parameters: &properties(task.parameters), result }.xml();
        if task.bound.is_none() {
            container.import(&name);
        }
    }
}
