//! The parts of CSDL, the XML format of OData's `$metadata`.

use super::keys::Kind;
use std::fmt::Write;

/// A property of a type, or a parameter of an action.
#[derive(Clone)]
pub(super) struct Property {
    name: String,
    kind: Kind,
    required: bool,
    max_length: Option<usize>,
}

impl Property {
    pub(super) fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, required: false, max_length: None }
    }

    /// Makes it non-null.
    pub(super) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Makes it nullable.
    pub(super) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// Sets the maximum length.
    pub(super) fn at_most(self, max_length: Option<usize>) -> Self {
        Self { max_length, ..self }
    }

    fn xml(&self, element: &str) -> String {
        let required = if self.required { " Nullable=\"false\"" } else { "" };
        let length = self.max_length.map(|length| format!(" MaxLength=\"{length}\"")).unwrap_or_default();
        format!("        <{element} Name=\"{}\" Type=\"{}\"{required}{length}/>\n", self.name, self.kind.edm())
    }
}

fn all(properties: &[Property], element: &str) -> String {
    properties.iter().map(|property| property.xml(element)).collect()
}

/// An entity type.
pub(super) struct Entity {
    pub(super) key: Vec<Property>,
    pub(super) properties: Vec<Property>,
}

impl Entity {
    pub(super) fn xml(&self, name: &str) -> String {
        let references = self
            .key
            .iter()
            .fold(String::new(), |all, property| format!("{all}<PropertyRef Name=\"{}\"/>", property.name));
        let properties = all(&self.key, "Property") + &all(&self.properties, "Property");
        format!(
            "      <EntityType Name=\"{name}\">\n        <Key>{references}</Key>\n{properties}      </EntityType>\n"
        )
    }
}

/// A complex type.
pub(super) fn complex(name: &str, properties: &[Property]) -> String {
    format!("      <ComplexType Name=\"{name}\">\n{}      </ComplexType>\n", all(properties, "Property"))
}

/// An action.
pub(super) struct Action<'a> {
    pub(super) name: &'a str,
    /// The type of its binding parameter.
    pub(super) binding: Option<String>,
    pub(super) parameters: &'a [Property],
    /// The type of its result.
    pub(super) result: Option<String>,
}

impl Action<'_> {
    pub(super) fn xml(&self) -> String {
        let (mut bound, mut inner) = ("", String::new());
        if let Some(binding) = &self.binding {
            bound = " IsBound=\"true\"";
            let _ = writeln!(inner, "        <Parameter Name=\"bindingParameter\" Type=\"{binding}\"/>");
        }
        inner += &all(self.parameters, "Parameter");
        if let Some(result) = &self.result {
            let _ = writeln!(inner, "        <ReturnType Type=\"{result}\"/>");
        }
        format!("      <Action Name=\"{}\"{bound}>\n{inner}      </Action>\n", self.name)
    }
}

/// The entity container: what the service offers at its root.
pub(super) struct Container<'a> {
    schema: &'a str,
    sets: String,
    imports: String,
}

impl<'a> Container<'a> {
    pub(super) fn new(schema: &'a str) -> Self {
        Self { schema, sets: String::new(), imports: String::new() }
    }

    /// An entity set of the type with the same name: tables are singular (documented).
    pub(super) fn set(&mut self, name: &str) {
        let _ = writeln!(self.sets, "        <EntitySet Name=\"{name}\" EntityType=\"{}.{name}\"/>", self.schema);
    }

    /// An unbound action.
    pub(super) fn import(&mut self, name: &str) {
        let _ = writeln!(self.imports, "        <ActionImport Name=\"{name}\" Action=\"{}.{name}\"/>", self.schema);
    }

    pub(super) fn xml(&self) -> String {
        format!("{}{}", self.sets, self.imports)
    }
}
