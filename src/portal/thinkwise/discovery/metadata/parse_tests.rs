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
fn types_keys_and_lengths_are_read_and_everything_else_is_ignored() {
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
    let actual: Vec<_> = properties.iter().map(|p| (p.name.as_str(), p.required, p.max_length)).collect();
    assert_eq!(actual, [("id", true, None), ("a&b", false, Some(50)), ("c", false, None)]);
    assert_eq!(found.underlying("self.number"), "Edm.Int32");
    assert_eq!(found.base_chain("self.token")[0].navigation[0].name, "task_x");
    assert_eq!(found.qualified("Collection(self.other)"), "tcp.model.other");
    assert_eq!((found.sets.len(), found.actions.len()), (1, 0));
}

#[test]
fn actions_are_read_with_their_return_types() {
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
fn a_cycle_of_base_types_terminates() {
    let found = read(r#"<EntityType Name="a" BaseType="self.b"/><EntityType Name="b" BaseType="self.a"/>"#);
    assert_eq!(found.key("self.a"), Vec::<String>::new());
}

#[test]
fn invalid_metadata_is_rejected() {
    let bomb = format!("<!DOCTYPE x [<!ENTITY a \"{}\">]>{}", "ha".repeat(10), document(""));
    let entity = document(r#"<EntityType Name="&a;"/>"#);
    let deep = document(&"<x>".repeat(100));
    let many = document(&"<x/>".repeat(MAX_DECLARATIONS));
    let cut = document("<x>");
    for (text, expected) in [
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
        ("<Edmx>", "is truncated"),
        ("<Edmx", "well-formed"),
        ("<Edmx a=b></Edmx>", "not a description"),
    ] {
        let error = parse(text.as_bytes()).expect_err(text.get(..40).unwrap_or(text));
        assert!(error.to_string().contains(expected), "{error} {expected}");
    }
    assert!(parse(b"\xff\xfe<\0E\0").is_err());
}

fn is_oversized(schema: &str) -> bool {
    parse(document(schema).as_bytes()).is_err_and(MetadataError::is_oversized)
}

#[test]
fn a_key_of_more_columns_than_any_database_has_is_oversized() {
    let of = |columns: usize| {
        format!(r#"<EntityType Name="t"><Key>{}</Key></EntityType>"#, r#"<PropertyRef Name="c"/>"#.repeat(columns))
    };
    assert_eq!(read(&of(MAX_KEY_COLUMNS)).key("self.t").len(), MAX_KEY_COLUMNS);
    assert!(is_oversized(&of(MAX_KEY_COLUMNS + 1)));
}

#[test]
fn only_navigations_to_tasks_are_stored() {
    let others = r#"<NavigationProperty Name="other" Type="self.t"/>"#.repeat(1_000);
    let task = r#"<NavigationProperty Name="task_x" Type="self.t"/>"#;
    let found = read(&format!(r#"<EntityType Name="t">{others}{task}</EntityType>"#));
    assert_eq!(found.base_chain("self.t")[0].navigation.len(), 1);
}

#[test]
fn names_are_limited_individually_and_in_total() {
    let named = |name: &str| format!(r#"<ComplexType Name="{name}"/>"#);
    let long = "x".repeat(MAX_ATTRIBUTE_BYTES + 1);
    assert!(!is_oversized(&named(&long[1..])) && is_oversized(&named(&long)));
    let many: String =
        (0..MAX_NAME_BYTES_TOTAL / MAX_ATTRIBUTE_BYTES).map(|number| named(&format!("t{number}"))).collect();
    assert!(!is_oversized(&many));
    let schema =
        format!(r#"<Edmx><DataServices><Schema Namespace="{}">{many}</Schema></DataServices></Edmx>"#, &long[1..]);
    assert!(parse(schema.as_bytes()).is_err_and(MetadataError::is_oversized));
}
