//! The API kinds. Their doc comments are the user's reference: `make generate` writes them into `crds/`, and `kubectl
//! explain` shows them.

#![warn(missing_docs)]

mod allowed_namespaces;
mod annotations;
mod argocd_repository;
mod auth;
mod cluster_registry_token;
mod crd;
mod duration;
mod gitea;
mod gitlab;
mod harbor;
mod issuer;
mod issuer_ref;
mod limits;
mod object_name;
mod policies;
mod portal;
mod reason;
mod registry;
mod registry_token;
mod secret_template;
mod service_accounts;
mod thinkwise;
mod tls;
mod token_scope;

pub use self::annotations::{
    ADOPT_ANNOTATION, ARGOCD_ROLE, CAUSE_ANNOTATION, CHECKSUM_ANNOTATION, CLOSED_ANNOTATION, CLUSTER_TOKEN_LABEL,
    CONFIRMED_REVOKED_ANNOTATION, COPIED_REQUESTS_ANNOTATION, CREDENTIALS_LABEL, FINALIZER, GROUP, IMPORT_ANNOTATION,
    INSTALLATION_ANNOTATION, LAST_APPLIED_KEYS_ANNOTATION, MAC_ANNOTATION, ORPHANED_ANNOTATION, OWNER_LABEL,
    PROVENANCE_ANNOTATION, RECONCILE_ANNOTATION, REGISTRIES_ANNOTATION, REPLACE_ANNOTATION, RESERVATION_ANNOTATION,
    ROLE_LABEL, ROTATE_ANNOTATION, ROTATED_AT_ANNOTATION, STORED_ANNOTATION, TOKEN_ID_ANNOTATION,
    UNMATCHED_SINCE_ANNOTATION, USERNAME_ANNOTATION,
};
pub use self::issuer_ref::{IssuerKind, IssuerRef};
pub use self::policies::{DeletionPolicy, RotationSpec, RotationWindowSpec, UpstreamRevocationPolicy};
pub use self::thinkwise::tasks::{
    BoundRow, EditTask, FixedKey, Outputs, Parameter, ParameterSource, RequestTask, RevokeTask, TaskForm, Tasks,
};
pub use allowed_namespaces::{AllowedNamespaces, NamespacesFrom};
pub use argocd_repository::{ArgoCDRepository, ArgoCDRepositoryType, RecordedArgoCDRepository};
pub use auth::{
    AccessToken, Auth, AuthType, Basic, BasicSecretRef, OAuth2ClientCredentials, OAuth2SecretRef, TokenSecretRef,
};
pub use cluster_registry_token::{
    ClusterRegistryToken, ClusterRegistryTokenSpec, ClusterRegistryTokenStatus, NamespaceCounts, NamespaceFailure,
    TokenTemplate, TokenTemplateMetadata,
};
pub use crd::{CrdDocument, custom_resource_definitions};
pub use duration::{ParseDurationError, ShortDuration};
pub use gitea::Gitea;
pub use gitlab::GitLab;
pub use harbor::{Harbor, HarborLevel, HarborPermission};
pub use issuer::{
    ClusterTokenIssuer, ClusterTokenIssuerSpec, IssuerSpec, IssuerStatus, LoginCheck, OwnershipMarker, PortalLocation,
    ResolvedPortal, TokenIssuer, TokenIssuerSpec,
};
pub use limits::{Audit, Limits};
pub use object_name::{DataKey, NamespaceName, ObjectName, ParseNameError};
pub use portal::{PortalConnection, PortalType, SpecFields};
pub use reason::{ConditionType, Reason};
pub use registry::{Registry, key_covers};
pub use registry_token::{
    RecordedPortal, RecordedSecret, RecordedToken, RegistryToken, RegistryTokenSpec, RegistryTokenStatus,
    RetiringToken, UpstreamRevocation,
};
pub use secret_template::SecretTemplate;
pub use service_accounts::{OverwrittenServiceAccount, RecordedServiceAccount, ServiceAccountRef};
pub use thinkwise::{KeyColumn, KeySource, Table, TableColumns, Thinkwise};
pub use tls::{ConfigMapKeyRef, Tls};
pub use token_scope::TokenScope;
