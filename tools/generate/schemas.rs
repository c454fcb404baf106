//! JSON schemas of the kinds, for editors and kubeconform.

use super::files::Error;
use serde_json::{Map, Value, json};

/// The file and content of the schema of each version.
pub fn of_definition(definition: &Value) -> Result<Vec<(String, String)>, Error> {
    let kind = definition["spec"]["names"]["kind"].as_str().ok_or("a CRD has a kind")?;
    let group = definition["spec"]["group"].as_str().ok_or("a CRD has a group")?;
    let mut all = vec![];
    for version in definition["spec"]["versions"].as_array().into_iter().flatten() {
        let name = version["name"].as_str().ok_or("a version has a name")?;
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        schema["properties"]["apiVersion"] = json!({"enum": [format!("{group}/{name}")]});
        schema["properties"]["kind"] = json!({"enum": [kind]});
        schema["properties"]["metadata"] = json!({"type": "object"});
        schema["required"] = json!(["apiVersion", "kind", "metadata", "spec"]);
        let mut schema = closed(schema);
        schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        all.push((format!("{}_{name}.json", kind.to_lowercase()), format!("{schema:#}\n")));
    }
    Ok(all)
}

/// The schema without the keywords of Kubernetes. Unknown fields are rejected, as by the API server's strict
/// validation.
fn closed(schema: Value) -> Value {
    let Value::Object(keywords) = schema else { return schema };
    let mut result = Map::new();
    let is_open =
        keywords.contains_key("additionalProperties") || keywords.contains_key("x-kubernetes-preserve-unknown-fields");
    if keywords.contains_key("properties") && !is_open {
        result.insert("additionalProperties".to_owned(), json!(false));
    }
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            (name, _) if name.starts_with("x-kubernetes-") || name == "nullable" => {}
            ("properties", Value::Object(properties)) => {
                let properties: Map<_, _> = properties.into_iter().map(|(name, one)| (name, closed(one))).collect();
                result.insert(keyword, Value::Object(properties));
            }
            ("items" | "additionalProperties", value) => {
                result.insert(keyword, closed(value));
            }
            (_, value) => {
                result.insert(keyword, value);
            }
        }
    }
    Value::Object(result)
}
