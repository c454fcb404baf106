//! The flags of leader election.

use crate::api::{NamespaceName, ObjectName, ShortDuration};
use crate::controller::ElectionSettings;
use crate::domain::leader_election::{Timing, TimingError};
use clap::{ArgAction, Args};

/// Where other controllers that serve a whole cluster keep their Leases too: operators that are installed in several
/// namespaces share it, so only one of them works.
const DEFAULT_NAMESPACE: &str = "kube-system";

/// The flags of leader election.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Leader election")]
pub struct LeaderElectionArgs {
    /// Only the instance that holds a Lease works, and the others wait to take over. Use `false` only for a single
    /// instance: it works whatever others do
    #[arg(
        long,
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true"
    )]
    pub leader_elect: bool,

    /// Name of the Lease
    #[arg(long, value_name = "NAME", default_value = "registry-token-operator")]
    pub leader_election_id: ObjectName,

    /// Namespace of the Lease. Operators that serve the same cluster need the same one [default: kube-system, and with
    /// --namespaces that of --namespace]
    #[arg(long, value_name = "NAMESPACE")]
    pub leader_election_namespace: Option<NamespaceName>,

    /// How long others wait for the leader to renew the Lease before they take over
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub leader_election_lease_duration: ShortDuration,

    /// How long the leader works after its last renewal; shorter than the lease duration
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub leader_election_renew_deadline: ShortDuration,

    /// How often the leader renews the Lease
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    pub leader_election_retry_period: ShortDuration,
}

impl LeaderElectionArgs {
    /// The settings; `None` without leader election. `installation` names what the instances of one installation share.
    /// `own_namespace` is the namespace of an operator that does not serve the whole cluster.
    ///
    /// # Errors
    /// If the times do not fit together.
    pub fn settings(
        &self,
        installation: String,
        own_namespace: Option<&NamespaceName>,
    ) -> Result<Option<ElectionSettings>, TimingError> {
        if !self.leader_elect {
            return Ok(None);
        }
        let timing = Timing::new(
            self.leader_election_lease_duration.0,
            self.leader_election_renew_deadline.0,
            self.leader_election_retry_period.0,
        )?;
        let namespace = self.leader_election_namespace.as_ref().or(own_namespace);
        Ok(Some(ElectionSettings {
            namespace: namespace.map_or_else(|| DEFAULT_NAMESPACE.to_owned(), ToString::to_string),
            name: self.leader_election_id.to_string(),
            installation,
            timing,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        flags: LeaderElectionArgs,
    }

    fn settings(flags: &[&str]) -> Result<Option<ElectionSettings>, String> {
        let parsed = Flags::try_parse_from(std::iter::once(&"run").chain(flags)).map_err(|error| error.to_string())?;
        parsed.flags.settings("own/key".to_owned(), None).map_err(|error| error.to_string())
    }

    #[test]
    fn leader_election_is_on_by_default_with_one_lease_for_the_cluster() {
        let timing = |lease, renew, retry| {
            let [lease, renew, retry] = [lease, renew, retry].map(std::time::Duration::from_secs);
            Timing::new(lease, renew, retry).expect("valid")
        };
        for flags in [&[][..], &["--leader-elect"], &["--leader-elect=true"]] {
            let found = settings(flags).expect("valid").expect("on");
            assert_eq!((found.namespace.as_str(), found.name.as_str()), ("kube-system", "registry-token-operator"));
            assert_eq!(found.timing, timing(15, 10, 2));
        }
        assert!(settings(&["--leader-elect=false"]).expect("valid").is_none());
        let other = ["--leader-election-id=a", "--leader-election-namespace=b", "--leader-election-lease-duration=1m"];
        let other = settings(&other).expect("valid").expect("on");
        assert_eq!((other.namespace.as_str(), other.name.as_str()), ("b", "a"));
        assert_eq!(other.timing, timing(60, 10, 2));
    }

    #[test]
    fn an_operator_for_single_namespaces_has_a_lease_of_its_own() {
        let own: NamespaceName = "own".parse().expect("a name");
        for (flags, namespace) in [(&[][..], "own"), (&["--leader-election-namespace=b"], "b")] {
            let parsed = Flags::try_parse_from(std::iter::once(&"run").chain(flags)).expect("valid");
            let found = parsed.flags.settings("own/key".to_owned(), Some(&own)).expect("valid").expect("on");
            assert_eq!(found.namespace, namespace);
        }
    }

    #[test]
    fn invalid_flags_are_rejected_with_their_name() {
        for (flags, named) in [
            (&["--leader-election-lease-duration=10s"][..], "--leader-election-renew-deadline is 10s"),
            (&["--leader-election-retry-period=9s"], "--leader-election-retry-period is 9s"),
            (&["--leader-election-retry-period=soon"], "write it like 90s"),
            (&["--leader-election-id=A_B"], "--leader-election-id"),
            (&["--leader-elect=perhaps"], "--leader-elect"),
        ] {
            let error = settings(flags).expect_err("rejected");
            assert!(error.contains(named), "{error}");
        }
    }
}
