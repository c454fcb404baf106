//! Reads a CSDL document, event by event: no entity but XML's own five is known, and nothing is
//! kept but what matters here.

use super::csdl::{Action, ActionImport, Csdl, EntitySet, Navigation, Property, Structure};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// CSDL is some six elements deep, with annotations a few more.
const DEEPEST: usize = 64;
/// Tables, columns, tasks and parameters in all: some ten times what a large application has.
const MOST_DECLARATIONS: usize = 200_000;

/// The document is not what it should be. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the portal's $metadata {0}")]
pub struct Malformed(pub(super) &'static str);

impl Malformed {
    /// It declares more than the operator keeps.
    pub(super) const OVERSIZED: Self = Self(
        "declares more than the operator reads. Give the portal's user a role that shows the tables and tasks of the registry's tokens only. It is read again in ten minutes, or when the issuer is changed",
    );

    /// Whether it is one that declares too much.
    #[must_use]
    pub fn is_oversized(self) -> bool {
        self == Self::OVERSIZED
    }
}

/// What an element that is open stands for.
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
    found: Csdl,
    frames: Vec<Frame>,
    namespace: String,
    structure: Option<(String, Structure)>,
    action: Option<Action>,
    declarations: usize,
    schemas: usize,
}

/// Reads a document.
pub(super) fn parse(document: &[u8]) -> Result<Csdl, Malformed> {
    let text = std::str::from_utf8(document).map_err(|_| Malformed("is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    let mut parser = Parser::default();
    loop {
        match reader.read_event().map_err(|_| Malformed("is not well-formed XML"))? {
            Event::Start(element) => {
                let frame = parser.open(&element)?;
                if parser.frames.len() == DEEPEST {
                    return Err(Malformed("is nested too deeply"));
                }
                parser.frames.push(frame);
            }
            Event::Empty(element) => {
                let frame = parser.open(&element)?;
                parser.close(frame);
            }
            Event::End(_) => {
                let frame = parser.frames.pop().ok_or(Malformed("is not well-formed XML"))?;
                parser.close(frame);
            }
            Event::DocType(_) => return Err(Malformed("has a document type, which CSDL does not")),
            Event::Eof => break,
            _ => {}
        }
    }
    if !parser.frames.is_empty() {
        return Err(Malformed("ends in the middle"));
    }
    if parser.schemas == 0 {
        return Err(Malformed("is not a description of an OData service"));
    }
    Ok(parser.found)
}

impl Parser {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<Frame, Malformed> {
        let name = element.local_name();
        let inside = self.frames.last().copied().unwrap_or(Frame::Outer);
        self.declarations += 1;
        if self.declarations > MOST_DECLARATIONS {
            return Err(Malformed::OVERSIZED);
        }
        match (inside, name.as_ref()) {
            (Frame::Outer, "Edmx" | "DataServices") => Ok(Frame::Outer),
            // Somebody else's document, such as a login page.
            (Frame::Outer, _) if self.frames.is_empty() => {
                Err(Malformed("is not a description of an OData service: check url and application"))
            }
            (Frame::Outer, "Schema") => self.schema(element),
            (Frame::Schema, _) => self.declaration(name.as_ref(), element),
            (Frame::Structure, _) => self.member(name.as_ref(), element),
            (Frame::Key, "PropertyRef") => {
                if let (Some((_, structure)), Some(name)) = (&mut self.structure, attribute(element, "Name")?) {
                    structure.key.push(name);
                }
                Ok(Frame::Other)
            }
            (Frame::Action, _) => self.signature(name.as_ref(), element),
            (Frame::Container, _) => self.offer(name.as_ref(), element),
            _ => Ok(Frame::Other),
        }
    }

    fn schema(&mut self, element: &BytesStart<'_>) -> Result<Frame, Malformed> {
        self.namespace = required(element, "Namespace")?;
        self.schemas += 1;
        if let Some(alias) = attribute(element, "Alias")? {
            self.found.aliases.insert(alias, self.namespace.clone());
        }
        Ok(Frame::Schema)
    }

    fn declaration(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Frame, Malformed> {
        match name {
            "EntityType" | "ComplexType" => {
                let structure = Structure { base: attribute(element, "BaseType")?, ..Structure::default() };
                self.structure = Some((self.named(element)?, structure));
                Ok(Frame::Structure)
            }
            "Action" => {
                let bound = attribute(element, "IsBound")?.as_deref() == Some("true");
                self.action = Some(Action { name: self.named(element)?, bound, ..Action::default() });
                Ok(Frame::Action)
            }
            "TypeDefinition" => {
                let underlying = required(element, "UnderlyingType")?;
                let name = self.named(element)?;
                self.found.definitions.insert(name, underlying);
                Ok(Frame::Other)
            }
            "EntityContainer" => Ok(Frame::Container),
            _ => Ok(Frame::Other),
        }
    }

    fn member(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Frame, Malformed> {
        let Some((_, structure)) = &mut self.structure else { return Ok(Frame::Other) };
        match name {
            "Key" => return Ok(Frame::Key),
            "Property" => structure.properties.push(property(element)?),
            "NavigationProperty" => structure
                .navigation
                .push(Navigation { name: required(element, "Name")?, of: required(element, "Type")? }),
            _ => {}
        }
        Ok(Frame::Other)
    }

    fn signature(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Frame, Malformed> {
        let Some(action) = &mut self.action else { return Ok(Frame::Other) };
        match name {
            "Parameter" => action.parameters.push(property(element)?),
            "ReturnType" => action.returns = Some(required(element, "Type")?),
            _ => {}
        }
        Ok(Frame::Other)
    }

    fn offer(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Frame, Malformed> {
        match name {
            "EntitySet" => self
                .found
                .sets
                .push(EntitySet { name: required(element, "Name")?, of: required(element, "EntityType")? }),
            "ActionImport" => self
                .found
                .imports
                .push(ActionImport { name: required(element, "Name")?, action: required(element, "Action")? }),
            _ => {}
        }
        Ok(Frame::Other)
    }

    fn close(&mut self, frame: Frame) {
        match frame {
            Frame::Structure => self.found.structures.extend(self.structure.take()),
            Frame::Action => self.found.actions.extend(self.action.take()),
            _ => {}
        }
    }

    fn named(&self, element: &BytesStart<'_>) -> Result<String, Malformed> {
        Ok(format!("{}.{}", self.namespace, required(element, "Name")?))
    }
}

fn property(element: &BytesStart<'_>) -> Result<Property, Malformed> {
    Ok(Property {
        name: required(element, "Name")?,
        of: required(element, "Type")?,
        required: attribute(element, "Nullable")?.as_deref() == Some("false"),
        // `max` is a length too, and says nothing.
        max_length: attribute(element, "MaxLength")?.and_then(|text| text.parse().ok()),
    })
}

fn required(element: &BytesStart<'_>, name: &str) -> Result<String, Malformed> {
    attribute(element, name)?.ok_or(Malformed("declares something without a name or a type"))
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, Malformed> {
    let broken = Malformed("is not well-formed XML");
    let Some(found) = element.try_get_attribute(name).map_err(|_| broken)? else { return Ok(None) };
    let value = found.normalized_value(XmlVersion::Implicit1_0).map_err(|_| broken)?;
    Ok(Some(value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(schema: &str) -> String {
        format!(
            r#"<?xml version="1.0" encoding="utf-8"?>
            <edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
            <Schema Namespace="tcp.model" Alias="self" xmlns="http://docs.oasis-open.org/odata/ns/edm">{schema}</Schema>
            </edmx:DataServices></edmx:Edmx>"#
        )
    }

    fn read(schema: &str) -> Csdl {
        parse(document(schema).as_bytes()).expect("a document")
    }

    #[test]
    fn types_keys_and_lengths_are_read_past_what_does_not_matter() {
        let found = read(
            r#"<EntityType Name="base"><Key><PropertyRef Name="id"/></Key>
                 <Property Name="id" Type="self.number" Nullable="false"><Annotation Term="x"><String>y</String></Annotation></Property>
               </EntityType>
               <EntityType Name="token" BaseType="self.base">
                 <Property Name="a&amp;b" Type="Edm.String" MaxLength="50"/><Property Name="c" Type="Edm.String" MaxLength="max"/>
                 <NavigationProperty Name="task_x" Type="Collection(self.other)"><ReferentialConstraint Property="id"/></NavigationProperty>
               </EntityType>
               <TypeDefinition Name="number" UnderlyingType="Edm.Int32"/>
               <EnumType Name="colour"><Member Name="red"/></EnumType>
               <Function Name="f"><Parameter Name="p" Type="Edm.String"/><ReturnType Type="Edm.String"/></Function>
               <EntityContainer Name="c"><EntitySet Name="token" EntityType="self.token"><NavigationPropertyBinding Path="x" Target="y"/></EntitySet></EntityContainer>"#,
        );
        assert_eq!(found.key("self.token"), ["id"]);
        let properties = found.properties("tcp.model.token");
        let seen: Vec<_> = properties.iter().map(|p| (p.name.as_str(), p.required, p.max_length)).collect();
        assert_eq!(seen, [("id", true, None), ("a&b", false, Some(50)), ("c", false, None)]);
        assert_eq!(found.underlying("self.number"), "Edm.Int32");
        assert_eq!(found.chain("self.token")[0].navigation[0].name, "task_x");
        assert_eq!(found.qualified("Collection(self.other)"), "tcp.model.other");
        assert_eq!((found.sets.len(), found.actions.len()), (1, 0));
    }

    #[test]
    fn actions_are_read_with_what_they_return() {
        let found = read(
            r#"<Action Name="a" IsBound="true"><Parameter Name="row" Type="self.token"/>
                 <Parameter Name="p" Type="Edm.Boolean" Nullable="false"/><ReturnType Type="self.result"/></Action>
               <Action Name="b"/>
               <EntityContainer Name="c"><ActionImport Name="bb" Action="self.b"/></EntityContainer>"#,
        );
        let [a, b] = &found.actions[..] else { panic!("{:?}", found.actions) };
        assert!(a.bound && a.parameters.len() == 2 && a.returns.as_deref() == Some("self.result"));
        assert!(!b.bound && b.parameters.is_empty() && b.name == "tcp.model.b");
        assert_eq!(found.imports[0].name, "bb");
    }

    #[test]
    fn a_circle_of_base_types_ends() {
        let found = read(r#"<EntityType Name="a" BaseType="self.b"/><EntityType Name="b" BaseType="self.a"/>"#);
        assert_eq!(found.key("self.a"), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_metadata_is_malformed() {
        let bomb = format!("<!DOCTYPE x [<!ENTITY a \"{}\">]>{}", "ha".repeat(10), document(""));
        let entity = document(r#"<EntityType Name="&a;"/>"#);
        let deep = document(&"<x>".repeat(100));
        let many = document(&"<x/>".repeat(MOST_DECLARATIONS));
        let cut = document("<x>");
        for (text, says) in [
            ("", "not a description"),
            ("{}", "not a description"),
            ("<html><body>Please log in</body></html>", "check url and application"),
            ("<edmx:Edmx/>", "not a description"),
            ("<Edmx><DataServices><Schema/></DataServices></Edmx>", "without a name"),
            (&bomb, "document type"),
            (&entity, "well-formed"),
            (&deep, "too deeply"),
            (&many, "more than"),
            (&cut, "well-formed"),
            ("<Edmx>", "ends in the middle"),
            ("<Edmx", "well-formed"),
            ("<Edmx a=b></Edmx>", "not a description"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text.get(..40).unwrap_or(text));
            assert!(error.to_string().contains(says), "{error} {says}");
        }
        assert!(parse(b"\xff\xfe<\0E\0").is_err());
    }
}
