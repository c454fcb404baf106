//! Credentials and CA of an issuer: from the command line, or else from where the issuer refers to.

use super::auth::require_auth_type;
use super::credentials::ClusterSource;
use super::inspect::Login;
use super::issuer_file::IssuerFile;
use crate::api::PortalConnection;
use crate::cli::args::CheckArgs;
use crate::cli::error::CliError;

/// Reads them.
pub(crate) async fn read(
    arguments: &CheckArgs,
    file: &IssuerFile,
    connection: &PortalConnection<'_>,
) -> Result<Login, CliError> {
    let given = arguments.credentials.read()?;
    let ca_given = arguments.credentials.read_ca()?;
    let tls = connection.tls.cloned().unwrap_or_default();
    let namespace = file.namespace.clone().unwrap_or_else(|| arguments.namespace.clone());
    let needs_cluster = given.is_none() || (ca_given.is_none() && tls.ca_config_map_ref.is_some());
    let cluster = if needs_cluster {
        let is_namespaced = file.kind == "TokenIssuer";
        Some(ClusterSource::connect(arguments.context.as_deref(), namespace, is_namespaced).await?)
    } else {
        None
    };
    let credentials = match (given, &cluster) {
        // Otherwise something else would be checked.
        (Some(given), _) => require_auth_type(given, connection.auth.r#type, "the issuer")?,
        (None, Some(cluster)) => cluster.credentials(connection.auth).await?,
        (None, None) => return Err("no credentials are given".into()),
    };
    let ca_pem = match (ca_given, tls.ca_config_map_ref, &cluster) {
        (Some(pem), _, _) => Some(pem),
        (None, Some(reference), Some(cluster)) => Some(cluster.ca(&reference).await?),
        _ => tls.ca_bundle,
    };
    let source = arguments.credentials.is_given().then(|| arguments.credentials.source());
    Ok(Login { credentials, ca_pem, source })
}
