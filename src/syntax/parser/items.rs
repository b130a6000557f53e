//! Items: what a file holds, and their headers.

use super::expressions::unquoted;
use super::{Brackets, ITEM_WORDS, Parsed, Parser, Reported};
use crate::syntax::ast::{
    Body, Cell, DataStmt, DataStmtKind, Decl, Definition, DefinitionKind, Item, ItemKind, Setting, SweepStmt,
    SweepStmtKind, Table, TableRow, TrainSetting,
};
use crate::syntax::lexer::{TokenKind, is_cell_part};

const SETTINGS: Brackets = Brackets::round("`(` and the settings", "a setting");
const INPUTS: Brackets = Brackets::round("`(` and the inputs", "an input");

impl Parser<'_> {
    /// `file = { item NL }`
    pub(super) fn file(&mut self) -> Vec<Item> {
        let mut items = vec![];
        loop {
            self.take_newline();
            match self.kind() {
                TokenKind::End => return items,
                TokenKind::CloseBrace => {
                    self.stray_brace();
                    self.bump();
                }
                _ => items.extend(self.recovering(&mut Self::item)),
            }
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        let start = self.token().span;
        if !self.at(TokenKind::Name) {
            let what =
                "an item (`use`, `data`, `net`, `fn`, `layer`, `optimizer`, `schedule`, `train` or `sweep`)";
            return Err(match self.kind() {
                kind if kind.is_binary_operator() => self.operator_starts_line(),
                _ => self.unexpected(what),
            });
        }
        let kind = match self.word() {
            "use" => self.use_file()?,
            "schedule" => self.schedule()?,
            "data" => self.data()?,
            "net" => self.net()?,
            "fn" => self.definition(DefinitionKind::Fn)?,
            "layer" => self.definition(DefinitionKind::Layer)?,
            "optimizer" => self.definition(DefinitionKind::Optimizer)?,
            "train" => self.train()?,
            "sweep" => self.sweep()?,
            _ => return Err(self.unknown_keyword("item", ITEM_WORDS)),
        };
        Ok(Item { span: self.since(start), kind })
    }

    /// `"use" TEXT`
    fn use_file(&mut self) -> Parsed<ItemKind> {
        self.bump();
        let path = self.expect(TokenKind::Text, "the path of a file in quotes")?;
        Ok(ItemKind::Use { path: unquoted(self.slice(path.span)) })
    }

    /// `"schedule" NAME [ settings ] body`
    fn schedule(&mut self) -> Parsed<ItemKind> {
        self.bump();
        let name = self.expect_name("the name of the schedule")?;
        let settings = self.optional_settings()?;
        Ok(ItemKind::Schedule { name, settings, body: self.body("the schedule")? })
    }

    /// `"net" NAME [ settings ] block(stmt)`
    fn net(&mut self) -> Parsed<ItemKind> {
        self.bump();
        let name = self.expect_name("the name of the net")?;
        let settings = self.optional_settings()?;
        let body = self.statements(&format!("net `{}`", name.text))?;
        Ok(ItemKind::Net { name, settings, body })
    }

    /// `("fn"|"layer"|"optimizer") NAME [ settings ] inputs [ "->" decl { "," decl } ] body`
    fn definition(&mut self, kind: DefinitionKind) -> Parsed<ItemKind> {
        let word = self.word();
        self.bump();
        let name = self.expect_name(&format!("the name of the {word}"))?;
        let settings = if self.two_lists_follow() { self.optional_settings()? } else { vec![] };
        let inputs = self.list(INPUTS, Self::decl)?.0;
        let mut outputs = vec![];
        if self.eat(TokenKind::Arrow) {
            outputs.push(self.decl()?);
            while self.eat(TokenKind::Comma) {
                outputs.push(self.decl()?);
            }
        }
        let body = self.body(&format!("{word} `{}`", name.text))?;
        Ok(ItemKind::Definition(Definition { kind, name, settings, inputs, outputs, body }))
    }

    /// Whether the list in parentheses here is followed by another: then the first holds settings.
    fn two_lists_follow(&self) -> bool {
        let behind = if self.at(TokenKind::OpenParen) { self.past_brackets(self.pos + 1, 1) } else { None };
        behind.is_some_and(|pos| {
            self.tokens[pos].kind == TokenKind::OpenParen && !self.tokens[pos].newline_before
        })
    }

    /// `settings = "(" NAME [ "=" expr ] { "," NAME [ "=" expr ] } ")"`
    fn optional_settings(&mut self) -> Parsed<Vec<Setting>> {
        if !self.at(TokenKind::OpenParen) {
            return Ok(vec![]);
        }
        let (settings, _) = self.list(SETTINGS, |p| {
            let name = p.expect_name("the name of a setting")?;
            let default = if p.eat(TokenKind::Equals) { Some(p.expr()?) } else { None };
            Ok(Setting { name, default })
        })?;
        Ok(settings)
    }

    /// `body = "=" expr | block(stmt)`
    fn body(&mut self, of: &str) -> Parsed<Body> {
        if self.eat(TokenKind::Equals) {
            return Ok(Body::Expr(self.value()));
        }
        if self.token().kind != TokenKind::OpenBrace {
            return Err(self.unexpected(&format!("`=` or the `{{` of {of}")));
        }
        Ok(Body::Block(self.statements(of)?))
    }

    /// `"train" NAME "on" NAME block( NAME "=" expr )`
    fn train(&mut self) -> Parsed<ItemKind> {
        self.bump();
        let net = self.expect_name("the name of a net")?;
        if !(self.at(TokenKind::Name) && self.word() == "on") {
            return Err(self
                .unexpected_with("`on`", Some("a training is written `train net on data { ... }`".into())));
        }
        self.bump();
        let data = self.expect_name("the name of the data")?;
        let settings = self.block("the training", Self::train_setting)?;
        Ok(ItemKind::Train { net, data, settings })
    }

    fn train_setting(&mut self) -> Parsed<TrainSetting> {
        if !self.at(TokenKind::Name) {
            return Err(self.no_statement());
        }
        let name = self.expect_name("the name of a setting")?;
        self.expect(TokenKind::Equals, "`=` and the value of the setting")?;
        Ok(TrainSetting { name, value: self.value() })
    }

    /// `"sweep" NAME block( key | "over" NAME { "." NAME } ("="|"~") expr )`
    fn sweep(&mut self) -> Parsed<ItemKind> {
        self.bump();
        let net = self.expect_name("the name of a net")?;
        let statements = self.block("the sweep", Self::sweep_statement)?;
        Ok(ItemKind::Sweep { net, statements })
    }

    fn sweep_statement(&mut self) -> Parsed<SweepStmt> {
        let start = self.token().span;
        let kind = if self.at_name_then(TokenKind::Name) {
            if self.word() != "over" {
                return Err(self.unknown_keyword("statement of a sweep", &["over"]));
            }
            self.bump();
            self.over()?
        } else {
            SweepStmtKind::Key(self.train_setting()?)
        };
        Ok(SweepStmt { span: self.since(start), kind })
    }

    /// `NAME { "." NAME } ("="|"~") expr`
    fn over(&mut self) -> Parsed<SweepStmtKind> {
        let mut path = vec![self.expect_name("the name of a setting")?];
        while self.eat(TokenKind::Dot) {
            path.push(self.expect_name("the name of a setting")?);
        }
        let how = self.expect_how(None)?;
        Ok(SweepStmtKind::Over { path, how, value: self.value() })
    }

    /// `"data" NAME ( block(dstmt) | "=" "table" table )`
    fn data(&mut self) -> Parsed<ItemKind> {
        self.bump();
        let name = self.expect_name("the name of the data")?;
        if self.eat(TokenKind::Equals) {
            if !(self.at(TokenKind::Name) && self.word() == "table") {
                let help = "data from files stand in a block: `data d { x[4] = csv(\"file.csv\")[...] }`";
                return Err(self.unexpected_with("`table`", Some(help.into())));
            }
            self.bump();
            return Ok(ItemKind::Table { name, table: self.table()? });
        }
        let statements = self.block("the data", Self::data_statement)?;
        Ok(ItemKind::Data { name, statements })
    }

    /// `dstmt = NAME block(dstmt) | decl ("="|"~") expr`
    fn data_statement(&mut self) -> Parsed<DataStmt> {
        if !self.at(TokenKind::Name) {
            return Err(self.no_statement());
        }
        let start = self.token().span;
        let kind = if self.at_name_then(TokenKind::OpenBrace) {
            let name = self.expect_name("the name of a part of the data")?;
            let of = format!("the part `{}`", name.text);
            let statements = self.nested(|p| p.block(&of, Self::data_statement))?;
            DataStmtKind::Split { name, statements }
        } else {
            let decl = self.decl()?;
            let how = self.expect_how(None)?;
            DataStmtKind::Define { decl, how, value: self.value() }
        };
        Ok(DataStmt { span: self.since(start), kind })
    }

    /// `"{" NL decl { decl } NL { cell { cell } NL } "}"`
    fn table(&mut self) -> Parsed<Table> {
        let mut columns: Option<Vec<Decl>> = None;
        self.in_table = true;
        let rows = self.block("the table", |p| {
            if columns.is_some() {
                return p.table_row().map(Some);
            }
            columns = Some(vec![]);
            columns = Some(p.table_header()?);
            Ok(None)
        });
        self.in_table = false;
        let rows = rows?;
        Ok(Table { columns: columns.unwrap_or_default(), rows: rows.into_iter().flatten().collect() })
    }

    fn table_header(&mut self) -> Parsed<Vec<Decl>> {
        let mut columns = vec![self.decl()?];
        while self.at(TokenKind::Name) {
            columns.push(self.decl()?);
        }
        Ok(columns)
    }

    fn table_row(&mut self) -> Parsed<TableRow> {
        let start = self.token().span;
        let mut cells = vec![];
        while !matches!(self.kind(), TokenKind::Newline | TokenKind::End | TokenKind::CloseBrace) {
            cells.push(self.cell()?);
        }
        Ok(TableRow { span: self.since(start), cells })
    }

    /// `CELL`, a text or a word, where a word is what stands between blanks: `-0.5`, `Iris-setosa`, `2024-05-01`
    fn cell(&mut self) -> Parsed<Cell> {
        let is_text = self.at(TokenKind::Text);
        if !is_text && !is_cell_part(self.kind()) {
            return Err(self.no_cell());
        }
        let mut span = self.bump().span;
        while self.token().span.start == span.end
            && !matches!(self.kind(), TokenKind::CloseBrace | TokenKind::End)
        {
            if is_text || !is_cell_part(self.kind()) {
                return Err(self.no_cell());
            }
            span.end = self.bump().span.end;
        }
        let text = self.slice(span);
        Ok(Cell { span, text: if is_text { unquoted(text) } else { text.to_string() } })
    }

    fn no_cell(&mut self) -> Reported {
        let help = "cells are numbers, words or quoted texts, with blanks between them".to_string();
        self.unexpected_with("a cell of the table", Some(help))
    }
}
