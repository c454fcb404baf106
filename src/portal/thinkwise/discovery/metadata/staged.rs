//! Tasks that are bound to a row.
//!
//! A task is called at `<table>(<key>)/task_<task>`, and staged as `staged_<task>` (documented). How `$metadata`
//! declares that is not documented, so every construct that OData has for it is recognized: an action bound to the
//! row, a navigation from the row, an entity set of staged tasks (inferred).

use super::builder::{Builder, Fields};
use super::catalog::{FieldInfo, Invocation, InvocationForm};
use super::csdl::{Action, Csdl, EntitySet, STAGED_PREFIX, local_name, strip_task_prefix};
use super::error::MetadataError;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The steps of staging, which are not tasks (documented).
const STAGING_ACTIONS: [&str; 6] = ["stage", "stage_add", "stage_edit", "stage_copy", "commit", "cancel"];

/// The tasks that can be staged: the fields of `staged_<task>`, by task.
struct StagedSets<'a> {
    sets: HashMap<&'a str, &'a EntitySet>,
    /// By type.
    parameters: HashMap<String, Fields>,
}

impl<'a> StagedSets<'a> {
    fn new(csdl: &'a Csdl) -> Self {
        let mut sets = HashMap::new();
        for set in &csdl.sets {
            if let Some(task) = set.name.strip_prefix(STAGED_PREFIX) {
                sets.entry(task).or_insert(set);
            }
        }
        Self { sets, parameters: HashMap::new() }
    }

    fn fields(&mut self, builder: &mut Builder<'_>, task: &str) -> Result<Option<Fields>, MetadataError> {
        self.sets.get(task).copied().map(|set| self.parameters(builder, &set.type_name)).transpose()
    }

    /// The fields of a staged task except its own key: both parameters and outputs.
    fn parameters(&mut self, builder: &mut Builder<'_>, type_name: &str) -> Result<Fields, MetadataError> {
        let type_name = builder.csdl.qualified(type_name);
        if let Some(fields) = self.parameters.get(&type_name) {
            return Ok(Arc::clone(fields));
        }
        let (key, fields) = (builder.csdl.key(&type_name), builder.fields(&type_name)?);
        builder.spend(fields.len())?;
        let key: BTreeSet<&str> = key.iter().map(String::as_str).collect();
        let own = fields.iter().filter(|field| !key.contains(field.name.as_str()));
        let fields: Fields = own.map(optional).collect();
        self.parameters.insert(type_name, Arc::clone(&fields));
        Ok(fields)
    }
}

/// Adds the tasks that are bound to a row of a table.
pub(crate) fn add_bound_tasks(builder: &mut Builder<'_>) -> Result<(), MetadataError> {
    let csdl = builder.csdl;
    let mut staged = StagedSets::new(csdl);
    for action in csdl.actions.iter().filter(|action| action.bound) {
        add_bound_action(builder, &mut staged, action)?;
    }
    add_navigation_tasks(builder, &mut staged)?;
    // Tasks that can be staged, but whose table is not declared.
    for set in csdl.sets.iter().filter(|set| set.name.starts_with(STAGED_PREFIX)) {
        let task = set.name.trim_start_matches(STAGED_PREFIX);
        let existing = builder
            .task(task)
            .or_else(|| builder.task(strip_task_prefix(task)))
            .map_or(&[][..], |existing| &existing.invocations);
        let (count, is_staged) =
            (existing.len(), existing.iter().any(|invocation| invocation.form == InvocationForm::Staged));
        builder.spend(count)?;
        if !is_staged {
            let fields = staged.parameters(builder, &set.type_name)?;
            let invocation =
                Invocation { form: InvocationForm::Staged, table: None, inputs: Arc::clone(&fields), outputs: fields };
            builder.add_invocation(task, invocation)?;
        }
    }
    Ok(())
}

fn add_bound_action(
    builder: &mut Builder<'_>,
    staged: &mut StagedSets<'_>,
    action: &Action,
) -> Result<(), MetadataError> {
    let name = local_name(&action.name);
    let Some((row, parameters)) = action.parameters.split_first() else { return Ok(()) };
    if STAGING_ACTIONS.contains(&name) {
        return Ok(());
    }
    let Some(mut inputs) = builder.inputs(parameters)? else { return Ok(()) };
    let tables = builder.tables.with_rows(&row.type_name);
    if tables.is_empty() {
        return Ok(());
    }
    let task = strip_task_prefix(name);
    let mut outputs = builder.outputs(action)?;
    let fields = staged.fields(builder, task)?;
    if let Some(fields) = &fields {
        if inputs.is_empty() {
            inputs = Arc::clone(fields);
        }
        outputs = merge_fields(builder, &outputs, fields)?;
    }
    // A staged task is initialized from its row, and only changes are sent (documented).
    let changes = match &fields {
        Some(_) => {
            builder.spend(inputs.len())?;
            Some(inputs.iter().map(optional).collect::<Fields>())
        }
        None => None,
    };
    for table in tables {
        let invocation = |form, inputs: &Fields| Invocation {
            form,
            table: Some(Arc::clone(&table)),
            inputs: Arc::clone(inputs),
            outputs: Arc::clone(&outputs),
        };
        builder.add_invocation(task, invocation(InvocationForm::Bound, &inputs))?;
        if let Some(changes) = &changes {
            builder.add_invocation(task, invocation(InvocationForm::Staged, changes))?;
        }
    }
    Ok(())
}

