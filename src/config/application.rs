//! What an application or an SDK generation needs of a store: one file each in `suites/applications/`.

use serde::{Deserialize, Serialize};

/// `suites/applications/<id>.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Name for people, with the versions that are meant.
    pub title: String,
    /// What it is.
    pub kind: ApplicationKind,
    /// What it does with the store, in one sentence.
    pub about: String,
    /// Where the needs were read: documents or source code, with a version or date.
    pub source: String,
    /// What must hold for it to work.
    #[serde(rename = "need")]
    pub needs: Vec<Need>,
}

/// What a file in `suites/applications/` describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationKind {
    /// A program or a connector that people run.
    Application,
    /// One generation of an SDK: its requests have a shape of their own.
    Sdk,
}

/// Behaviours that an application needs, and the setting that does without them where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Catalogue rows, each proven by all cases that name it.
    #[serde(default)]
    pub rows: Vec<String>,
    /// Single cases.
    #[serde(default)]
    pub cases: Vec<String>,
    /// What the application uses it for.
    pub why: String,
    /// It branches on the error code: then a right refusal with a wrong code breaks it, too.
    #[serde(default)]
    pub exact: bool,
    /// How the application does without.
    #[serde(default)]
    pub setting: Option<ClientSetting>,
}

/// A setting of the application that does without a need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSetting {
    /// The setting as it is typed, e.g. `fs.s3a.multiobjectdelete.enable=false`.
    pub name: String,
    /// What it costs.
    pub cost: String,
    /// Catalogue rows that must hold with it instead.
    #[serde(default)]
    pub rows: Vec<String>,
    /// Single cases that must hold with it instead.
    #[serde(default)]
    pub cases: Vec<String>,
}

/// An application's file and its stem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedApplication {
    /// The file's stem.
    pub id: String,
    /// The file.
    pub file: Application,
}

impl NamedApplication {
    /// Applications from ids and the texts of their files.
    ///
    /// # Errors
    /// When a text is no application.
    pub fn parse(texts: &[(&str, &str)]) -> Result<Vec<Self>, toml::de::Error> {
        texts.iter().map(|(id, text)| Ok(Self { id: (*id).to_owned(), file: toml::from_str(text)? })).collect()
    }
}

impl Application {
    /// What no single field's type refuses.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.needs.is_empty() {
            return Err(("need", "there is none: an application without needs would be usable everywhere".to_owned()));
        }
        if self.needs.iter().any(|need| need.rows.is_empty() && need.cases.is_empty()) {
            return Err(("need.rows", "a need names neither rows nor cases".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_needs_something() {
        let head = "title = \"t\"\nkind = \"sdk\"\nabout = \"a\"\nsource = \"s\"\n";
        let read = |needs: &str| toml::from_str::<Application>(&format!("{head}{needs}")).unwrap().validate();
        assert_eq!(read("need = []").unwrap_err().0, "need");
        assert_eq!(read("[[need]]\nwhy = \"w\"").unwrap_err().0, "need.rows");
        assert!(read("[[need]]\nwhy = \"w\"\nrows = [\"PUT-01\"]").is_ok());
    }
}
