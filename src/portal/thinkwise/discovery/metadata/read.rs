//! Reads the tables and tasks of a document.

use super::builder::Builder;
use super::catalog::Catalog;
use super::error::MetadataError;
use super::parse::parse;
use super::staged::add_bound_tasks;

impl Catalog {
    /// Parses a `$metadata` document.
    ///
    /// # Errors
    /// If it is not CSDL in XML, is nested too deeply, or declares more than the operator processes.
    pub fn read(document: &[u8]) -> Result<Self, MetadataError> {
        let csdl = parse(document)?;
        let mut builder = Builder::new(&csdl);
        builder.add_tables()?;
        builder.add_unbound_tasks()?;
        add_bound_tasks(&mut builder)?;
        Ok(builder.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_url_or_a_message_are_ignored() {
        let long = "x".repeat(129);
        for name in ["a b", "a/b", "a&amp;$top=1", "a'", "9a", "", "a&#10;b", "\u{202e}a", "gebruikers-naam", &long] {
            let text = format!(
                r#"<Edmx><DataServices><Schema Namespace="s"><EntityType Name="t"><Key><PropertyRef Name="id"/></Key>
                   <Property Name="id" Type="Edm.Int32"/><Property Name="{name}" Type="Edm.String"/></EntityType>
                   <Action Name="{name}"/><Action Name="f"><Parameter Name="{name}" Type="Edm.String"/></Action>
                   <EntityContainer Name="c"><EntitySet Name="t" EntityType="s.t"/><EntitySet Name="{name}" EntityType="s.t"/>
                   </EntityContainer></Schema></DataServices></Edmx>"#
            );
            let catalog = Catalog::read(text.as_bytes()).expect("a catalog");
            assert_eq!((catalog.tables.len(), catalog.tasks.len()), (1, 0), "{name}");
            assert_eq!(catalog.tables[0].columns.len(), 1, "{name}");
        }
    }
}
