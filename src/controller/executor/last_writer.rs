//! Finds the last writer of a pull secret or a `ServiceAccount` in its managed fields. They are read only if our content is
//! overwritten: watches and other reads never parse them.

use super::Executor;
use crate::controller::CONTROLLER_NAME;
use crate::controller::api_call::call;
use crate::domain::protocol::Response;
use serde_json::Value;

impl Executor<'_> {
    /// The field manager that last wrote the Secret's content, other than the operator. Failing to find it is not an
    /// error.
    pub(crate) async fn find_last_writer(&self) -> Response {
        let secrets = self.snapshot.secrets(self.ctx);
        let found = call("read who wrote the Secret", secrets.get_metadata_text(&self.snapshot.secret_name())).await;
        Response::LastWriter(found.ok().and_then(|text| last_writer(&text, "f:data")))
    }
}

/// The latest manager of a field, or else of anything.
pub(super) fn last_writer(text: &str, field: &str) -> Option<String> {
    let object: Value = serde_saphyr::from_str(text).ok()?;
    let entries = object["metadata"]["managedFields"].as_array()?;
    let others =
        || entries.iter().filter(|entry| entry["manager"].as_str().is_some_and(|name| name != CONTROLLER_NAME));
    let time = |entry: &&Value| entry["time"].as_str().unwrap_or_default().to_owned();
    let of_field = others().filter(|entry| entry["fieldsV1"].get(field).is_some()).max_by_key(time);
    let latest = of_field.or_else(|| others().max_by_key(time))?;
    latest["manager"].as_str().map(crate::sanitize::sanitize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, time: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields})
    }

    fn of(entries: &[Value]) -> Option<String> {
        last_writer(&json!({"metadata": {"managedFields": entries}}).to_string(), "f:data")
    }

    #[test]
    fn the_last_writer_is_the_latest_other_manager_of_the_content() {
        let data = json!({"f:data": {"f:.dockerconfigjson": {}}});
        let labels = json!({"f:metadata": {"f:labels": {}}});
        let ours = entry(CONTROLLER_NAME, "2030-01-01T00:00:09Z", &data);
        let sync = entry("secret-sync", "2030-01-01T00:00:05Z", &data);
        let former = entry("kubectl-edit", "2030-01-01T00:00:01Z", &data);
        let labeler = entry("labeler", "2030-01-01T00:00:07Z", &labels);
        let all = [ours.clone(), sync, former, labeler.clone()];
        assert_eq!(of(&all).as_deref(), Some("secret-sync"));
        assert_eq!(of(&[ours.clone(), labeler]).as_deref(), Some("labeler"));
        assert_eq!(of(&[ours]), None, "we are not another writer");
    }

    #[test]
    fn unparsable_metadata_names_no_writer() {
        let deep = "{\"f:a\":".repeat(300) + "{}" + &"}".repeat(300);
        for text in ["", "{}", "[]", r#"{"metadata":{"managedFields":[{"time":3}]}}"#, &deep] {
            assert_eq!(last_writer(text, "f:data"), None, "{text}");
        }
    }
}
