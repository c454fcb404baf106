//! Reading the table: `$filter $select $orderby $top $skip $count`, page by page.

use super::columns::{Column, row};
use super::config::{Config, NextLink, Visible};
use super::filter::Filter;
use super::ledger::{Ledger, Token};
use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, parse};

/// The query options.
#[derive(Default)]
struct Options {
    filter: Option<Filter>,
    select: Option<Vec<Column>>,
    order: Vec<(Column, bool)>,
    top: Option<usize>,
    skip: usize,
    count: bool,
    after: Option<i64>,
}

/// Whether a user sees this token's row at all.
pub(super) fn is_visible(token: &Token, config: &Config, user: &str) -> bool {
    match config.visible {
        Visible::All => true,
        Visible::Own => token.requested_by == user,
        // Spread over all rows instead of the first ones of a hundred.
        Visible::Percent(percent) => token.id * 37 % 100 < i64::from(percent),
    }
}

/// Whether the list shows this token's row to a user now.
pub(super) fn is_listed(token: &Token, config: &Config, user: &str) -> bool {
    token.is_known(config.list_lag) && is_visible(token, config, user)
}

/// One page of the table. `None` if the query is not supported. `address` is the table's own.
pub(super) fn page(config: &Config, ledger: &Ledger, user: &str, query: &str, address: &str) -> Option<Value> {
    let options = Options::parse(query, config)?;
    let limit = options.top.unwrap_or(usize::MAX).min(config.page_size);
    ledger.read(|tokens| {
        let mut found: Vec<&Token> =
            tokens.values().filter(|token| is_listed(token, config, user) && options.wants(token, config)).collect();
        let count = found.len();
        for (column, descending) in options.order.iter().rev() {
            found.sort_by(|one, other| {
                let order = column.compare(one, other, config);
                if *descending { order.reverse() } else { order }
            });
        }
        found.retain(|token| options.after.is_none_or(|after| token.id > after));
        let rest = found.get(options.skip..).unwrap_or_default();
        let shown = &rest[..limit.min(rest.len())];
        let select = options.select.as_deref();
        let rows: Vec<Value> = shown.iter().map(|token| Value::Object(row(token, select, config))).collect();
        let mut answer = json!({"value": rows});
        if options.count {
            answer["@odata.count"] = json!(count);
        }
        let wanted_more = options.top.is_none_or(|top| top > limit);
        if let Some(last) = shown.last().filter(|_| wanted_more && rest.len() > shown.len()) {
            let next = next(query, &options, shown.len(), last.id, config.next_link);
            answer["@odata.nextLink"] = json!(format!("{address}?{next}"));
        }
        Some(answer)
    })
}

/// The query for the next page.
fn next(query: &str, options: &Options, shown: usize, last: i64, how: NextLink) -> String {
    let mut next = Serializer::new(String::new());
    for (name, value) in parse(query.as_bytes()).filter(|(name, _)| !is_position(name)) {
        next.append_pair(&name, &value);
    }
    if let Some(top) = options.top {
        next.append_pair("$top", &(top - shown).to_string());
    }
    if how == NextLink::SkipToken && options.order.is_empty() {
        next.append_pair("$skiptoken", &last.to_string());
    } else {
        next.append_pair("$skip", &(options.skip + shown).to_string());
    }
    next.finish()
}

fn is_position(name: &str) -> bool {
    matches!(name, "$top" | "$skip" | "$skiptoken")
}

impl Options {
    fn parse(query: &str, config: &Config) -> Option<Self> {
        let mut options = Self::default();
        for (name, value) in parse(query.as_bytes()) {
            match name.as_ref() {
                "$filter" => options.filter = Some(Filter::parse(&value, config)?),
                "$select" => options.select = Some(columns(&value, config)?),
                "$orderby" => options.order = orders(&value, config)?,
                "$top" => options.top = Some(value.parse().ok()?),
                "$skip" => options.skip = value.parse().ok()?,
                "$count" => options.count = value.parse().ok()?,
                "$skiptoken" => options.after = Some(value.parse().ok()?),
                other if other.starts_with('$') => return None,
                _ => {}
            }
        }
        Some(options)
    }

    fn wants(&self, token: &Token, config: &Config) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(token, config))
    }
}

fn columns(text: &str, config: &Config) -> Option<Vec<Column>> {
    text.split(',').map(|name| Column::named(name.trim(), config)).collect()
}

fn orders(text: &str, config: &Config) -> Option<Vec<(Column, bool)>> {
    text.split(',')
        .map(|part| {
            let mut words = part.split_whitespace();
            let column = Column::named(words.next()?, config)?;
            match (words.next(), words.next()) {
                (None | Some("asc"), None) => Some((column, false)),
                (Some("desc"), None) => Some((column, true)),
                _ => None,
            }
        })
        .collect()
}
