//! `grammar/nn.ebnf` and the parser say the same.

use super::nonsense::mutilate;
use super::print::random_file;
use super::recognizer::Grammar;
use super::{Random, cases, describe, parse_text};
use nnc::diagnostic::Diagnostic;
use nnc::syntax::print;

fn grammar() -> Grammar {
    Grammar::read(include_str!("../../grammar/nn.ebnf"))
}

/// A program that a line of the production stands in, at the `@`.
fn context(production: &str) -> &'static str {
    match production {
        "file" | "item" | "use" | "data" | "table" | "net" | "definition" | "schedule" | "train"
        | "sweep" => "@",
        "parts" => "data d @",
        "part" => "data d {\n@\n}",
        "row" => "data d = table {\na b c d\n@\n}",
        "key" => "train n on d {\n@\n}",
        "over" => "sweep n {\n@\n}",
        "settings" => "net n@ {\n}",
        "setting" => "net n(@) {\n}",
        "inputs" => "fn f@ = 1",
        "body" => "fn f(x) @",
        "decl" => "fn f(@) = 1",
        "size" => "fn f(x[@]) = 1",
        "type" => "fn f(x: @) = 1",
        "block" => "net n @",
        "statement" | "declaration" | "output" | "branch" | "equation" => "net n {\n@\n}",
        "declared" => "net n {\nparam @\n}",
        "target" => "net n {\n@ = 1\n}",
        "index" => "net n {\ny[@] = 1\n}",
        "expr" | "pipe" | "literal" | "group" | "array" => "fn f(x) = @",
        "or" | "and" | "not" | "comparison" => "fn f(x) = if @ then 1 else 2",
        "sum" => "fn f(x[@]) = 1",
        "product" => "fn f(x) = 1 + @",
        "unary" | "power" => "fn f(x) = -@",
        "instance" | "repeat" | "postfix" => "fn f(x) = x |> @",
        "labelled" => "fn f(x) = x |> a: @",
        "reading" => "fn f(x) = @ else 0",
        "base" | "named" => "fn f(x) = @[0]",
        "suffix" | "arguments" | "reads" => "fn f(x) = x@",
        "argument" => "fn f(x) = x(@)",
        "read" | "tuple" => "fn f(x) = x[@]",
        _ => panic!("the production `{production}` has no context here"),
    }
}

#[test]
fn every_production_has_cases_and_every_name_is_defined() {
    let grammar = grammar();
    assert_eq!(grammar.undefined(), Vec::<String>::new());
    for entry in &grammar.entries {
        assert!(!entry.accepted.is_empty(), "`{}` has no line that it reads", entry.name);
        assert!(!entry.refused.is_empty(), "`{}` has no line that it refuses", entry.name);
    }
}

#[test]
fn each_production_reads_its_lines_and_so_does_the_parser() {
    let grammar = grammar();
    for entry in grammar.entries.iter().filter(|entry| !entry.is_token()) {
        for line in &entry.accepted {
            let program = context(&entry.name).replace('@', line);
            let (_, diagnostics) = parse_text(&program);
            assert!(grammar.accepts(&entry.name, line), "`{}` reads\n{line}", entry.name);
            assert!(grammar.accepts("file", &program), "`{}`: the grammar reads\n{program}", entry.name);
            assert!(
                diagnostics.is_empty(),
                "`{}`:\n{program}\n{}",
                entry.name,
                describe(&program, &diagnostics)
            );
        }
    }
}

#[test]
fn each_production_refuses_its_lines_and_so_does_the_parser() {
    let grammar = grammar();
    for entry in grammar.entries.iter().filter(|entry| !entry.is_token()) {
        for line in &entry.refused {
            let program = context(&entry.name).replace('@', line);
            assert!(!grammar.accepts(&entry.name, line), "`{}` refuses\n{line}", entry.name);
            assert!(!grammar.accepts("file", &program), "`{}`: the grammar refuses\n{program}", entry.name);
            assert!(!parse_text(&program).1.is_empty(), "`{}`: the parser refuses\n{program}", entry.name);
        }
    }
}

#[test]
fn each_token_reads_its_lines() {
    let mut grammar = grammar();
    let production = |name: &str| format!("probe = {name}\n  # x\n  # not: y\n");
    let tokens: Vec<_> =
        grammar.entries.iter().filter(|entry| entry.is_token()).map(|entry| entry.name.clone()).collect();
    for name in tokens {
        let probe = Grammar::read(&production(&name)).entries.remove(0);
        let entry = grammar.entries.iter().position(|entry| entry.name == name).expect("the token");
        let (accepted, refused) =
            (grammar.entries[entry].accepted.clone(), grammar.entries[entry].refused.clone());
        grammar.entries.push(probe);
        let start = if name == "CELL" { "row" } else { "probe" };
        for line in accepted {
            assert!(grammar.accepts(start, &line), "{name}: {line}");
        }
        for line in refused {
            assert!(!grammar.accepts(start, &line), "{name} refuses: {line}");
        }
        grammar.entries.pop();
    }
}

/// What the parser refuses beyond the grammar: the three rules that the grammar's text states, and numbers too large.
fn is_beyond_grammar(diagnostic: &Diagnostic) -> bool {
    let range_in_read = diagnostic.message == "expected `,` or `]`, found `:`";
    range_in_read || matches!(diagnostic.code.id, "E0108" | "E0109" | "E0110")
}

/// The parser and the grammar agree on a text.
fn agree(grammar: &Grammar, text: &str) -> bool {
    let (_, diagnostics) = parse_text(text);
    let accepted = grammar.accepts("file", text);
    if !diagnostics.iter().any(is_beyond_grammar) {
        assert_eq!(accepted, diagnostics.is_empty(), "{text}\n{}", describe(text, &diagnostics));
    }
    accepted
}

#[test]
fn whole_and_random_programs_are_of_the_grammar() {
    let grammar = grammar();
    for (path, text) in cases("programs") {
        assert!(agree(&grammar, &text), "{path}");
    }
    let mut random = Random(6);
    for round in 0..1000 {
        let text = print(&random_file(&mut random, 5 + round % 40));
        assert!(agree(&grammar, &text), "{text}");
    }
}

#[test]
fn the_parser_refuses_what_the_grammar_refuses() {
    let grammar = grammar();
    let programs: Vec<String> = cases("programs").into_iter().map(|(_, text)| text).collect();
    let mut random = Random(7);
    let mut accepted = 0;
    for _ in 0..1500 {
        // Short pieces: an item of a program, with a mistake.
        let program = random.pick(&programs);
        let items: Vec<&str> = program.split("\n\n").filter(|item| item.ends_with('}')).collect();
        let mut text = random.pick(&items).to_string();
        mutilate(&mut text, &mut random);
        accepted += usize::from(agree(&grammar, &text));
    }
    assert!((100..1400).contains(&accepted), "{accepted} of 1500 were still programs");
}
