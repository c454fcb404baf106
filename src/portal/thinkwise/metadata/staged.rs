//! Tasks that are bound to a row.
//!
//! A task is called at `<table>(<key>)/task_<task>`, and staged as `staged_<task>` (documented). How
//! `$metadata` declares that is not public, so each way that OData has for it is understood: an action bound to the row, a
//! navigation from the row, an entity set of what is staged (inferred).

use super::catalog::{Catalog, Field, Way, WayForm, field, local, returned};
use super::csdl::{Csdl, EntitySet, Structure};
use std::collections::{BTreeMap, BTreeSet};

const TASK: &str = "task_";
const STAGED: &str = "staged_";
/// The steps of staging, which are no tasks (documented).
const STEPS: [&str; 6] = ["stage", "stage_add", "stage_edit", "stage_copy", "commit", "cancel"];

/// The tables of a document, by the types of their rows.
pub(super) struct Tables<'a> {
    csdl: &'a Csdl,
    of_type: BTreeMap<String, Vec<&'a EntitySet>>,
}

impl<'a> Tables<'a> {
    /// What is staged, and what a process flow waits for, is no table: it has the name of such, or can be committed.
    pub(super) fn of(csdl: &'a Csdl) -> Self {
        let commits = csdl.actions.iter().filter(|action| action.bound && local(&action.name) == "commit");
        let rows = commits.filter_map(|action| action.parameters.first());
        let committed: BTreeSet<String> = rows.map(|row| csdl.qualified(&row.of)).collect();
        let mut of_type: BTreeMap<String, Vec<&EntitySet>> = BTreeMap::new();
        for set in csdl.sets.iter().filter(|set| !set.name.starts_with(STAGED)) {
            let of = csdl.qualified(&set.of);
            if !committed.contains(&of) {
                of_type.entry(of).or_default().push(set);
            }
        }
        Self { csdl, of_type }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a EntitySet> {
        self.of_type.values().flatten().copied()
    }

    fn with_rows(&self, of: &str) -> &[&'a EntitySet] {
        self.of_type.get(&self.csdl.qualified(of)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A task's name without `task_`.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix(TASK).unwrap_or(name)
}

/// Adds the tasks that are bound to a row of a table.
pub(super) fn bound(tables: &Tables<'_>, catalog: &mut Catalog) {
    let csdl = tables.csdl;
    actions(tables, catalog);
    navigations(tables, catalog);
    // What can be staged, and nothing says from which table.
    for set in csdl.sets.iter().filter(|set| set.name.starts_with(STAGED)) {
        let task = set.name.trim_start_matches(STAGED);
        if catalog.task(task).is_none_or(|known| known.ways.iter().all(|way| way.form != WayForm::Staged)) {
            let fields = parameters(csdl, &set.of);
            let way = Way { form: WayForm::Staged, table: None, inputs: fields.clone(), outputs: fields };
            catalog.add(task, way);
        }
    }
}

fn actions(tables: &Tables<'_>, catalog: &mut Catalog) {
    let csdl = tables.csdl;
    for action in csdl.actions.iter().filter(|action| action.bound) {
        let name = local(&action.name);
        let Some((row, parameters)) = action.parameters.split_first() else { continue };
        if STEPS.contains(&name) {
            continue;
        }
        let staged = staged_type(csdl, bare(name));
        let mut inputs: Vec<Field> = parameters.iter().map(|parameter| field(csdl, parameter)).collect();
        let mut outputs = returned(csdl, action);
        if let Some(fields) = &staged {
            if inputs.is_empty() {
                inputs.clone_from(fields);
            }
            add_missing(&mut outputs, fields);
        }
        for table in tables.with_rows(&row.of) {
            let way = |form, inputs| Way { form, table: Some(table.name.clone()), inputs, outputs: outputs.clone() };
            catalog.add(bare(name), way(WayForm::Bound, inputs.clone()));
            if staged.is_some() {
                catalog.add(bare(name), way(WayForm::Staged, optional(&inputs)));
            }
        }
    }
}

fn navigations(tables: &Tables<'_>, catalog: &mut Catalog) {
    let csdl = tables.csdl;
    for set in tables.all() {
        let ways = csdl.chain(&set.of).into_iter().flat_map(|structure: &Structure| &structure.navigation);
        for way in ways.filter(|way| way.name.starts_with(TASK)) {
            let fields = parameters(csdl, &way.of);
            let staged =
                Way { form: WayForm::Staged, table: Some(set.name.clone()), inputs: fields.clone(), outputs: fields };
            catalog.add(bare(&way.name), staged);
        }
    }
}

fn staged_type(csdl: &Csdl, task: &str) -> Option<Vec<Field>> {
    let set = csdl.sets.iter().find(|set| set.name.strip_prefix(STAGED) == Some(task))?;
    Some(parameters(csdl, &set.of))
}

/// What a staged task holds besides its own key: parameters and outputs alike.
fn parameters(csdl: &Csdl, of: &str) -> Vec<Field> {
    let key = csdl.key(of);
    let fields = csdl.properties(of).into_iter().filter(|property| !key.contains(&property.name));
    optional(&fields.map(|property| field(csdl, property)).collect::<Vec<_>>())
}

/// A staged task begins with what its row gives it, and only what changes is sent (documented).
fn optional(fields: &[Field]) -> Vec<Field> {
    fields.iter().map(|field| Field { required: false, ..field.clone() }).collect()
}

fn add_missing(fields: &mut Vec<Field>, more: &[Field]) {
    for field in more {
        if !fields.iter().any(|known| known.name == field.name) {
            fields.push(field.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str = r#"
        <EntityType Name="klant_product"><Key><PropertyRef Name="klant_id"/></Key><Property Name="klant_id" Type="Edm.Int32" Nullable="false"/>"#;
    const STAGED_TYPE: &str = r#"
        <EntityType Name="staged_request_token"><Key><PropertyRef Name="stage_id"/></Key>
          <Property Name="stage_id" Type="Edm.Guid" Nullable="false"/>
          <Property Name="description" Type="Edm.String" Nullable="false"/><Property Name="secret" Type="Edm.String"/>
        </EntityType>"#;

    fn catalog(in_table: &str, schema: &str, sets: &str) -> Catalog {
        let text = format!(
            r#"<Edmx><DataServices><Schema Namespace="tcp">{TABLES}{in_table}</EntityType>{schema}
               <EntityContainer Name="c"><EntitySet Name="klant_product" EntityType="tcp.klant_product"/>{sets}</EntityContainer>
               </Schema></DataServices></Edmx>"#
        );
        Catalog::read(text.as_bytes()).expect("a catalog")
    }

    fn ways(catalog: &Catalog) -> Vec<(String, WayForm, Option<String>, usize, usize)> {
        let of = |task: &crate::portal::thinkwise::metadata::TaskInfo| {
            let name = task.name.clone();
            task.ways
                .iter()
                .map(move |way| (name.clone(), way.form, way.table.clone(), way.inputs.len(), way.outputs.len()))
                .collect::<Vec<_>>()
        };
        catalog.tasks.iter().flat_map(of).collect()
    }

    #[test]
    fn an_action_of_a_row_is_called_at_once_and_staged_where_it_can_be() {
        let action = r#"<Action Name="task_request_token" IsBound="true"><Parameter Name="row" Type="tcp.klant_product"/>
            <Parameter Name="description" Type="Edm.String" Nullable="false"/></Action>"#;
        let (name, table) = ("request_token".to_owned(), Some("klant_product".to_owned()));
        let bound = (name.clone(), WayForm::Bound, table.clone(), 1, 0);
        assert_eq!(ways(&catalog("", action, "")), std::slice::from_ref(&bound));
        let set = r#"<EntitySet Name="staged_request_token" EntityType="tcp.staged_request_token"/>"#;
        let both = catalog("", &format!("{action}{STAGED_TYPE}"), set);
        let (bound, staged) = ((bound.0, bound.1, bound.2, 1, 2), (name, WayForm::Staged, table, 1, 2));
        assert_eq!(ways(&both), [staged, bound], "staging is documented step by step");
        assert_eq!(both.tables.len(), 1, "what is staged is no table");
        assert!(!both.tasks[0].ways[0].inputs[0].required && both.tasks[0].ways[1].inputs[0].required);
    }

    #[test]
    fn a_navigation_and_a_set_of_what_is_staged_tell_of_a_task_too() {
        let navigation = r#"<NavigationProperty Name="task_request_token" Type="tcp.staged_request_token"/>"#;
        let found = ways(&catalog(navigation, STAGED_TYPE, ""));
        assert_eq!(found, [("request_token".to_owned(), WayForm::Staged, Some("klant_product".to_owned()), 2, 2)]);
        let set = r#"<EntitySet Name="staged_request_token" EntityType="tcp.staged_request_token"/>"#;
        let found = ways(&catalog("", STAGED_TYPE, set));
        assert_eq!(found, [("request_token".to_owned(), WayForm::Staged, None, 2, 2)]);
    }

    #[test]
    fn what_can_be_committed_is_no_table() {
        let waits = r#"<EntityType Name="show_secret"><Property Name="secret" Type="Edm.String"/></EntityType>
            <Action Name="commit" IsBound="true"><Parameter Name="row" Type="tcp.show_secret"/></Action>"#;
        let found = catalog("", waits, r#"<EntitySet Name="show_secret" EntityType="tcp.show_secret"/>"#);
        assert_eq!((found.tables.len(), found.tasks.len()), (1, 0));
    }

    #[test]
    fn the_steps_of_staging_are_no_tasks() {
        let steps = r#"<Action Name="stage" IsBound="true"><Parameter Name="row" Type="tcp.klant_product"/></Action>
            <Action Name="commit" IsBound="true"><Parameter Name="row" Type="tcp.klant_product"/></Action>"#;
        assert_eq!(ways(&catalog("", steps, "")), []);
    }

    #[test]
    fn a_name_is_found_with_and_without_its_prefix() {
        let unbound = r#"<Action Name="task_odd"/><Action Name="plain"/>"#;
        let catalog = catalog("", unbound, "");
        for (name, found) in [("task_odd", "task_odd"), ("plain", "plain"), ("task_plain", "plain")] {
            assert_eq!(catalog.task(name).expect(name).name, found);
        }
        assert!(catalog.task("odd").is_none());
    }
}
