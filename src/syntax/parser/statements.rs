//! Declarations and the statements of blocks.

use super::{Brackets, Parsed, Parser, Reported};
use crate::diagnostic::Span;
use crate::syntax::ast::{
    Decl, DeclRole, Declared, Expr, ExprKind, How, Index, Size, Stmt, StmtKind, Target,
};
use crate::syntax::lexer::TokenKind;

const SIZES: Brackets = Brackets::square("`[`", "a size");
const INDICES: Brackets = Brackets::square("`[`", "the name of an index");

fn role(word: &str) -> Option<DeclRole> {
    Some(match word {
        "param" => DeclRole::Param,
        "state" => DeclRole::State,
        "input" => DeclRole::Input,
        "target" => DeclRole::Target,
        _ => return None,
    })
}

impl Parser<'_> {
    /// `block(stmt)`
    pub(super) fn statements(&mut self, of: &str) -> Parsed<Vec<Stmt>> {
        self.nested(|p| p.block(of, Self::statement))
    }

    /// One statement. Its first word is a keyword only where a name follows it, so `target = 1` is an equation.
    fn statement(&mut self) -> Parsed<Stmt> {
        let start = self.token().span;
        let kind = match self.kind() {
            TokenKind::If => self.if_statement()?,
            TokenKind::Name if self.at_name_then(TokenKind::Name) => self.keyword_statement()?,
            TokenKind::Name => self.equation()?,
            _ => return Err(self.no_statement()),
        };
        Ok(Stmt { span: self.since(start), kind })
    }

    /// What begins no statement.
    pub(super) fn no_statement(&mut self) -> Reported {
        let help = match self.kind() {
            kind if kind.is_binary_operator() => return self.operator_starts_line(),
            TokenKind::Else => return self.misplaced_default(self.token(), None),
            TokenKind::Pipe => Some("a pipeline begins with its input: `y = x |> dense(8)`".to_string()),
            TokenKind::OpenParen | TokenKind::OpenBracket => Some(format!(
                "a newline ended the line above; the `{0}` of a call or an index stands on the line of its name",
                self.word()
            )),
            _ => None,
        };
        self.unexpected_with("a statement", help)
    }

    fn keyword_statement(&mut self) -> Parsed<StmtKind> {
        let word = self.word();
        if let Some(role) = role(word) {
            self.bump();
            return self.declarations(role);
        }
        match word {
            "output" | "metric" => {
                self.bump();
                let name = self.expect_name("a name")?;
                let value = if self.eat(TokenKind::Equals) { Some(self.value()) } else { None };
                Ok(if word == "output" {
                    StmtKind::Output { name, value }
                } else {
                    StmtKind::Metric { name, value }
                })
            }
            _ => Err(self.unknown_keyword(
                "statement",
                &["param", "state", "input", "target", "output", "metric", "if"],
            )),
        }
    }

    /// `decl [ ("="|"~") expr ] { "," decl [ ("="|"~") expr ] }`
    fn declarations(&mut self, role: DeclRole) -> Parsed<StmtKind> {
        let mut decls = vec![];
        loop {
            let decl = self.decl()?;
            let init = self.how().map(|how| (how, self.value()));
            decls.push(Declared { decl, init });
            if !self.eat(TokenKind::Comma) {
                return Ok(StmtKind::Declare { role, decls });
            }
        }
    }

    /// `decl = NAME [ "[" size { "," size } "]" ] [ ":" type ]`
    pub(super) fn decl(&mut self) -> Parsed<Decl> {
        let name = self.expect_name("a name")?;
        let sizes = match self.at_opener(TokenKind::OpenBracket) {
            true => self.list1(SIZES, Self::size_of_axis)?.0,
            false => vec![],
        };
        let ty = if self.eat(TokenKind::Colon) { Some(self.type_expr()?) } else { None };
        Ok(Decl { span: self.since(name.span), name, sizes, ty })
    }

    /// `size = sum | ".." NAME`
    fn size_of_axis(&mut self) -> Parsed<Size> {
        if self.eat(TokenKind::DotDot) {
            return Ok(Size::Pack(self.expect_name("the name of the remaining axes")?));
        }
        if self.at_name_then(TokenKind::Colon) {
            self.bump();
            let help = "brackets in a declaration hold sizes alone: `x[64]`".into();
            return Err(self.unexpected_with("`,` or `]`", Some(help)));
        }
        Ok(Size::Expr(self.size_expr()?))
    }

    /// `"=" | "~"`
    pub(super) fn how(&mut self) -> Option<How> {
        let how = match self.kind() {
            TokenKind::Equals => How::Equals,
            TokenKind::Tilde => How::Draws,
            _ => return None,
        };
        self.bump();
        Some(how)
    }

    pub(super) fn expect_how(&mut self, help: Option<String>) -> Parsed<How> {
        match self.how() {
            Some(how) => Ok(how),
            None => Err(self.unexpected_with("`=` or `~`", help)),
        }
    }

    /// The right side of an equation. What cannot be read stands as [`ExprKind::Error`], so that the name on the
    /// left is known to the rooms below; the statement is skipped all the same.
    pub(super) fn value(&mut self) -> Expr {
        let start = self.behind();
        let depth = self.depth;
        match self.expr() {
            Ok(expr) => expr,
            Err(Reported) => {
                self.depth = depth;
                self.skip_line();
                Expr { span: self.since(start), kind: ExprKind::Error }
            }
        }
    }

    /// `"if" or block [ "else" ( block | if ) ]`
    fn if_statement(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let condition = self.condition()?;
        if self.at(TokenKind::Then) {
            let help =
                "as a statement, `if` holds blocks; a choice between two values is `y = if c then a else b`";
            return Err(self.unexpected_with("`{` and the block of `if`", Some(help.into())));
        }
        let then = self.statements("`if`")?;
        let otherwise = match self.eat(TokenKind::Else) {
            true if self.at(TokenKind::If) => Some(vec![self.nested(Self::statement)?]),
            true => Some(self.statements("`else`")?),
            false => None,
        };
        Ok(StmtKind::If { condition, then, otherwise })
    }

    /// `target { "," target } ("="|"~") expr`
    fn equation(&mut self) -> Parsed<StmtKind> {
        let mut targets = vec![self.target()?];
        while self.eat(TokenKind::Comma) {
            targets.push(self.target()?);
        }
        let help = match self.kind() {
            TokenKind::EqEq => Some("one `=` defines; `==` compares".to_string()),
            TokenKind::OpenParen => Some("what is computed needs a name: `y = ...`".to_string()),
            TokenKind::Colon => Some("a declaration with a type begins with `input` or `target`".to_string()),
            _ => None,
        };
        let how = self.expect_how(help)?;
        Ok(StmtKind::Define { targets, how, value: self.value() })
    }

    /// `target = NAME [ "'" ] [ "[" index { "," index } "]" ]`
    fn target(&mut self) -> Parsed<Target> {
        let name = self.expect_name("a name to define")?;
        let primed = self.eat(TokenKind::Prime);
        let indices: Vec<Index> = match self.at_opener(TokenKind::OpenBracket) {
            true => self.list1(INDICES, Self::index)?.0,
            false => vec![],
        };
        let span: Span = self.since(name.span);
        Ok(Target { span, name, primed, indices })
    }
}
