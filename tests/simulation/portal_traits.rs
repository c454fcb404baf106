//! What the simulated portal can do. The default is a portal like Thinkwise's; the others are like Gitea, Harbor and
//! GitLab.

use super::config::SimulationConfig;
use super::random::Rng;

/// What the simulated portal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortalTraits {
    /// Descriptions can be edited. If not, the marker stays in them.
    pub edit: bool,
    /// All tokens log in with the same name.
    pub login_shared: bool,
    /// The description is a name that no two tokens have: a request that is delivered twice is refused the second time.
    pub unique_names: bool,
    /// Seconds that a token is valid.
    pub lifetime: Option<i64>,
    /// The list still contains tokens that are expired.
    pub lists_expired: bool,
}

/// Seconds that a token is valid where tokens expire: a rotation is due after four hours. Longer than a run takes until it
/// is idle, and shorter than the longest tick of the clock, so that tokens also expire while no operator acts.
const LIFETIME_SECONDS: i64 = 6 * 3600;

impl PortalTraits {
    /// A portal like Thinkwise's.
    pub const DEFAULT: Self =
        Self { edit: true, login_shared: false, unique_names: false, lifetime: None, lists_expired: false };
    /// Like Gitea's: a token has a name, which never changes, and logs in with the name of the user.
    pub const GITEA: Self = Self { edit: false, login_shared: true, unique_names: true, ..Self::DEFAULT };
    /// Like Harbor's: robot accounts have unique names, expire, and are listed until they are deleted.
    pub const HARBOR: Self =
        Self { unique_names: true, lifetime: Some(LIFETIME_SECONDS), lists_expired: true, ..Self::DEFAULT };
    /// Like GitLab's: a deploy token cannot be changed, and is not listed any more when it is expired.
    pub const GITLAB: Self = Self { edit: false, lifetime: Some(LIFETIME_SECONDS), ..Self::DEFAULT };

    /// A random portal: one of those that exist, or any other.
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.below(6) {
            0 => Self::GITEA,
            1 => Self::HARBOR,
            2 => Self::GITLAB,
            _ => Self {
                edit: rng.below(2) == 0,
                login_shared: rng.below(2) == 0,
                unique_names: rng.below(2) == 0,
                lifetime: (rng.below(2) == 0).then_some(LIFETIME_SECONDS),
                lists_expired: rng.below(2) == 0,
            },
        }
    }

    /// The username of a token.
    pub fn username(&self, id: u32) -> String {
        if self.login_shared { "k8s".to_owned() } else { format!("tw-{id}") }
    }
}

impl SimulationConfig {
    /// The same with this portal.
    pub fn use_portal(&mut self, portal: PortalTraits) {
        self.portal = portal;
        self.keep_marker |= !portal.edit;
        // Where neither a list nor a username shows a token, nothing identifies it. No known portal hides tokens that expire.
        self.list_denied &= !portal.login_shared && portal.lifetime.is_none();
    }
}
