//! Reads `grammar/nn.ebnf` and recognises texts by it alone, so that the hand-written parser has a judge.

use nnc::diagnostic::FileId;
use nnc::syntax::lexer::{Token, TokenKind, is_cell_part, lex};
use std::collections::{BTreeSet, HashMap};

/// The right side of a production.
#[derive(Debug)]
enum Rule {
    /// A word or sign in quotes.
    Word(String),
    /// A token in capitals.
    Token(String),
    /// Another production.
    Production(String),
    Sequence(Vec<Rule>),
    Choice(Vec<Rule>),
    Many(Box<Rule>),
    Maybe(Box<Rule>),
}

/// A production or a token of the grammar, with the lines below it.
pub struct Entry {
    pub name: String,
    /// Nothing for a token, which the lexer knows.
    rule: Option<Rule>,
    pub accepted: Vec<String>,
    pub refused: Vec<String>,
}

impl Entry {
    pub fn is_token(&self) -> bool {
        self.rule.is_none()
    }
}

/// The whole file.
pub struct Grammar {
    pub entries: Vec<Entry>,
}

impl Grammar {
    pub fn read(text: &str) -> Grammar {
        let mut entries: Vec<Entry> = vec![];
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(example) = line.strip_prefix("  # ") {
                let entry = entries.last_mut().expect("an example stands below a production");
                match example.strip_prefix("not: ") {
                    Some(refused) => entry.refused.push(refused.replace("\\n", "\n")),
                    None => entry.accepted.push(example.replace("\\n", "\n")),
                }
                continue;
            }
            let (name, rest) = line.split_once(' ').expect("a name and its production");
            let rule = match rest.trim_start().split_at(2) {
                ("= ", rule) => Some(read_rule(rule)),
                (": ", _) => None,
                _ => panic!("neither production nor token: {line}"),
            };
            entries.push(Entry { name: name.into(), rule, accepted: vec![], refused: vec![] });
        }
        Grammar { entries }
    }

    /// Names that productions use and nothing defines.
    pub fn undefined(&self) -> Vec<String> {
        fn collect(rule: &Rule, into: &mut Vec<String>) {
            match rule {
                Rule::Word(_) => {}
                Rule::Token(name) | Rule::Production(name) => into.push(name.clone()),
                Rule::Sequence(rules) | Rule::Choice(rules) => {
                    rules.iter().for_each(|rule| collect(rule, into))
                }
                Rule::Many(rule) | Rule::Maybe(rule) => collect(rule, into),
            }
        }
        let mut used = vec![];
        self.entries.iter().filter_map(|entry| entry.rule.as_ref()).for_each(|rule| collect(rule, &mut used));
        used.retain(|name| name != "NL" && !self.entries.iter().any(|entry| entry.name == *name));
        used
    }

    /// Whether a production reads the whole text.
    pub fn accepts(&self, production: &str, text: &str) -> bool {
        let Some(tokens) = terminals(text, production == "row") else { return false };
        let mut run = Run { grammar: self, tokens: &tokens, known: HashMap::new() };
        run.production(production, 0).contains(&tokens.len())
    }
}

/// `a | b`, of sequences of terms
fn read_rule(text: &str) -> Rule {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut at = 0;
    let rule = read_choice(&words, &mut at);
    assert_eq!(at, words.len(), "a production is read to its end: {text}");
    rule
}

fn read_choice(words: &[&str], at: &mut usize) -> Rule {
    let mut choices = vec![];
    loop {
        let mut sequence = vec![];
        while *at < words.len() && !matches!(words[*at], "|" | ")" | "]" | "}") {
            sequence.push(read_term(words, at));
        }
        choices.push(Rule::Sequence(sequence));
        if *at == words.len() || words[*at] != "|" {
            return Rule::Choice(choices);
        }
        *at += 1;
    }
}

fn read_term(words: &[&str], at: &mut usize) -> Rule {
    let word = words[*at];
    *at += 1;
    let mut inner = |close: &str| {
        let rule = read_choice(words, at);
        assert_eq!(words.get(*at), Some(&close));
        *at += 1;
        Box::new(rule)
    };
    match word {
        "(" => *inner(")"),
        "[" => Rule::Maybe(inner("]")),
        "{" => Rule::Many(inner("}")),
        _ if word.starts_with('"') => Rule::Word(word.trim_matches('"').into()),
        _ if word.chars().all(char::is_uppercase) => Rule::Token(word.into()),
        _ => Rule::Production(word.into()),
    }
}

/// A token as the grammar sees it.
struct Terminal {
    kind: &'static str,
    text: String,
}

impl Terminal {
    fn is(&self, word: &str) -> bool {
        self.text == word && !matches!(self.kind, "CELL" | "TEXT")
    }
}

/// One text under recognition; all ends of each production at each place are found once.
struct Run<'g> {
    grammar: &'g Grammar,
    tokens: &'g [Terminal],
    known: HashMap<(&'g str, usize), BTreeSet<usize>>,
}

impl<'g> Run<'g> {
    fn production(&mut self, name: &str, at: usize) -> BTreeSet<usize> {
        let entry =
            self.grammar.entries.iter().find(|entry| entry.name == name).expect("a defined production");
        if let Some(ends) = self.known.get(&(entry.name.as_str(), at)) {
            return ends.clone();
        }
        let ends = self.ends(entry.rule.as_ref().expect("a production"), at);
        self.known.insert((&entry.name, at), ends.clone());
        ends
    }

