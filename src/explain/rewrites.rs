//! Rewrite rules, from their table.

use super::Topic;
use crate::simplify::table::{FAMILIES, Family, Row, Rule, When};

pub(super) fn names() -> Vec<(String, String)> {
    let row = |family: &Family| (family.name.to_string(), first_sentence(family.why));
    FAMILIES.iter().map(row).collect()
}

fn first_sentence(text: &str) -> String {
    text.split_inclusive(". ").next().unwrap_or(text).trim().to_string()
}

/// By the family's name, or by a rule or its left side, however it is spaced.
pub(super) fn topic(name: &str) -> Option<Topic> {
    let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let asked = bare(name);
    let is_asked = |row: &&Row| {
        bare(row.rule) == asked || row.rule.split_once("=>").is_some_and(|(left, _)| bare(left) == asked)
    };
    let (family, rows) = FAMILIES.iter().find_map(|family| {
        let rows: Vec<&Row> = match family.name == name {
            true => family.rows.iter().collect(),
            false => family.rows.iter().filter(is_asked).collect(),
        };
        (!rows.is_empty()).then_some((family, rows))
    })?;
    let mathematics: Vec<String> = rows.iter().map(|row| told(row)).collect();
    let examples: Vec<String> = rows.iter().filter_map(|row| example(row)).collect();
    let parts = vec![
        ("Why", family.why.to_string()),
        ("Mathematics", mathematics.join("\n")),
        ("Example", examples.join("\n")),
        ("Source", family.source.to_string()),
    ];
    let title = format!("{}: rewrite rules; `left => right` is used from left to right", family.name);
    Some(Topic { kind: "rewrite", name: family.name.to_string(), title, parts })
}

/// `exp(log(a)) => a, where a >= 0`
fn told(row: &Row) -> String {
    let condition = |when: &When| match when {
        When::NotNegative(name) => format!("{name} is known to be 0 or more"),
        When::Numbers(words, _) => (*words).to_string(),
    };
    let conditions: Vec<String> = row.when.iter().map(condition).collect();
    if conditions.is_empty() {
        return row.rule.to_string();
    }
    format!("{}, where {}", row.rule, conditions.join(" and "))
}

/// Both sides at numbers that the rule allows.
fn example(row: &Row) -> Option<String> {
    let rule = Rule::of(row);
    let logical =
        [" and ", " or ", "not "].iter().any(|word| row.rule.contains(word)) && !row.rule.contains("==");
    let numbers: &[f64] = if logical { &[1.0, 0.0] } else { &[3.0, 2.0, -2.0, 0.5, 0.0] };
    let mut names: Vec<&str> = vec![];
    rule.left.for_each_variable(&mut |name| names.push(name));
    names.sort_unstable();
    names.dedup();
    // Different numbers for different names, as far as there are so many.
    let assigned = (0..numbers.len()).flat_map(|first| (1..numbers.len()).map(move |step| (first, step)));
    let assigned = assigned.map(|(first, step)| {
        let value = |k: usize| numbers[(first + k * step) % numbers.len()];
        names.iter().enumerate().map(|(k, name)| (*name, value(k))).collect::<Vec<_>>()
    });
    let of = |values: &[(&str, f64)], name: &str| {
        values.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, value)| *value)
    };
    let holds = |values: &Vec<(&str, f64)>| {
        row.when.iter().all(|when| match when {
            When::NotNegative(name) => of(values, name) >= 0.0,
            When::Numbers(_, condition) => condition(of(values, "m"), of(values, "n")),
        })
    };
    let values = assigned.into_iter().find(holds)?;
    let (left, right) =
        (rule.left.value(&|name| of(&values, name)), rule.right.value(&|name| of(&values, name)));
    let at: Vec<String> = values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    Some(format!("{}   at {}: {left} and {right}", row.rule, at.join(", ")))
}
