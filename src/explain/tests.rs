//! That every row of every table can be explained, and that its example shows it.

use super::*;
use crate::diagnostic::codes::{ALL, Example};

#[test]
fn every_name_has_a_topic_with_its_mathematics_and_an_example() {
    for table in &TABLES {
        for (name, title) in (table.names)() {
            let topic = (table.topic)(&name).unwrap_or_else(|| panic!("{name} is explained"));
            assert!(!title.is_empty() && !topic.title.is_empty(), "{name}");
            for (heading, text) in &topic.parts {
                assert!(!text.trim().is_empty(), "{name}: {heading}");
            }
            assert!(
                topic.parts.iter().any(|(heading, _)| ["Mathematics", "Why"].contains(heading)),
                "{name}"
            );
            let shown = |heading: &&str| ["Values", "Example"].contains(heading);
            assert!(topic.parts.iter().any(|(heading, _)| shown(heading)), "{name}");
        }
    }
}

#[test]
fn each_example_of_a_code_is_told_by_it() {
    for code in ALL {
        let Example::Program(program) = code.row.example else { continue };
        let (_, told) = codes::told(program);
        let ids: Vec<&str> = told.iter().map(|diagnostic| diagnostic.code.id).collect();
        assert!(ids.contains(&code.id), "{}: its example is told by {ids:?}", code.id);
    }
}

#[test]
fn each_rule_of_differentiation_shows_in_its_example() {
    for (name, rule) in rules::names()
        .into_iter()
        .filter(|(name, _)| !["read", "group", "argmax", "uses", "sums", "lag"].contains(&name.as_str()))
    {
        let topic = rules::topic(&name).expect("a rule");
        let (_, example) = topic.parts.iter().find(|(heading, _)| *heading == "Example").expect("one");
        assert!(example.contains(&rule), "{name}:\n{example}");
    }
}

#[test]
fn rules_are_found_by_their_text() {
    let topic = explain("exp( log(a) )").remove(0);
    assert_eq!(topic.name, "quotients");
    assert_eq!(topic.parts[1].1, "exp(log(a)) => a, where a is known to be 0 or more");
    assert_eq!(explain("*")[0].name, "mul");
    assert_eq!(like("tanhh").as_deref(), Some("tanh"));
}

#[test]
fn a_gate_is_explained_by_its_row() {
    insta::assert_snapshot!(explain("tanh")[0].to_string());
}
