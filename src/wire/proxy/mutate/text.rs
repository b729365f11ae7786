//! Texts and XML elements, changed where they stand: everything around them stays byte for byte.

use std::ops::Range;

use percent_encoding::percent_decode_str;

use crate::config::{Spelling, Which};
use crate::wire::sigv4::encode_query_part;

/// Replaces each match of `from`, in which `*` stands for anything, as little as possible, and at the end for the rest.
pub(super) fn replace(text: &str, from: &str, to: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(found) = find(rest, from) {
        out.push_str(&rest[..found.start]);
        out.push_str(to);
        rest = &rest[found.end..];
        if found.is_empty() || rest.is_empty() {
            break;
        }
    }
    out + rest
}

fn find(text: &str, pattern: &str) -> Option<Range<usize>> {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let start = text.find(first)?;
    let mut end = start + first.len();
    for part in parts {
        end = if part.is_empty() { text.len() } else { end + text[end..].find(part)? + part.len() };
    }
    Some(start..end)
}

/// Where the elements of a name stand, tags included; an element does not hold another of its name.
pub(super) fn elements(text: &str, name: &str) -> Vec<Range<usize>> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(&open).map(|offset| at + offset) {
        let after = start + open.len();
        at = after;
        if !text[after..].starts_with(['>', ' ', '/']) {
            continue;
        }
        let Some(tag_end) = text[after..].find('>').map(|offset| after + offset + 1) else { break };
        let end =
            if text[..tag_end].ends_with("/>") { Some(tag_end) } else { text[tag_end..].find(&close).map(|offset| tag_end + offset + close.len()) };
        let Some(end) = end else { break };
        found.push(start..end);
        at = end;
    }
    found
}

pub(super) fn chosen(text: &str, name: &str, which: Which) -> Vec<Range<usize>> {
    let mut all = elements(text, name);
    match which {
        Which::First => all.truncate(1),
        Which::Last => drop(all.drain(..all.len().saturating_sub(1))),
        Which::All => {}
    }
    all
}

/// Puts new text in place of each range; the ranges are in order.
fn splice(text: &str, ranges: &[Range<usize>], new: impl Fn(usize, &str) -> String) -> String {
    let mut out = String::new();
    let mut at = 0;
    for (index, range) in ranges.iter().enumerate() {
        out.push_str(&text[at..range.start]);
        out.push_str(&new(index, &text[range.clone()]));
        at = range.end;
    }
    out + &text[at..]
}

pub(super) fn drop_elements(text: &str, name: &str, which: Which) -> String {
    splice(text, &chosen(text, name, which), |_, _| String::new())
}

pub(super) fn repeat_elements(text: &str, name: &str, which: Which) -> String {
    splice(text, &chosen(text, name, which), |_, old| format!("{old}{old}"))
}

pub(super) fn reverse_elements(text: &str, name: &str) -> String {
    let all = elements(text, name);
    splice(text, &all, |index, _| text[all[all.len() - 1 - index].clone()].to_owned())
}

/// Sets the text of elements; a missing one is put before the end of the root.
pub(super) fn set_elements(text: &str, name: &str, value: &str, which: Which) -> String {
    let found = chosen(text, name, which);
    let element = format!("<{name}>{value}</{name}>");
    match (found.is_empty(), text.rfind("</")) {
        (false, _) => splice(text, &found, |_, _| element.clone()),
        (true, Some(end)) => format!("{}{element}{}", &text[..end], &text[end..]),
        (true, None) => text.to_owned(),
    }
}

pub(super) fn spell_elements(text: &str, name: &str, spelling: Spelling) -> String {
    splice(text, &elements(text, name), |_, old| {
        let (Some(start), Some(end)) = (old.find('>'), old.rfind("</")) else { return old.to_owned() };
        let inner = &old[start + 1..end.max(start + 1)];
        let new = match spelling {
            Spelling::Encode => encode_query_part(inner.as_bytes()),
            Spelling::Decode => percent_decode_str(inner).decode_utf8_lossy().replace('&', "&amp;").replace('<', "&lt;"),
            Spelling::Upper => inner.to_uppercase(),
            Spelling::Lower => inner.to_lowercase(),
            Spelling::Plus => inner.replace("%20", "+").replace(' ', "+"),
        };
        format!("{}{new}{}", &old[..=start], &old[end..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_as_little_as_possible() {
        for (text, from, to, expected) in [
            ("<a><V>1</V><b/><V>2</V></a>", "<V>*</V>", "", "<a><b/></a>"),
            ("bytes 0-4/10", "/*", "/99", "bytes 0-4/99"),
            ("\"abc\"", "\"", "", "abc"),
            ("abc", "x", "y", "abc"),
            ("anything", "*", "else", "else"),
        ] {
            assert_eq!(replace(text, from, to), expected, "{from}");
        }
    }

    const LIST: &str = "<L><Name>n</Name><C><Key>a</Key></C><C><Key>b c</Key></C><Empty/><Cx>no</Cx></L>";

    #[test]
    fn elements_are_dropped_repeated_and_reversed() {
        assert_eq!(drop_elements(LIST, "C", Which::Last), LIST.replace("<C><Key>b c</Key></C>", ""));
        assert_eq!(drop_elements(LIST, "C", Which::All), "<L><Name>n</Name><Empty/><Cx>no</Cx></L>");
        assert_eq!(drop_elements(LIST, "Empty", Which::All), LIST.replace("<Empty/>", ""));
        assert_eq!(repeat_elements(LIST, "C", Which::First), LIST.replacen("<C><Key>a</Key></C>", "<C><Key>a</Key></C><C><Key>a</Key></C>", 1));
        assert_eq!(reverse_elements(LIST, "C"), "<L><Name>n</Name><C><Key>b c</Key></C><C><Key>a</Key></C><Empty/><Cx>no</Cx></L>");
    }

    #[test]
    fn elements_are_set_and_spelled_anew() {
        assert_eq!(set_elements(LIST, "Name", "m", Which::All), LIST.replace(">n<", ">m<"));
        assert_eq!(set_elements(LIST, "New", "1", Which::All), LIST.replace("</L>", "<New>1</New></L>"));
        assert_eq!(spell_elements(LIST, "Key", Spelling::Encode), LIST.replace("b c", "b%20c"));
        assert_eq!(spell_elements(&LIST.replace("b c", "b%2520c"), "Key", Spelling::Decode), LIST.replace("b c", "b%20c"));
        assert_eq!(spell_elements(LIST, "Key", Spelling::Plus), LIST.replace("b c", "b+c"));
        assert_eq!(spell_elements(LIST, "Name", Spelling::Upper), LIST.replace(">n<", ">N<"));
    }
}
