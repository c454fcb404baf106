//! The two text formats, of which the request's `Accept` header selects one.

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format for a request with this `Accept` header: `OpenMetrics` only if the header names it.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let refused = |parameters: &str| {
            parameters.split(';').any(|one| matches!(one.trim().split_once("q="), Some(("", q)) if is_zero(q)))
        };
        let named = accept.split(',').any(|range| {
            let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
            kind.trim().eq_ignore_ascii_case("application/openmetrics-text") && !refused(parameters)
        });
        if named { Self::OpenMetrics } else { Self::Text }
    }

    /// The content type of a response.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

fn is_zero(quality: &str) -> bool {
    quality.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0)
}

/// Writes infinity as `+Inf`, which every reader understands; the encoder writes `inf`. A line break in a label is
/// escaped, so no label ends like this.
pub(super) fn with_canonical_infinity(open_metrics: String) -> String {
    if open_metrics.contains(" inf\n") { open_metrics.replace(" inf\n", " +Inf\n") } else { open_metrics }
}

/// Converts `OpenMetrics` to text format 0.0.4. There, help and type of a counter are those of the series with its suffix,
/// and there are neither units nor an end.
pub(super) fn to_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut pending_help = None;
    for line in open_metrics.lines() {
        if line.starts_with("# HELP ") {
            // The type, which is needed for the name, follows.
            pending_help = Some(line);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            let help = pending_help.take().and_then(|help| help.strip_prefix("# HELP ")?.strip_prefix(name));
            for part in ["# HELP ", name, suffix, help.unwrap_or_default(), "\n# TYPE ", name, suffix, " ", kind, "\n"]
            {
                text.push_str(part);
            }
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_served_only_if_the_header_names_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("text/plain, Application/OpenMetrics-Text"), Format::OpenMetrics);
        for accept in ["", "*/*", "text/plain;version=0.0.4", "application/openmetrics-text;q=0, */*", "text/html"] {
            assert_eq!(Format::accepted(accept), Format::Text, "{accept}");
        }
    }

    #[test]
    fn counters_have_their_suffix_in_the_text_format() {
        let open_metrics = "\
# HELP a_seconds Time.
# TYPE a_seconds counter
# UNIT a_seconds seconds
a_seconds_total{x=\"# EOF\"} 1.0
# HELP b Help.
# TYPE b gauge
b 2
# EOF
";
        let text = "\
# HELP a_seconds_total Time.
# TYPE a_seconds_total counter
a_seconds_total{x=\"# EOF\"} 1.0
# HELP b Help.
# TYPE b gauge
b 2
";
        assert_eq!(to_text(open_metrics), text);
    }
}
