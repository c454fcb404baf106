//! The arguments of `discover`, and which of them belong to which type of portal.

use super::credentials::CredentialArgs;
use super::error::CliError;
use super::scope_args::DEFAULT_NAMESPACE;
use crate::api::{HarborLevel, NamespaceName, ObjectName, PortalType};
use clap::{Args, ValueEnum};

/// Arguments of `discover`.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// Type of portal.
    #[arg(long = "type", value_enum, ignore_case = true, default_value = "Thinkwise")]
    pub portal_type: PortalTypeArg,

    /// Root URL of the portal, such as <https://portal.example.com/indicium> without /iam, or <https://git.example.com>
    /// without /api.
    #[arg(long)]
    pub url: String,

    /// Portal credentials.
    #[command(flatten)]
    pub credentials: CredentialArgs,

    /// Allow an http URL.
    #[arg(long)]
    pub allow_insecure_http: bool,

    /// Kind of issuer to print.
    #[arg(long, value_enum, default_value = "cluster-token-issuer")]
    pub kind: IssuerKindArg,

    /// Name of the issuer.
    #[arg(long, default_value = "default")]
    pub name: ObjectName,

    /// Namespace of the credentials Secret, and of the issuer if it is a `TokenIssuer`.
    #[arg(long, default_value = DEFAULT_NAMESPACE)]
    pub namespace: NamespaceName,

    /// Name of the Secret with the portal credentials.
    #[arg(long, default_value = "portal")]
    pub secret_name: ObjectName,

    /// What only type Thinkwise has.
    #[command(flatten)]
    pub thinkwise: ThinkwiseArgs,

    /// Whose tokens are managed, for the other types.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments for type Thinkwise.
#[derive(Debug, Args)]
#[command(next_help_heading = "Only for type Thinkwise")]
pub struct ThinkwiseArgs {
    /// Id or alias of the application, as in `<url>/iam/<application>` [default: tcp].
    #[arg(long)]
    pub application: Option<String>,

    /// OAuth 2.0 token endpoint [default: discovered from .well-known/openid-configuration].
    #[arg(long)]
    pub token_url: Option<String>,

    /// OAuth 2.0 scopes to request, for client credentials.
    #[arg(long, value_delimiter = ',')]
    pub scopes: Vec<String>,

    /// Token table, if discovery is ambiguous.
    #[arg(long)]
    pub table: Option<String>,

    /// Task that requests a token, if discovery is ambiguous.
    #[arg(long)]
    pub request: Option<String>,

    /// Task that edits a description, if discovery is ambiguous.
    #[arg(long)]
    pub edit_description: Option<String>,

    /// Task that revokes a token, if discovery is ambiguous.
    #[arg(long)]
    pub revoke: Option<String>,

    /// Value of a key column or parameter that is the same for all tokens of this user, such as `klant_id=42`.
    #[arg(long = "value", value_name = "NAME=VALUE")]
    pub values: Vec<String>,
}

/// Arguments for the types whose tokens belong to a user, a project or a group.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Only for types Gitea, Harbor and GitLab")]
pub struct PlaceArgs {
    /// User to whom the tokens belong (Gitea) [default: the user who logs in].
    #[arg(long)]
    pub user: Option<String>,

    /// Project (Harbor, GitLab), if the login administers several. With `--level System` it may be repeated, and `*` means
    /// all.
    #[arg(long = "project", value_name = "PROJECT")]
    pub projects: Vec<String>,

    /// Group (GitLab), if the login administers several.
    #[arg(long, conflicts_with = "projects")]
    pub group: Option<String>,

    /// Whether the robot accounts belong to a project or to the system (Harbor) [default: Project].
    #[arg(long, value_enum, ignore_case = true)]
    pub level: Option<LevelArg>,
}

/// A type of portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PortalTypeArg {
    /// The Thinkwise Community Portal.
    #[value(name = "Thinkwise")]
    Thinkwise,
    /// Gitea or Forgejo.
    #[value(name = "Gitea")]
    Gitea,
    /// Harbor.
    #[value(name = "Harbor")]
    Harbor,
    /// GitLab.
    #[value(name = "GitLab")]
    GitLab,
}

impl From<PortalTypeArg> for PortalType {
    fn from(argument: PortalTypeArg) -> Self {
        match argument {
            PortalTypeArg::Thinkwise => Self::Thinkwise,
            PortalTypeArg::Gitea => Self::Gitea,
            PortalTypeArg::Harbor => Self::Harbor,
            PortalTypeArg::GitLab => Self::GitLab,
        }
    }
}

/// Where robot accounts belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    /// To a project.
    #[value(name = "Project")]
    Project,
    /// To the system.
    #[value(name = "System")]
    System,
}

impl From<LevelArg> for HarborLevel {
    fn from(argument: LevelArg) -> Self {
        match argument {
            LevelArg::Project => Self::Project,
            LevelArg::System => Self::System,
        }
    }
}

/// A kind of issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IssuerKindArg {
    /// For the whole cluster.
    ClusterTokenIssuer,
    /// For one namespace.
    TokenIssuer,
}

impl DiscoverArgs {
    /// Whether the arguments belong to the type of portal.
    ///
    /// # Errors
    /// If one does not; the error says for which types it is.
    pub fn validate(&self) -> Result<(), CliError> {
        use PortalTypeArg::{GitLab, Gitea, Harbor, Thinkwise};
        let (thinkwise, place) = (&self.thinkwise, &self.place);
        let several_projects = place.projects.len() > 1 && place.level != Some(LevelArg::System);
        let rules: [(&str, bool, &[PortalTypeArg]); 12] = [
            ("--application", thinkwise.application.is_some(), &[Thinkwise]),
            ("--token-url", thinkwise.token_url.is_some(), &[Thinkwise]),
            ("--scopes", !thinkwise.scopes.is_empty(), &[Thinkwise]),
            ("--table", thinkwise.table.is_some(), &[Thinkwise]),
            ("--request", thinkwise.request.is_some(), &[Thinkwise]),
            ("--edit-description", thinkwise.edit_description.is_some(), &[Thinkwise]),
            ("--revoke", thinkwise.revoke.is_some(), &[Thinkwise]),
            ("--value", !thinkwise.values.is_empty(), &[Thinkwise]),
            ("--user", place.user.is_some(), &[Gitea]),
            ("--project", !place.projects.is_empty(), &[Harbor, GitLab]),
            ("--group", place.group.is_some(), &[GitLab]),
            ("--level", place.level.is_some(), &[Harbor]),
        ];
        for (flag, is_given, types) in rules {
            if is_given && !types.contains(&self.portal_type) {
                let types: Vec<String> = types.iter().map(|one| format!("{one:?}")).collect();
                return Err(format!(
                    "{flag} is only for type {}, and the type is {:?}: remove it, or set --type",
                    types.join(" or "),
                    self.portal_type
                )
                .into());
            }
        }
        if several_projects {
            return Err(
                "an issuer has one project: use --project once, or --level System for several projects of Harbor"
                    .into(),
            );
        }
        Ok(())
    }
}
