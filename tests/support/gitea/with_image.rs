//! A real Gitea with an image, a user who may pull it, and the login of the operator.

use crate::gitea::{Gitea, User};
use crate::pull;

/// The user to whom the tokens belong.
pub const PULLER: User = User { name: "image-puller", password: "of-the-puller-1" };
/// The user who pushes the image.
const VENDOR: User = User { name: "vendor", password: "of-the-vendor-1" };
pub const IMAGE: &str = "vendor/app:1";
pub const LAYER: &[u8] = b"the program";
/// The name of the access token with which the operator logs in.
pub const OPERATOR: &str = "login of the operator";

/// Starts it; returns the password of the operator too, an access token as docs/gitea.md says. The first user is an
/// administrator, and not that of the tokens.
pub async fn start() -> (Gitea, String) {
    let gitea = Gitea::start(&[VENDOR, PULLER]).await;
    let login = (VENDOR.name, VENDOR.password);
    pull::push_image(login, &gitea.host(), IMAGE, gitea.ca_pem(), LAYER).await.expect("pushed");
    let password = gitea.create_token(PULLER, OPERATOR, "write:user");
    (gitea, password)
}
