//! The page says what the document says.

use super::{Contract, published, read};

#[test]
fn everything_that_is_served_can_be_made_of_the_document() {
    let contract = Contract::read().unwrap();
    assert_eq!(contract.schemas.len(), published(&read().unwrap()).unwrap().len());
}

#[test]
fn the_page_shows_every_event_with_key_fields_and_example_and_loads_nothing() {
    let document = read().unwrap();
    let page = String::from_utf8(Contract::read().unwrap().page).unwrap();
    for event in published(&document).unwrap() {
        for shown in [event.event_type, event.routing_key, event.dataschema] {
            assert!(page.contains(shown), "{shown}");
        }
        for name in event.schema["properties"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("<code>{name}</code>")), "{name}");
        }
        let id = event.message["examples"][0]["payload"]["id"].as_str().unwrap();
        assert!(page.contains(id), "the example of {}", event.event_type);
    }
    for foreign in ["<script", "src=", "http://", "https://", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}
