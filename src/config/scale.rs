//! One scenario file, two sets of values: its own for a small machine, and those that its `[scale]` table puts in their place.
//!
//! The main type is [`Scale`]. The tables are merged before anything is read from them, with the places of all values kept, so that an
//! error in `[scale]` names its own line.

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Which values of a throughput scenario are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// The file's own: two cores, a GiB of data.
    #[default]
    Default,
    /// Those with its `[scale]` table merged over them: a cluster of clients, a data set that outgrows memory.
    Scale,
}

/// The key of the table.
pub(super) const KEY: &str = "scale";

/// Takes the `[scale]` table out and merges it over the rest if that is asked for.
///
/// # Errors
/// Where it is asked for and missing, or no table.
pub(super) fn settle(table: &mut DeTable<'_>, scale: Scale) -> Result<(), &'static str> {
    let over = table.remove(KEY).map(Spanned::into_inner);
    match (over, scale) {
        (Some(DeValue::Table(over)), Scale::Scale) => merge(table, over),
        (Some(DeValue::Table(_)), _) | (None, Scale::Default) => {}
        (Some(_), _) => return Err("expected a table with the values that a profile with scale = \"scale\" uses"),
        (None, Scale::Scale) => return Err("the profile says scale = \"scale\", and there is no [scale] table: add one with the larger values"),
    }
    Ok(())
}

/// Tables are merged key by key; any other value, a list also, takes the place of the one below it.
fn merge<'i>(base: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, value) in over {
        let below = base.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut);
        if let (Some(DeValue::Table(below)), DeValue::Table(_)) = (below, value.get_ref()) {
            if let DeValue::Table(over) = value.into_inner() {
                merge(below, over);
            }
        } else {
            base.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\nlist = [1, 2]\n[t]\nx = 1\ny = { p = 1, q = 2 }\n[scale]\nlist = [3]\nb = 5\n[scale.t]\ny = { q = 7 }\n";

    fn settled(text: &str, scale: Scale) -> Result<String, &'static str> {
        let mut table = DeTable::parse(text).unwrap();
        settle(table.get_mut(), scale)?;
        let value: toml::Table = Deserialize::deserialize(toml::Deserializer::from(table)).unwrap();
        Ok(serde_json::to_string(&value).unwrap())
    }

    #[test]
    fn tables_are_merged_and_lists_are_replaced() {
        assert_eq!(settled(TEXT, Scale::Default).unwrap(), r#"{"a":1,"list":[1,2],"t":{"x":1,"y":{"p":1,"q":2}}}"#);
        assert_eq!(settled(TEXT, Scale::Scale).unwrap(), r#"{"a":1,"b":5,"list":[3],"t":{"x":1,"y":{"p":1,"q":7}}}"#);
    }

    #[test]
    fn a_file_without_larger_values_is_refused_where_they_are_asked_for() {
        assert!(settled("a = 1", Scale::Default).is_ok());
        assert!(settled("a = 1", Scale::Scale).unwrap_err().contains("no [scale] table"));
        assert!(settled("scale = 1", Scale::Default).unwrap_err().contains("expected a table"));
    }
}
