use super::*;

const SCHEMA: &str = r#"
    <EntityType Name="container_token"><Key><PropertyRef Name="container_token_id"/></Key>
      <Property Name="container_token_id" Type="Edm.Int32" Nullable="false"/>
      <Property Name="username" Type="Edm.String"/><Property Name="description" Type="Edm.String"/>
      <Property Name="insert_user" Type="Edm.String"/></EntityType>
    <EntityType Name="klant"><Key><PropertyRef Name="klant_id"/></Key>
      <Property Name="klant_id" Type="Edm.Int32" Nullable="false"/><Property Name="naam" Type="Edm.String"/></EntityType>
    <ComplexType Name="made"><Property Name="description" Type="Edm.String"/>
      <Property Name="username" Type="Edm.String"/><Property Name="secret" Type="Edm.String"/></ComplexType>
    <Action Name="request_token"><Parameter Name="description" Type="Edm.String"/><ReturnType Type="tcp.made"/></Action>
    <Action Name="edit_token_description"><Parameter Name="container_token_id" Type="Edm.Int32" Nullable="false"/>
      <Parameter Name="description" Type="Edm.String"/></Action>
    <Action Name="revoke_token"><Parameter Name="container_token_id" Type="Edm.Int32" Nullable="false"/></Action>
    <Action Name="close_ticket"><Parameter Name="ticket_id" Type="Edm.Int32" Nullable="false"/></Action>"#;

fn catalog(more: &str, sets: &str) -> Catalog {
    let text = format!(
        r#"<Edmx><DataServices><Schema Namespace="tcp">{SCHEMA}{more}<EntityContainer Name="c">
           <EntitySet Name="container_token" EntityType="tcp.container_token"/>
           <EntitySet Name="klant" EntityType="tcp.klant"/>{sets}</EntityContainer></Schema></DataServices></Edmx>"#
    );
    Catalog::read(text.as_bytes()).expect("a catalog")
}

fn best(candidates: &[Candidate]) -> &str {
    match select(candidates) {
        Selection::Best(one) => &one.name,
        other => panic!("{other:?} of {candidates:#?}"),
    }
}

#[test]
fn table_and_tasks_are_found_with_reasons() {
    let catalog = catalog("", "");
    let table = catalog.table("container_token");
    let found = rank_tables(&catalog);
    assert_eq!(best(&found), "container_token");
    assert!(found[0].reasons.iter().any(|reason| reason.contains("username (username)")), "{found:?}");
    let requests = rank_request_tasks(&catalog);
    assert_eq!(best(&requests), "request_token");
    assert!(requests[0].reasons.iter().any(|reason| reason.contains("a secret (secret)")), "{requests:?}");
    for table in [table, None] {
        assert_eq!(best(&rank_edit_tasks(&catalog, table)), "edit_token_description");
        assert_eq!(best(&rank_revoke_tasks(&catalog, table)), "revoke_token");
    }
}

#[test]
fn two_equal_candidates_are_a_tie() {
    let second = r#"<Action Name="delete_token"><Parameter Name="container_token_id" Type="Edm.Int32"/></Action>"#;
    let catalog = catalog(second, "");
    let revocations = rank_revoke_tasks(&catalog, catalog.table("container_token"));
    assert_eq!(select(&revocations), Selection::Tie(vec!["delete_token", "revoke_token"]));
}

#[test]
fn a_task_for_another_kind_of_token_is_not_selected() {
    let text = r#"<Edmx><DataServices><Schema Namespace="tcp">
        <EntityType Name="container_token"><Key><PropertyRef Name="container_token_id"/></Key>
          <Property Name="container_token_id" Type="Edm.Int32"/></EntityType>
        <Action Name="revoke_api_token"><Parameter Name="api_token_id" Type="Edm.Int32" Nullable="false"/></Action>
        <EntityContainer Name="c"><EntitySet Name="container_token" EntityType="tcp.container_token"/></EntityContainer>
        </Schema></DataServices></Edmx>"#;
    let catalog = Catalog::read(text.as_bytes()).expect("a catalog");
    let found = rank_revoke_tasks(&catalog, catalog.table("container_token"));
    assert_eq!(select(&found), Selection::None, "{found:?}");
}

#[test]
fn unrelated_tables_and_tasks_are_not_selected() {
    let text = r#"<Edmx><DataServices><Schema Namespace="tcp">
        <EntityType Name="klant"><Key><PropertyRef Name="klant_id"/></Key><Property Name="klant_id" Type="Edm.Int32"/>
          <Property Name="omschrijving" Type="Edm.String"/><Property Name="gebruikersnaam" Type="Edm.String"/></EntityType>
        <Action Name="new_customer"><Parameter Name="description" Type="Edm.String"/></Action>
        <EntityContainer Name="c"><EntitySet Name="klant" EntityType="tcp.klant"/></EntityContainer>
        </Schema></DataServices></Edmx>"#;
    let catalog = Catalog::read(text.as_bytes()).expect("a catalog");
    assert_eq!(select(&rank_tables(&catalog)), Selection::None);
    assert_eq!(select(&rank_request_tasks(&catalog)), Selection::None);
    assert_eq!(select(&rank_revoke_tasks(&catalog, None)), Selection::None);
}

#[test]
fn shared_fields_are_searched_once() {
    let properties = r#"<Property Name="column" Type="Edm.String"/>"#.repeat(5_000);
    let wide = format!(r#"<ComplexType Name="wide">{properties}</ComplexType>"#);
    let action = |number| format!(r#"<Action Name="t{number}"><ReturnType Type="tcp.wide"/></Action>"#);
    let actions: Vec<String> = (0..5_000).map(action).collect();
    let catalog = catalog(&format!("{wide}{}", actions.concat()), "");
    let started = std::time::Instant::now();
    assert_eq!(best(&rank_request_tasks(&catalog)), "request_token");
    // Without the cache it would be 25 million names, twice: most of a minute.
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}
