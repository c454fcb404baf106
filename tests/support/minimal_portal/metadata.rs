//! `$metadata` of a portal of a given shape.

#![allow(clippy::format_push_string, reason = "XML is most readable as one text")]

use super::shape::{Shape, ShapeForm, ShapeKey, ShapeList};

type Field = (&'static str, &'static str);

fn fields(element: &str, all: &[Field]) -> String {
    all.iter().fold(String::new(), |text, (name, of)| {
        let required = if of.ends_with('!') { r#" Nullable="false""# } else { "" };
        let length = if *name == "description" { r#" MaxLength="200""# } else { "" };
        format!("{text}<{element} Name=\"{name}\" Type=\"Edm.{}\"{required}{length}/>", of.trim_end_matches('!'))
    })
}

fn entity(name: &str, key: &[&str], all: &[Field]) -> String {
    let key = key.iter().fold(String::new(), |text, name| format!("{text}<PropertyRef Name=\"{name}\"/>"));
    format!("<EntityType Name=\"{name}\"><Key>{key}</Key>{}</EntityType>", fields("Property", all))
}

pub fn document(shape: &Shape) -> String {
    let (mut types, mut sets) = (String::new(), String::new());
    let mut set = |name: &str| sets += &format!(r#"<EntitySet Name="{name}" EntityType="tcp.{name}"/>"#);
    let id = match shape.key {
        ShapeKey::Integer => ("token_id", "Int32!"),
        ShapeKey::Guid => ("token_id", "Guid!"),
        ShapeKey::Decimal => ("token_id", "Decimal!"),
        ShapeKey::Text => ("token_id", "String!"),
    };
    let columns =
        [("klant_id", "Int32!"), id, ("username", "String"), ("description", "String"), ("insert_user", "String")];
    let (key, columns): (&[&str], _) =
        if shape.composite { (&["klant_id", "token_id"], &columns[..]) } else { (&["token_id"], &columns[1..]) };
    types += &entity("klant", &["klant_id"], &[("klant_id", "Int32!"), ("naam", "String")]);
    set("klant");
    if shape.list != ShapeList::Absent {
        types += &entity("container_token", key, columns);
        set("container_token");
    }
    let made = [("z_first", "String"), ("description", "String"), ("username", "String"), ("secret", "String"), id];
    let made = if shape.with_id { &made[..] } else { &made[..4] };
    types += &format!("<ComplexType Name=\"made\">{}</ComplexType>", fields("Property", made));
    let token = if shape.by_username { ("username", "String!") } else { id };
    let tasks: [(&str, &str, Vec<Field>); 3] = [
        ("request_token", "klant", vec![("z_first", "String"), ("description", "String!")]),
        ("edit_token", "container_token", vec![token, ("description", "String!")]),
        ("revoke_token", "container_token", vec![token, ("confirm", "Boolean!")]),
    ];
    let mut imports = String::new();
    for (name, table, inputs) in tasks {
        // The row identifies the token.
        let inputs = if shape.form != ShapeForm::Unbound && inputs[0] == token { &inputs[1..] } else { &inputs[..] };
        let returns = if name == "request_token" { r#"<ReturnType Type="tcp.made"/>"# } else { "" };
        let inputs = fields("Parameter", inputs);
        if shape.form == ShapeForm::Unbound {
            types += &format!(r#"<Action Name="{name}">{inputs}{returns}</Action>"#);
            imports += &format!(r#"<ActionImport Name="{name}" Action="tcp.{name}"/>"#);
            continue;
        }
        let row = format!(r#"<Parameter Name="row" Type="tcp.{table}"/>"#);
        types += &format!(r#"<Action Name="task_{name}" IsBound="true">{row}{inputs}{returns}</Action>"#);
        if shape.form == ShapeForm::Staged {
            let staged = format!("staged_{name}");
            types += &entity(&staged, &["stage_id"], &[("stage_id", "Guid!"), ("description", "String")]);
            set(&staged);
        }
    }
    format!(
        r#"<?xml version="1.0"?><edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:DataServices>
        <Schema Namespace="tcp" xmlns="http://docs.oasis-open.org/odata/ns/edm">{types}
        <EntityContainer Name="c">{sets}{imports}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#
    )
}
