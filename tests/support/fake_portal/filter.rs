//! The part of OData's `$filter` that the fake portal supports: `eq`, `contains`, `startswith`, `endswith`, `and`,
//! `or`, parentheses. Anything else is rejected, as by a portal without support for it.

use super::columns::Column;
use super::config::Config;
use super::keys::Kind;
use super::ledger::Token;
use super::literals::Literal;
use serde_json::Value;

/// A condition on a row.
#[derive(Debug)]
pub(super) enum Filter {
    Or(Vec<Self>),
    And(Vec<Self>),
    Is(Column, Literal),
    Has(Function, Column, String),
}

/// A condition on part of a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    Contains,
    StartsWith,
    EndsWith,
}

impl Filter {
    /// `None` if it cannot be parsed, or compares values that are not comparable.
    pub(super) fn parse(text: &str, config: &Config) -> Option<Self> {
        let mut parser = Parser { words: words(text)?, at: 0, config };
        let filter = parser.or()?;
        (parser.at == parser.words.len()).then_some(filter)
    }

    /// Whether a row satisfies it.
    pub(super) fn matches(&self, token: &Token, config: &Config) -> bool {
        let fold = |text: &str| if config.ignore_case { text.to_lowercase() } else { text.to_owned() };
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.matches(token, config)),
            Self::And(parts) => parts.iter().all(|part| part.matches(token, config)),
            Self::Is(column, literal) => match (column.value(token, config), literal.value()) {
                (Value::String(value), Value::String(wanted)) => fold(&value) == fold(&wanted),
                (value, wanted) => value == wanted,
            },
            Self::Has(function, column, part) => {
                let value = column.value(token, config);
                value.as_str().is_some_and(|value| function.holds(&fold(value), &fold(part)))
            }
        }
    }
}

impl Function {
    fn named(word: &str) -> Option<Self> {
        match word {
            "contains" => Some(Self::Contains),
            "startswith" => Some(Self::StartsWith),
            "endswith" => Some(Self::EndsWith),
            _ => None,
        }
    }

    fn holds(self, value: &str, part: &str) -> bool {
        match self {
            Self::Contains => value.contains(part),
            Self::StartsWith => value.starts_with(part),
            Self::EndsWith => value.ends_with(part),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Word {
    Name(String),
    Literal(Literal),
    Sign(char),
}

/// Splits a filter into tokens.
fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            '(' | ')' | ',' => (Word::Sign(first), &rest[1..]),
            '\'' => Literal::quoted(&rest[1..]).map(|(literal, behind)| (Word::Literal(literal), behind))?,
            _ => {
                let end = rest.find(|sign: char| sign.is_whitespace() || "(),'".contains(sign)).unwrap_or(rest.len());
                (plain(&rest[..end])?, &rest[end..])
            }
        };
        words.push(word);
        rest = behind.trim_start();
    }
    Some(words)
}

/// A literal or a name.
fn plain(word: &str) -> Option<Word> {
    if let Some(literal) = Literal::bare(word) {
        return Some(Word::Literal(literal));
    }
    word.chars().all(|sign| sign.is_alphanumeric() || sign == '_').then(|| Word::Name(word.to_owned()))
}

struct Parser<'a> {
    words: Vec<Word>,
    at: usize,
    config: &'a Config,
}

impl Parser<'_> {
    fn or(&mut self) -> Option<Filter> {
        let mut parts = vec![self.and()?];
        while self.skip(&Word::Name("or".to_owned())) {
            parts.push(self.and()?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn and(&mut self) -> Option<Filter> {
        let mut parts = vec![self.condition()?];
        while self.skip(&Word::Name("and".to_owned())) {
            parts.push(self.condition()?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn condition(&mut self) -> Option<Filter> {
        if self.skip(&Word::Sign('(')) {
            let inner = self.or()?;
            return self.skip(&Word::Sign(')')).then_some(inner);
        }
        let name = self.name()?;
        if let Some(function) = Function::named(&name) {
            return self.call(function);
        }
        let column = Column::named(&name, self.config)?;
        if !self.skip(&Word::Name("eq".to_owned())) {
            return None;
        }
        let literal = self.literal()?;
        literal.is_of(column.kind(self.config)).then_some(Filter::Is(column, literal))
    }

    fn call(&mut self, function: Function) -> Option<Filter> {
        let opened = self.skip(&Word::Sign('('));
        let column = Column::named(&self.name()?, self.config)?;
        let comma = self.skip(&Word::Sign(','));
        let Literal::Text(part) = self.literal()? else { return None };
        let closed = self.skip(&Word::Sign(')'));
        let is_text = column.kind(self.config) == Kind::Text;
        (opened && comma && closed && is_text).then_some(Filter::Has(function, column, part))
    }

    fn skip(&mut self, word: &Word) -> bool {
        let there = self.words.get(self.at) == Some(word);
        self.at += usize::from(there);
        there
    }

    fn name(&mut self) -> Option<String> {
        let Some(Word::Name(name)) = self.words.get(self.at) else { return None };
        self.at += 1;
        Some(name.clone())
    }

    fn literal(&mut self) -> Option<Literal> {
        let Some(Word::Literal(literal)) = self.words.get_mut(self.at) else { return None };
        self.at += 1;
        Some(std::mem::replace(literal, Literal::Null))
    }
}
