//! Memory for reading `$metadata`, however much a small document expands to.

use super::{ALLOCATOR, SERIAL};
use registry_token_operator::portal::thinkwise::discovery::metadata::Catalog;
use std::fmt::Write as _;

fn document(types: &str, container: &str) -> String {
    format!(
        r#"<Edmx><DataServices><Schema Namespace="s">{types}<EntityContainer Name="c">{container}</EntityContainer></Schema></DataServices></Edmx>"#
    )
}

fn repeated(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = write!(text, "{}", one(number));
        text
    })
}

fn columns(count: usize) -> String {
    repeated(count, |number| format!(r#"<Property Name="c{number}" Type="Edm.String"/>"#))
}

fn entity(name: &str, inside: &str) -> String {
    format!(
        r#"<EntityType Name="{name}"><Key><PropertyRef Name="id"/></Key><Property Name="id" Type="Edm.Int32"/>{inside}</EntityType>"#
    )
}

fn sets(count: usize) -> String {
    repeated(count, |number| format!(r#"<EntitySet Name="t{number}" EntityType="s.t"/>"#))
}

/// The additional memory for reading a document, and the result.
fn memory_used(what: &str, document: &str) -> (usize, Result<Catalog, String>) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let read = Catalog::read(document.as_bytes()).map_err(|malformed| malformed.to_string());
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    println!("{what}: {} KiB of XML, {} KiB allocated", document.len() >> 10, taken >> 10);
    (taken, read)
}

#[tokio::test]
async fn tables_of_one_type_share_its_columns() {
    let _alone = SERIAL.lock().await;
    let text = document(&entity("t", &columns(2000)), &sets(1200));
    assert!(text.len() < 200 << 10, "{} bytes", text.len());
    let (taken, read) = memory_used("1,200 sets of 2,000 columns", &text);
    let catalog = read.expect("a catalog");
    assert_eq!((catalog.tables.len(), catalog.tables[1199].columns.len()), (1200, 2001));
    assert!(taken < 4 << 20, "{taken} bytes");
}

#[tokio::test]
async fn many_bound_actions_take_a_small_multiple_of_their_document() {
    let _alone = SERIAL.lock().await;
    let action =
        |number| format!(r#"<Action Name="task_x{number}" IsBound="true"><Parameter Name="r" Type="s.t"/></Action>"#);
    let text = document(&format!("{}{}", entity("t", ""), repeated(95_000, action)), &sets(1));
    let (taken, read) = memory_used("95,000 bound actions", &text);
    assert_eq!(read.expect("a catalog").tasks.len(), 95_000);
    assert!(taken < 12 * text.len(), "{taken} bytes for {}", text.len());
}

#[tokio::test]
async fn the_expanded_size_of_a_document_is_limited_and_reported() {
    let _alone = SERIAL.lock().await;
    let row = r#"IsBound="true"><Parameter Name="r" Type="s.t"/>"#;
    let wide = entity("t", &columns(2000));
    let actions = |count, returns: &str| {
        repeated(count, |number| format!(r#"<Action Name="task_x{number}" {row}{returns}</Action>"#))
    };
    let navigation = |number| format!(r#"<NavigationProperty Name="task_x{number}" Type="s.t"/>"#);
    let derived = |number| format!(r#"<EntityType Name="d{number}" BaseType="s.t"/>"#);
    let of_derived = |number| format!(r#"<EntitySet Name="d{number}" EntityType="s.d{number}"/>"#);
    let staged = |number| format!(r#"<EntitySet Name="staged_x{number}" EntityType="s.t"/>"#);
    let own = r#"<ReturnType Type="s.own"/>"#;
    let complex = format!(r#"<ComplexType Name="own">{}</ComplexType>"#, columns(2000).replace("c1", "x1"));
    for (what, text) in [
        ("actions of many tables", document(&format!("{}{}", entity("t", ""), actions(1000, "")), &sets(1000))),
        ("navigations of many tables", document(&entity("t", &repeated(1000, navigation)), &sets(1000))),
        (
            "types that inherit many columns",
            document(&format!("{wide}{}", repeated(5000, derived)), &repeated(5000, of_derived)),
        ),
        (
            "outputs that are staged, too",
            document(
                &format!("{wide}{complex}{}", actions(2000, own)),
                &format!("{}{}", sets(1), repeated(2000, staged)),
            ),
        ),
    ] {
        let (taken, read) = memory_used(what, &text);
        let says = read.map(|_| ()).expect_err(what);
        assert!(says.contains("declares more than the operator reads") && says.contains("role"), "{says}");
        assert!(taken < 96 << 20, "{what}: {taken} bytes");
    }
}

/// The size of each part of the document is random.
#[test]
fn no_document_takes_more_than_a_maximum_of_memory() {
    let _alone = SERIAL.blocking_lock();
    bolero::check!().with_type::<[u8; 6]>().for_each(|counts| {
        let [fields, tasks, subtypes, actions, listed, staging] = counts.map(|count| usize::from(count) * 8);
        let navigation = |number| format!(r#"<NavigationProperty Name="task_x{number}" Type="s.t"/>"#);
        let action = |number| {
            format!(
                r#"<Action Name="task_x{number}" IsBound="true"><Parameter Name="r" Type="s.t"/><Parameter Name="p" Type="Edm.String"/><ReturnType Type="s.d0"/></Action>"#
            )
        };
        let derived = |number| format!(r#"<EntityType Name="d{number}" BaseType="s.t"/>"#);
        let set = |number| format!(r#"<EntitySet Name="d{number}" EntityType="s.d{number}"/>"#);
        let staged = |number| format!(r#"<EntitySet Name="staged_x{number}" EntityType="s.t"/>"#);
        let types = format!(
            "{}{}{}",
            entity("t", &format!("{}{}", columns(fields), repeated(tasks, navigation))),
            repeated(subtypes, derived),
            repeated(actions, action)
        );
        let text = document(&types, &format!("{}{}{}", sets(listed), repeated(subtypes, set), repeated(staging, staged)));
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let read = Catalog::read(text.as_bytes());
        let taken = ALLOCATOR.peak_usage().saturating_sub(before);
        // Without the budget some documents take hundreds of MiB; with it, about 11.
        assert!(taken < 32 << 20, "{taken} bytes for {counts:?}");
        drop(read);
    });
}
