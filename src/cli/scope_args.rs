//! The flag that selects the namespaces, and the operator's own one.

use crate::api::NamespaceName;
use crate::kube_client::scope::{TooManyNamespaces, WatchScope};
use clap::Args;

/// The operator's namespace, if nothing names another one.
pub(crate) const DEFAULT_NAMESPACE: &str = "registry-token-operator";

/// The namespaces that the operator watches.
#[derive(Clone, Debug, Default, Args)]
pub struct ScopeArgs {
    /// Watch only these namespaces, such as team-a,team-b, with Roles in each and without cluster-wide permissions.
    /// `ClusterTokenIssuer`s are not served then [default: the whole cluster]
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',')]
    pub namespaces: Vec<NamespaceName>,
}

impl ScopeArgs {
    /// The scope of these namespaces.
    ///
    /// # Errors
    /// If there are too many.
    pub fn scope(&self) -> Result<WatchScope, TooManyNamespaces> {
        WatchScope::of(self.namespaces.iter().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        scope: ScopeArgs,
    }

    fn parse(flags: &[&str]) -> Result<Vec<String>, clap::Error> {
        let cli = Cli::try_parse_from(["operator"].iter().chain(flags))?;
        let parts = cli.scope.scope().expect("a scope").parts();
        Ok(parts.iter().flatten().map(ToString::to_string).collect())
    }

    #[test]
    fn namespaces_are_parsed_and_named_once() {
        assert!(parse(&[]).expect("valid").is_empty(), "the whole cluster");
        assert_eq!(parse(&["--namespaces=b,a,b"]).expect("valid"), ["a", "b"]);
        assert_eq!(parse(&["--namespaces=b", "--namespaces", "a"]).expect("valid"), ["a", "b"]);
    }

    #[test]
    fn an_invalid_or_empty_list_never_means_the_whole_cluster() {
        for wrong in ["", "a,,b", "a, b", "A", "a/b", "*", "../a", "a.b"] {
            let refused = parse(&[&format!("--namespaces={wrong}")]).expect_err("invalid");
            assert!(refused.to_string().contains("is not the name of a namespace"), "{wrong:?}: {refused}");
        }
    }
}
