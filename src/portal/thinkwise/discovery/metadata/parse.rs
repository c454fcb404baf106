//! Parses a CSDL document event by event: only XML's five predefined entities are known, and only what is relevant
//! here is stored.

use super::csdl::{
    Action, ActionImport, Csdl, EntitySet, MAX_ITEMS, NavigationProperty, Property, Structure, TASK_PREFIX,
};
use super::error::MetadataError;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::collections::HashSet;
use std::sync::Arc;

/// CSDL is about six elements deep, with annotations a few more.
const MAX_DEPTH: usize = 64;
/// Each item that is built from a document has one or two elements.
const MAX_DECLARATIONS: usize = 2 * MAX_ITEMS;
/// No database has a key of more columns. Many types can inherit one key.
const MAX_KEY_COLUMNS: usize = 64;
/// The maximum length of a name or type in bytes, and of all names with their namespaces together: many types can
/// share one namespace.
const MAX_ATTRIBUTE_BYTES: usize = 512;
const MAX_NAME_BYTES_TOTAL: usize = 16 << 20;

/// The kind of an open element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Outer,
    Schema,
    Structure,
    Key,
    Action,
    Container,
    Other,
}

#[derive(Default)]
struct Parser {
    csdl: Csdl,
    frames: Vec<Frame>,
    namespace: String,
    structure: Option<(String, Structure)>,
    action: Option<Action>,
    declarations: usize,
    schemas: usize,
    /// Total length of all names with their namespaces, in bytes.
    name_bytes: usize,
    /// Names of types, each stored once.
    types: HashSet<Arc<str>>,
}

