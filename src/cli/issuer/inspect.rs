//! Inspects the login of an issuer whose portal needs no discovery.

use super::capabilities;
use crate::api::{IssuerSpec, PortalType, Reason};
use crate::cli::error::CliError;
use crate::portal::inspection::{Inspection, InspectionSettings, Places};
use crate::portal::{self, Credentials, Delivery, EgressPolicy, PortalError, PortalSettings};
use std::time::Duration;

/// How long all calls may take together.
const TIME_LIMIT: Duration = Duration::from_mins(2);

/// How to log in.
pub(crate) struct Login {
    pub credentials: Credentials,
    pub ca_pem: Option<String>,
    /// The source of the credentials for messages, if it is the command line.
    pub source: Option<String>,
}

impl Login {
    fn settings<'a>(&self, spec: &'a IssuerSpec) -> InspectionSettings<'a> {
        let portal = PortalSettings {
            spec,
            limits: spec.limits.clone(),
            credentials: self.credentials.clone(),
            ca_pem: self.ca_pem.clone(),
            egress: EgressPolicy::default(),
        };
        InspectionSettings { portal, credentials_source: self.source.clone() }
    }

    /// Reads what the login may do for this issuer.
    pub(crate) async fn inspect(&self, spec: &IssuerSpec) -> Result<Inspection, CliError> {
        let settings = self.settings(spec);
        let found = in_time(async {
            match spec.r#type {
                PortalType::Thinkwise => Err(not_inspected()),
                PortalType::Gitea => portal::gitea::inspect(settings).await,
                PortalType::GitLab => portal::gitlab::inspect(settings).await,
                PortalType::Harbor => portal::harbor::inspect(settings).await,
            }
        });
        found.await?.map_err(|failure| failure.message.into())
    }

    /// Reads whose tokens the login may manage.
    pub(crate) async fn places(&self, spec: &IssuerSpec) -> Result<Result<Places, PortalError>, CliError> {
        let settings = self.settings(spec);
        let found = in_time(async {
            match spec.r#type {
                PortalType::Thinkwise => Err(not_inspected()),
                PortalType::Gitea => portal::gitea::places(settings).await,
                PortalType::GitLab => portal::gitlab::places(settings).await,
                PortalType::Harbor => portal::harbor::places(settings).await,
            }
        });
        Ok(found.await?.map(Places::without_hidden_characters))
    }
}

fn not_inspected() -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::RequestRejected, "type Thinkwise is discovered, not inspected")
}

async fn in_time<T>(calls: impl Future<Output = T>) -> Result<T, CliError> {
    let limit = TIME_LIMIT.as_secs();
    tokio::time::timeout(TIME_LIMIT, calls)
        .await
        .map_err(|_| format!("the portal did not respond to all calls within {limit} s").into())
}

/// The lines of a report: what the portal says, what it can do, and what is not known yet.
pub(crate) fn lines(inspection: &Inspection, spec: &IssuerSpec) -> Vec<String> {
    let line = |name: &str, text: &str| format!("{name:<16} {text}");
    let mut lines: Vec<String> = inspection.facts.iter().map(|fact| line(fact.name, &fact.text)).collect();
    if let Some(interface) = &inspection.interface {
        lines.extend(capabilities::lines(&interface.capabilities).iter().map(|(name, text)| line(name, text)));
    }
    let hosts: Vec<&str> = spec.registries.iter().map(|registry| registry.host.as_str()).collect();
    if !hosts.is_empty() {
        let text = format!("{}: not known before the first token whether they accept it", hosts.join(", "));
        lines.push(line("registries", &text));
    }
    lines
}
