//! `$metadata`: tables and tasks that the caller may see, in CSDL.

use super::config::Config;

/// The document.
pub(super) fn document(config: &Config) -> String {
    let schema = &config.application;
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
  <edmx:DataServices>
    <Schema Namespace="{schema}" xmlns="http://docs.oasis-open.org/odata/ns/edm">
{table}{request}{edit}{revoke}{extra}
      <EntityContainer Name="Container">
{container}{extra_container}
      </EntityContainer>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>
"#,
        table = table(config),
        request = request(config),
        edit = edit(config),
        revoke = revoke(config),
        extra = config.extra_schema,
        container = container(config),
        extra_container = config.extra_container,
    )
}

fn table(config: &Config) -> String {
    let names = &config.names;
    format!(
        r#"      <EntityType Name="{}">
        <Key><PropertyRef Name="{key}"/></Key>
        <Property Name="{key}" Type="Edm.Int32" Nullable="false"/>
        <Property Name="{}" Type="Edm.String" Nullable="false" MaxLength="100"/>
        <Property Name="{}" Type="Edm.String"{}/>
      </EntityType>
"#,
        names.table,
        names.username,
        names.description,
        max_length(config),
        key = names.key,
    )
}

fn request(config: &Config) -> String {
    let (names, schema) = (&config.names.request, &config.application);
    let id = names.id.as_ref().map(|id| format!(r#"<Property Name="{id}" Type="Edm.Int32"/>"#)).unwrap_or_default();
    format!(
        r#"      <ComplexType Name="{task}_result">
        <Property Name="{input}" Type="Edm.String"/>
        <Property Name="{}" Type="Edm.String"/>
        <Property Name="{}" Type="Edm.String"/>{id}
      </ComplexType>
      <Action Name="{task}">
        <Parameter Name="{input}" Type="Edm.String"{}/>
        <ReturnType Type="{schema}.{task}_result"/>
      </Action>
"#,
        names.username,
        names.secret,
        max_length(config),
        task = names.task,
        input = names.description,
    )
}

fn edit(config: &Config) -> String {
    let names = &config.names.edit;
    format!(
        r#"      <Action Name="{}">
        <Parameter Name="{}" Type="Edm.Int32" Nullable="false"/>
        <Parameter Name="{}" Type="Edm.String"{}/>
      </Action>
"#,
        names.task,
        names.id,
        names.description,
        max_length(config),
    )
}

fn revoke(config: &Config) -> String {
    let names = &config.names.revoke;
    let confirm = names
        .confirm
        .as_ref()
        .map(|flag| format!("        <Parameter Name=\"{flag}\" Type=\"Edm.Boolean\"/>\n"))
        .unwrap_or_default();
    format!(
        r#"      <Action Name="{}">
        <Parameter Name="{}" Type="Edm.Int32" Nullable="false"/>
{confirm}      </Action>
"#,
        names.task, names.id,
    )
}

fn container(config: &Config) -> String {
    let (names, schema) = (&config.names, &config.application);
    let tasks = [&names.request.task, &names.edit.task, &names.revoke.task];
    let imports = tasks.map(|task| format!("        <ActionImport Name=\"{task}\" Action=\"{schema}.{task}\"/>\n"));
    let table = &names.table;
    format!("        <EntitySet Name=\"{table}\" EntityType=\"{schema}.{table}\"/>\n{}", imports.concat())
}

fn max_length(config: &Config) -> String {
    config.description_max_length.map(|length| format!(" MaxLength=\"{length}\"")).unwrap_or_default()
}
