//! Three views of one object at rest: LIST, HEAD and GET must agree on existence, size, ETag and metadata.
//!
//! An ETag that a view does not show at all is a matter of conformance, not of agreement.

use std::collections::BTreeMap;

/// An object as one view shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectView {
    /// Size in bytes.
    pub size: u64,
    /// ETag without quotes; empty where the view shows none.
    pub etag: String,
    /// The write id in the object's metadata, for views that show metadata.
    pub metadata_id: Option<String>,
}

/// What the three views say; `None` = no object there. `Err` = the view did not answer, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Views {
    /// In the listing.
    pub list: Option<ObjectView>,
    /// HeadObject.
    pub head: Result<Option<ObjectView>, String>,
    /// GetObject: what its headers say, with the size that its body really had.
    pub get: Result<Option<ObjectView>, String>,
    /// The write id inside the body that GET returned, where the body is whole.
    pub body_id: Option<u64>,
}

/// Views that cannot all be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The object.
    pub key: String,
    /// Whether it is about metadata: the object's own id in it is missing, or another write's.
    pub metadata: bool,
    /// Which views say what, in a sentence.
    pub sentence: String,
}

/// Every disagreement between the views, by key.
pub fn disagreements(keys: &BTreeMap<String, Views>) -> Vec<Disagreement> {
    let found = |(key, views): (&String, &Views)| {
        let existence_or_content = content(key, views).map(|sentence| Disagreement { key: key.clone(), metadata: false, sentence });
        let metadata = metadata(key, views).map(|sentence| Disagreement { key: key.clone(), metadata: true, sentence });
        existence_or_content.into_iter().chain(metadata)
    };
    keys.iter().flat_map(found).collect()
}

fn yes(view: Option<&ObjectView>) -> &'static str {
    if view.is_some() { "there" } else { "not there" }
}

fn content(key: &str, views: &Views) -> Option<String> {
    let (head, get) = match (&views.head, &views.get) {
        (Err(error), _) => return Some(format!("{key}: HEAD did not answer: {error}")),
        (_, Err(error)) => return Some(format!("{key}: GET did not answer: {error}")),
        (Ok(head), Ok(get)) => (head.as_ref(), get.as_ref()),
    };
    match (&views.list, head, get) {
        (None, None, None) => None,
        (Some(list), Some(head), Some(get)) => {
            if list.size != head.size || head.size != get.size {
                return Some(format!("{key}: LIST says {} bytes, HEAD {}, GET returned {}", list.size, head.size, get.size));
            }
            let shown: Vec<&String> = [&list.etag, &head.etag, &get.etag].into_iter().filter(|etag| !etag.is_empty()).collect();
            let differs = shown.windows(2).any(|pair| pair[0] != pair[1]);
            differs.then(|| format!("{key}: LIST says ETag {:?}, HEAD {:?}, GET {:?}", list.etag, head.etag, get.etag))
        }
        (list, head, get) => Some(format!("{key}: LIST says {}, HEAD {}, GET {}", yes(list.as_ref()), yes(head), yes(get))),
    }
}

fn metadata(key: &str, views: &Views) -> Option<String> {
    let body = views.body_id?.to_string();
    let wrong = |name: &str, view: &Result<Option<ObjectView>, String>| match view {
        Ok(Some(view)) if view.metadata_id.as_deref() != Some(body.as_str()) => {
            let shown = view.metadata_id.as_ref().map_or("no write id".to_owned(), |id| format!("write {id}"));
            Some(format!("{key}: the body is of write {body}, the metadata that {name} shows is of {shown}"))
        }
        _ => None,
    };
    wrong("HEAD", &views.head).or_else(|| wrong("GET", &views.get))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(size: u64, etag: &str) -> ObjectView {
        ObjectView { size, etag: etag.to_owned(), metadata_id: Some("7".to_owned()) }
    }

    fn sentences(views: Views) -> Vec<String> {
        disagreements(&BTreeMap::from([("k".to_owned(), views)])).into_iter().map(|found| found.sentence).collect()
    }

    fn agreed() -> Views {
        let listed = ObjectView { metadata_id: None, ..view(5, "a") };
        Views { list: Some(listed), head: Ok(Some(view(5, "a"))), get: Ok(Some(view(5, "a"))), body_id: Some(7) }
    }

    #[test]
    fn agreeing_views_and_agreed_absence_are_fine() {
        assert!(sentences(agreed()).is_empty());
        let without_etag = ObjectView { size: 5, ..ObjectView::default() };
        assert!(sentences(Views { list: Some(without_etag), ..agreed() }).is_empty());
        assert!(sentences(Views { list: None, head: Ok(None), get: Ok(None), body_id: None }).is_empty());
    }

    #[test]
    fn each_disagreement_is_found_and_says_who_says_what() {
        for (views, says) in [
            (Views { get: Ok(None), body_id: None, ..agreed() }, "LIST says there, HEAD there, GET not there"),
            (Views { head: Ok(None), get: Ok(None), body_id: None, ..agreed() }, "LIST says there, HEAD not there, GET not there"),
            (Views { list: None, ..agreed() }, "LIST says not there"),
            (Views { get: Ok(Some(view(4, "a"))), ..agreed() }, "GET returned 4"),
            (Views { head: Ok(Some(view(5, "b"))), ..agreed() }, "HEAD \"b\""),
            (Views { head: Err("500".to_owned()), ..agreed() }, "HEAD did not answer: 500"),
            (Views { body_id: Some(8), ..agreed() }, "the body is of write 8, the metadata that HEAD shows is of write 7"),
            (Views { head: Ok(Some(ObjectView { metadata_id: None, ..view(5, "a") })), ..agreed() }, "no write id"),
        ] {
            let found = sentences(views);
            assert!(found.len() == 1 && found[0].contains(says), "{found:?} should say {says:?}");
        }
    }
}