pub(crate) fn parse(document: &[u8]) -> Result<Csdl, MetadataError> {
    let text = std::str::from_utf8(document).map_err(|_| MetadataError("is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    let mut parser = Parser::default();
    loop {
        match reader.read_event().map_err(|_| MetadataError("is not well-formed XML"))? {
            Event::Start(element) => {
                let frame = parser.open(&element)?;
                if parser.frames.len() == MAX_DEPTH {
                    return Err(MetadataError("is nested too deeply"));
                }
                parser.frames.push(frame);
            }
            Event::Empty(element) => {
                let frame = parser.open(&element)?;
                parser.close(frame);
            }
            Event::End(_) => {
                let frame = parser.frames.pop().ok_or(MetadataError("is not well-formed XML"))?;
                parser.close(frame);
            }
            Event::DocType(_) => {
                return Err(MetadataError("has a document type declaration, which CSDL does not allow"));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !parser.frames.is_empty() {
        return Err(MetadataError("is truncated"));
    }
    if parser.schemas == 0 {
        return Err(MetadataError("is not a description of an OData service"));
    }
    Ok(parser.csdl)
}

impl Parser {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<Frame, MetadataError> {
        let name = element.local_name();
        let parent = self.frames.last().copied().unwrap_or(Frame::Outer);
        self.declarations += 1;
        if self.declarations > MAX_DECLARATIONS {
            return Err(MetadataError::OVERSIZED);
        }
        match (parent, name.as_ref()) {
            (Frame::Outer, "Edmx" | "DataServices") => Ok(Frame::Outer),
            // Not a `$metadata` document, for example a login page.
            (Frame::Outer, _) if self.frames.is_empty() => {
                Err(MetadataError("is not a description of an OData service: check url and application"))
            }
            (Frame::Outer, "Schema") => self.schema(element),
            (Frame::Schema, _) => self.declaration(name.as_ref(), element),
            (Frame::Structure, _) => self.member(name.as_ref(), element),
            (Frame::Key, "PropertyRef") => {
                if let (Some((_, structure)), Some(name)) = (&mut self.structure, attribute(element, "Name")?) {
                    if structure.key.len() == MAX_KEY_COLUMNS {
                        return Err(MetadataError::OVERSIZED);
                    }
                    structure.key.push(name);
                }
                Ok(Frame::Other)
            }
            (Frame::Action, _) => self.signature(name.as_ref(), element),
            (Frame::Container, _) => self.container_member(name.as_ref(), element),
            _ => Ok(Frame::Other),
        }
    }

    fn schema(&mut self, element: &BytesStart<'_>) -> Result<Frame, MetadataError> {
        self.namespace = required(element, "Namespace")?;
        self.schemas += 1;
        if let Some(alias) = attribute(element, "Alias")? {
            self.csdl.aliases.insert(alias, self.namespace.clone());
        }
        Ok(Frame::Schema)
    }

    fn declaration(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Frame, MetadataError> {
        match name {
            "EntityType" | "ComplexType" => {
                let structure = Structure { base: attribute(element, "BaseType")?, ..Structure::default() };
                self.structure = Some((self.qualified_name(element)?, structure));
                Ok(Frame::Structure)
            }
            "Action" => {
                let bound = attribute(element, "IsBound")?.as_deref() == Some("true");
                self.action = Some(Action { name: self.qualified_name(element)?, bound, ..Action::default() });
                Ok(Frame::Action)
            }
            "TypeDefinition" => {
                let underlying = required(element, "UnderlyingType")?;
                let name = self.qualified_name(element)?;
                self.csdl.definitions.insert(name, underlying);
                Ok(Frame::Other)
            }
            "EntityContainer" => Ok(Frame::Container),
            _ => Ok(Frame::Other),
        }
    }

    fn member(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Frame, MetadataError> {
        let property = if name == "Property" { Some(self.property(element)?) } else { None };
        let Some((_, structure)) = &mut self.structure else { return Ok(Frame::Other) };
        structure.properties.extend(property);
        match name {
            "Key" => return Ok(Frame::Key),
            "NavigationProperty" => {
                let (name, type_name) = (required(element, "Name")?, required(element, "Type")?);
                // The others, which may be many and are inherited, are not needed.
                if name.starts_with(TASK_PREFIX) {
                    structure.navigation.push(NavigationProperty { name, type_name });
                }
            }
            _ => {}
        }
        Ok(Frame::Other)
    }

    fn signature(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Frame, MetadataError> {
        let parameter = if name == "Parameter" { Some(self.property(element)?) } else { None };
        let Some(action) = &mut self.action else { return Ok(Frame::Other) };
        action.parameters.extend(parameter);
        if name == "ReturnType" {
            action.returns = Some(required(element, "Type")?);
        }
        Ok(Frame::Other)
    }

    fn container_member(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Frame, MetadataError> {
        match name {
            "EntitySet" => self.csdl.sets.push(EntitySet {
                name: required(element, "Name")?.into(),
                type_name: required(element, "EntityType")?,
            }),
            "ActionImport" => self
                .csdl
                .imports
                .push(ActionImport { name: required(element, "Name")?, action: required(element, "Action")? }),
            _ => {}
        }
        Ok(Frame::Other)
    }

    fn close(&mut self, frame: Frame) {
        match frame {
            Frame::Structure => {
                let structure = self.structure.take().map(|(name, mut structure)| {
                    structure.properties.shrink_to_fit();
                    (name, structure)
                });
                self.csdl.structures.extend(structure);
            }
            Frame::Action => {
                let action = self.action.take().map(|mut action| {
                    action.parameters.shrink_to_fit();
                    action
                });
                self.csdl.actions.extend(action);
            }
            _ => {}
        }
    }

    fn property(&mut self, element: &BytesStart<'_>) -> Result<Property, MetadataError> {
        let type_name = required(element, "Type")?;
        Ok(Property {
            name: required(element, "Name")?,
            type_name: self.intern(type_name),
            required: attribute(element, "Nullable")?.as_deref() == Some("false"),
            // The value `max` is valid too, and sets no limit.
            max_length: attribute(element, "MaxLength")?.and_then(|text| text.parse().ok()),
        })
    }

    fn intern(&mut self, name: String) -> Arc<str> {
        if let Some(existing) = self.types.get(name.as_str()) {
            return Arc::clone(existing);
        }
        let name: Arc<str> = name.into();
        self.types.insert(Arc::clone(&name));
        name
    }

    fn qualified_name(&mut self, element: &BytesStart<'_>) -> Result<String, MetadataError> {
        let name = format!("{}.{}", self.namespace, required(element, "Name")?);
        self.name_bytes += name.len();
        if self.name_bytes > MAX_NAME_BYTES_TOTAL { Err(MetadataError::OVERSIZED) } else { Ok(name) }
    }
}

fn required(element: &BytesStart<'_>, name: &str) -> Result<String, MetadataError> {
    attribute(element, name)?.ok_or(MetadataError("declares an element without a name or a type"))
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, MetadataError> {
    let malformed = MetadataError("is not well-formed XML");
    let Some(found) = element.try_get_attribute(name).map_err(|_| malformed)? else { return Ok(None) };
    let value = found.normalized_value(XmlVersion::Implicit1_0).map_err(|_| malformed)?;
    if value.len() > MAX_ATTRIBUTE_BYTES { Err(MetadataError::OVERSIZED) } else { Ok(Some(value.into_owned())) }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