    /// Where a rule that begins at `at` can end.
    fn ends(&mut self, rule: &'g Rule, at: usize) -> BTreeSet<usize> {
        let next = self.tokens.get(at);
        let one = |found: bool| if found { BTreeSet::from([at + 1]) } else { BTreeSet::new() };
        match rule {
            Rule::Word(word) => one(next.is_some_and(|next| next.is(word))),
            Rule::Token(token) => one(next.is_some_and(|next| is_token(next, token))),
            Rule::Production(name) => self.production(name, at),
            Rule::Sequence(rules) => rules.iter().fold(BTreeSet::from([at]), |ends, rule| {
                ends.into_iter().flat_map(|end| self.ends(rule, end)).collect()
            }),
            Rule::Choice(rules) => rules.iter().flat_map(|rule| self.ends(rule, at)).collect(),
            Rule::Maybe(rule) => self.ends(rule, at).into_iter().chain([at]).collect(),
            Rule::Many(rule) => {
                let mut all = BTreeSet::from([at]);
                let mut new = vec![at];
                while let Some(end) = new.pop() {
                    new.extend(self.ends(rule, end).into_iter().filter(|end| all.insert(*end)));
                }
                all
            }
        }
    }
}

fn is_token(terminal: &Terminal, token: &str) -> bool {
    match token {
        "COPY" => terminal.kind == "NUMBER" && terminal.text.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
        _ => terminal.kind == token,
    }
}

/// The terminals of a text, newlines only where they count; `None` where a character is none of the language.
/// `all_cells` for the row of a table.
fn terminals(text: &str, all_cells: bool) -> Option<Vec<Terminal>> {
    let lexed = lex(FileId(0), text);
    if !lexed.diagnostics.is_empty() {
        return None;
    }
    let mut terminals: Vec<Terminal> = vec![];
    let mut open: Vec<TokenKind> = vec![];
    // Where in a table the token stands.
    let mut table = all_cells.then_some(Table::Rows);
    for (i, token) in lexed.tokens.iter().enumerate().take_while(|(_, token)| token.kind != TokenKind::End) {
        let in_brackets = matches!(open.last(), Some(TokenKind::OpenParen | TokenKind::OpenBracket));
        let counts = !in_brackets && (token.breaks || table.is_some());
        let is_line = token.newline_before && i > 0 && (counts || opens_on_next_line(&lexed.tokens, i));
        if is_line {
            terminals.push(Terminal { kind: "NL", text: "\n".into() });
        }
        table = match table {
            Some(Table::Brace) => Some(Table::Header),
            Some(Table::Header) if is_line => Some(Table::Rows),
            table => table,
        };
        let is_cell = table == Some(Table::Rows) && token.kind != TokenKind::CloseBrace;
        if is_cell && token.kind != TokenKind::Text && !is_cell_part(token.kind) {
            return None;
        }
        let slice = &text[token.span.start as usize..token.span.end as usize];
        let before =
            (i > 0).then(|| lexed.tokens[i - 1]).filter(|before| before.span.end == token.span.start);
        let touches = before.is_some();
        if is_cell && before.is_some_and(|before| [before.kind, token.kind].contains(&TokenKind::Text)) {
            return None;
        }
        match terminals.last_mut() {
            Some(cell) if is_cell && touches && cell.kind == "CELL" => cell.text.push_str(slice),
            _ => terminals
                .push(Terminal { kind: if is_cell { "CELL" } else { name(token.kind) }, text: slice.into() }),
        }
        match token.kind {
            TokenKind::OpenBrace => table = begins_table(&terminals).then_some(Table::Brace),
            TokenKind::CloseBrace => table = None,
            _ => {}
        }
        brackets(&mut open, token.kind);
    }
    Some(terminals)
}

fn brackets(open: &mut Vec<TokenKind>, kind: TokenKind) {
    match kind {
        TokenKind::OpenParen | TokenKind::OpenBracket | TokenKind::OpenBrace => open.push(kind),
        TokenKind::CloseParen | TokenKind::CloseBracket | TokenKind::CloseBrace => {
            open.pop();
        }
        _ => {}
    }
}

fn begins_table(terminals: &[Terminal]) -> bool {
    matches!(terminals, [.., a, b, c] if a.is("=") && b.is("table") && c.is("{"))
}

/// The parts of a table in place.
#[derive(Clone, Copy, PartialEq)]
enum Table {
    Brace,
    Header,
    Rows,
}

/// Whether a bracket or dot begins a line inside brackets and would be read as a call, an index or a part of what
/// ends the line above: those stand on one line.
fn opens_on_next_line(tokens: &[Token], at: usize) -> bool {
    let kind = tokens[at].kind;
    let opens = matches!(kind, TokenKind::OpenParen | TokenKind::OpenBracket | TokenKind::Dot);
    opens && ends_operand(tokens, at - 1, kind)
}

fn ends_operand(tokens: &[Token], at: usize, next: TokenKind) -> bool {
    use TokenKind::*;
    match tokens[at].kind {
        Name | Prime => true,
        Reducer => next != OpenBracket,
        CloseParen | CloseBracket => {
            let mut depth = 0;
            let opener = (0..=at).rev().find(|&i| {
                depth += i32::from(matches!(tokens[i].kind, CloseParen | CloseBracket));
                depth -= i32::from(matches!(tokens[i].kind, OpenParen | OpenBracket));
                depth == 0
            });
            let before = opener.and_then(|opener| opener.checked_sub(1)).map(|before| tokens[before].kind);
            match tokens[at].kind {
                CloseBracket => before != Some(Reducer),
                _ => before != Some(Repeat),
            }
        }
        _ => false,
    }
}

fn name(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Name => "NAME",
        TokenKind::Number => "NUMBER",
        TokenKind::Percent => "PERCENT",
        TokenKind::Text => "TEXT",
        TokenKind::Reducer => "REDUCER",
        _ => "sign",
    }
}
