//! Reading the XML of answers: the texts of named elements, in their order.
//!
//! The main function is [`each`].

use quick_xml::events::Event;

/// Hands the name and the text of each element without children to `take`, in their order.
///
/// # Errors
/// What is wrong where the text is not XML, or ends within an element.
pub(super) fn each(xml: &[u8], mut take: impl FnMut(&[u8], &str)) -> Result<(), String> {
    let mut reader = quick_xml::Reader::from_reader(xml);
    let (mut open, mut text, mut depth) = (Vec::new(), String::new(), 0usize);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                depth += 1;
                open.clear();
                open.extend_from_slice(start.local_name().as_ref());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(|error| error.to_string())?),
            Event::GeneralRef(entity) => {
                let whole = format!("&{};", entity.decode().map_err(|error| error.to_string())?);
                text.push_str(&quick_xml::escape::unescape(&whole).map_err(|error| error.to_string())?);
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                if open == end.local_name().as_ref() {
                    take(&open, &text);
                }
                open.clear();
            }
            // Whoever holds it has a child.
            Event::Empty(_) => open.clear(),
            Event::Eof if depth > 0 => return Err("it ends within an element".to_owned()),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// The text of the first element of that name; `None` where there is none, or no XML.
pub(super) fn first(xml: &[u8], name: &str) -> Option<String> {
    let mut found = None;
    let read = each(xml, |element, text| {
        if element == name.as_bytes() && found.is_none() {
            found = Some(text.to_owned());
        }
    });
    read.ok().and(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\"?><L xmlns=\"x\"><Name>b</Name><Contents><Key>a&amp;b &#x21;</Key><Size>1</Size></Contents>\n\
        <Contents><Key>c</Key><Owner><ID/></Owner></Contents></L>";

    #[test]
    fn every_element_without_children_has_its_own_text() {
        let mut found = Vec::new();
        each(PAGE.as_bytes(), |name, text| found.push((String::from_utf8_lossy(name).into_owned(), text.to_owned()))).unwrap();
        let expected = [("Name", "b"), ("Key", "a&b !"), ("Size", "1"), ("Key", "c")];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert_eq!((first(PAGE.as_bytes(), "Size").as_deref(), first(PAGE.as_bytes(), "Contents")), (Some("1"), None));
    }

    #[test]
    fn a_text_that_ends_within_an_element_is_no_answer() {
        assert!(each(b"<L><Key>a</Key>", |_, _| {}).is_err());
        assert!(each(b"<L><Key>a</L>", |_, _| {}).is_err());
        assert_eq!(first(b"<L><Key>a</Key>", "Key"), None);
    }
}