fn add_navigation_tasks(builder: &mut Builder<'_>, staged: &mut StagedSets<'_>) -> Result<(), MetadataError> {
    let csdl = builder.csdl;
    let sets: Vec<&EntitySet> = builder.tables.all().collect();
    for set in sets {
        for structure in csdl.base_chain(&set.type_name) {
            for navigation in &structure.navigation {
                let fields = staged.parameters(builder, &navigation.type_name)?;
                let (inputs, outputs, table) = (Arc::clone(&fields), fields, Some(Arc::clone(&set.name)));
                builder.add_invocation(
                    strip_task_prefix(&navigation.name),
                    Invocation { form: InvocationForm::Staged, table, inputs, outputs },
                )?;
            }
        }
    }
    Ok(())
}

fn optional(field: &FieldInfo) -> FieldInfo {
    FieldInfo { required: false, ..field.clone() }
}

/// These fields, and those of the others with different names.
fn merge_fields(builder: &mut Builder<'_>, fields: &Fields, more: &Fields) -> Result<Fields, MetadataError> {
    if fields.is_empty() {
        return Ok(Arc::clone(more));
    }
    builder.spend(fields.len() + more.len())?;
    let names: BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let missing = more.iter().filter(|field| !names.contains(field.name.as_str()));
    Ok(fields.iter().chain(missing).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portal::thinkwise::discovery::metadata::Catalog;

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

    fn invocations(catalog: &Catalog) -> Vec<(String, InvocationForm, Option<String>, usize, usize)> {
        let describe = |task: &crate::portal::thinkwise::discovery::metadata::TaskInfo| {
            let name = task.name.clone();
            task.invocations
                .iter()
                .map(move |invocation| {
                    (
                        name.clone(),
                        invocation.form,
                        invocation.table.as_deref().map(str::to_owned),
                        invocation.inputs.len(),
                        invocation.outputs.len(),
                    )
                })
                .collect::<Vec<_>>()
        };
        catalog.tasks.iter().flat_map(describe).collect()
    }

    #[test]
    fn an_action_bound_to_a_row_is_called_directly_and_staged_if_possible() {
        let action = r#"<Action Name="task_request_token" IsBound="true"><Parameter Name="row" Type="tcp.klant_product"/>
            <Parameter Name="description" Type="Edm.String" Nullable="false"/></Action>"#;
        let (name, table) = ("request_token".to_owned(), Some("klant_product".to_owned()));
        let bound = (name.clone(), InvocationForm::Bound, table.clone(), 1, 0);
        assert_eq!(invocations(&catalog("", action, "")), std::slice::from_ref(&bound));
        let set = r#"<EntitySet Name="staged_request_token" EntityType="tcp.staged_request_token"/>"#;
        let both = catalog("", &format!("{action}{STAGED_TYPE}"), set);
        let (bound, staged) = ((bound.0, bound.1, bound.2, 1, 2), (name, InvocationForm::Staged, table, 1, 2));
        assert_eq!(invocations(&both), [staged, bound], "staging is documented step by step");
        assert_eq!(both.tables.len(), 1, "a staged task is not a table");
        assert!(!both.tasks[0].invocations[0].inputs[0].required && both.tasks[0].invocations[1].inputs[0].required);
    }

    #[test]
    fn a_navigation_and_a_staged_set_declare_a_task_too() {
        let navigation = r#"<NavigationProperty Name="task_request_token" Type="tcp.staged_request_token"/>"#;
        let found = invocations(&catalog(navigation, STAGED_TYPE, ""));
        assert_eq!(
            found,
            [("request_token".to_owned(), InvocationForm::Staged, Some("klant_product".to_owned()), 2, 2)]
        );
        let set = r#"<EntitySet Name="staged_request_token" EntityType="tcp.staged_request_token"/>"#;
        let found = invocations(&catalog("", STAGED_TYPE, set));
        assert_eq!(found, [("request_token".to_owned(), InvocationForm::Staged, None, 2, 2)]);
    }

    #[test]
    fn a_type_that_can_be_committed_is_not_a_table() {
        let waiting = r#"<EntityType Name="show_secret"><Property Name="secret" Type="Edm.String"/></EntityType>
            <Action Name="commit" IsBound="true"><Parameter Name="row" Type="tcp.show_secret"/></Action>"#;
        let found = catalog("", waiting, r#"<EntitySet Name="show_secret" EntityType="tcp.show_secret"/>"#);
        assert_eq!((found.tables.len(), found.tasks.len()), (1, 0));
    }

    #[test]
    fn the_steps_of_staging_are_not_tasks() {
        let steps = r#"<Action Name="stage" IsBound="true"><Parameter Name="row" Type="tcp.klant_product"/></Action>
            <Action Name="commit" IsBound="true"><Parameter Name="row" Type="tcp.klant_product"/></Action>"#;
        assert_eq!(invocations(&catalog("", steps, "")), []);
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
