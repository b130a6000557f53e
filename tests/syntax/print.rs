//! Trees to text and back.

use super::{FILE, Random, cases, parse_text, tree};
use nnc::syntax::ast::{
    Arg, BinaryOp, Body, Cell, DataStmt, DataStmtKind, Decl, DeclRole, Declared, Definition, DefinitionKind,
    Expr, ExprKind, File, GroupPart, How, Index, IndexArg, Item, ItemKind, Reducer, Setting, Size, Stmt,
    StmtKind, SweepStmt, SweepStmtKind, Table, TableRow, Target, TrainSetting,
};
use nnc::syntax::build::{self, NOWHERE, expr, name, word};
use nnc::syntax::{expr_to_string, format, print, stmt_to_string};
use std::fmt::Debug;

/// A tree as text, without its spans.
pub fn without_spans(tree: &impl Debug) -> String {
    let mut text = format!("{tree:?}");
    while let Some(start) = text.find("span: Span {") {
        let end = start + text[start..].find('}').expect("a span ends") + 1;
        let comma = if text[end..].starts_with(", ") { 2 } else { 0 };
        text.replace_range(start..end + comma, "");
    }
    text
}

/// The same, and without groups, which parentheses leave in a tree that is read.
fn shape(tree: &impl Debug) -> String {
    const GROUP: &str = "Group(Expr { kind: ";
    let mut text = without_spans(tree);
    while let Some(start) = text.find(GROUP) {
        let mut depth = 1;
        let inner = &text[start + "Group(".len()..];
        let length = inner.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let end = start + "Group(".len() + length.expect("a group ends");
        let value =
            text[start + GROUP.len()..end].strip_suffix(" }").expect("an expression ends").to_string();
        text.replace_range(start..=end, &value);
    }
    text
}

#[test]
fn whole_programs_print_as_the_same_tree() {
    for (path, text) in cases("programs") {
        let file = tree(&text);
        let printed = print(&file);
        assert_eq!(without_spans(&file.items), without_spans(&tree(&printed).items), "{path}");
        assert_eq!(printed, print(&tree(&printed)), "{path}");
    }
}

#[test]
fn printed_programs_read_well() {
    for (path, text) in cases("programs") {
        let name = std::path::Path::new(&path).file_stem().expect("a name").to_string_lossy().to_string();
        insta::assert_snapshot!(format!("printed_{name}"), print(&tree(&text)));
    }
}

#[test]
fn random_trees_print_as_themselves() {
    let mut random = Random(5);
    for round in 0..4000 {
        let file = random_file(&mut random, 5 + round % 60);
        let printed = print(&file);
        let (read, diagnostics) = parse_text(&printed);
        assert!(diagnostics.is_empty(), "{printed}\n{diagnostics:?}");
        assert_eq!(shape(&file.items), shape(&read.items), "\n{printed}");
        assert_eq!(printed, print(&read), "printed again");
        assert_eq!(Ok(&printed), format(FILE, &printed).as_ref(), "formatted");
    }
}

#[test]
fn parentheses_are_minimal() {
    for text in [
        "(a + b) * c",
        "a * b + c",
        "a - (b - c)",
        "a - b - c",
        "-x^2",
        "(-x)^2",
        "2^-x",
        "a^b^c",
        "(a^b)^c",
        "sum[i] a[i] * b[i] + c",
        "sum[i] (a[i] + b[i])",
        "(sum[i] a[i]) * b",
        "a * sum[i] b[i]",
        "a * (sum[i] b[i] * c[i])",
        "a * (sum[i] b[i]) * c",
        "-(sum[i] a[i]) * b",
        "not a and not b or c",
        "not (a or b)",
        "(x[i - 1] else 0) + 1",
        "if a then b else if c then d else e",
        "(if a then b else c) * 2",
        "if a then (if b then c else d) else e",
        "x |> dense(2) |> tanh",
        "f(x |> dense(2), rate = 1)[0].W",
        "(a < b) == c",
        "blocks: repeat(3) block(H)",
        "y[(c, i, j), 2 * t + 1]",
        "(first: dense(2))(x)",
    ] {
        let text = format!("fn f(x) = {text}\n");
        let file = tree(&text);
        assert_eq!(text, print(&file));
        let bare = strip_groups(file);
        assert_eq!(text, print(&bare), "from a tree without groups");
    }
}

/// A tree as it would be made by hand, without groups.
fn strip_groups(mut file: File) -> File {
    fn strip(expr: &mut Expr) {
        while let ExprKind::Group(inner) = &mut expr.kind {
            *expr = std::mem::replace(inner, build::number(0.0));
        }
        match &mut expr.kind {
            ExprKind::Unary { value, .. } | ExprKind::Labelled { value, .. } => strip(value),
            ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|e| strip(e)),
            ExprKind::Reduce { body, .. } => strip(body),
            ExprKind::If { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|e| strip(e));
            }
            ExprKind::Default { read, .. } => strip(read),
            ExprKind::Call { callee, args } => {
                strip(callee);
                args.iter_mut().for_each(|arg| strip(&mut arg.value));
            }
            _ => {}
        }
    }
    for item in &mut file.items {
        if let ItemKind::Definition(Definition { body: Body::Expr(value), .. }) = &mut item.kind {
            strip(value);
        }
    }
    file
}

#[test]
fn numbers_print_in_the_fewest_digits() {
    let print = |value: f64| expr_to_string(&build::number(value));
    assert_eq!(print(0.1), "0.1");
    assert_eq!(print(3.0), "3");
    assert_eq!(print(-2.5), "-2.5");
    assert_eq!(print(1e-7), "1e-7");
    assert_eq!(print(1e300), "1e300");
    assert_eq!(print(f64::NEG_INFINITY), "-inf");
    assert_eq!(print(-0.0), "-0");
}

#[test]
fn long_lines_break_where_they_may() {
    let term = |k: usize| {
        let w = build::read(name("some_long_weight"), [name("i"), name(format!("j_{k}"))]);
        let x = build::call(name("sigmoid"), [build::read(name("preactivation"), [name(format!("j_{k}"))])]);
        build::binary(BinaryOp::Mul, w, x)
    };
    let sum = (1..5).fold(term(0), |sum, k| build::binary(BinaryOp::Add, sum, term(k)));
    let choice =
        build::choose(build::binary(BinaryOp::Lt, name("i"), name("n")), sum.clone(), build::number(0.0));
    let inside = build::call(name("tanh"), [sum.clone(), name("rate")]);
    let text: String = [sum, choice, inside]
        .map(|value| stmt_to_string(&build::define("y_bar", vec![build::index("i", None)], value), 2))
        .concat();
    insta::assert_snapshot!(text);
    assert!(text.lines().all(|line| line.len() <= 100));
}

/// One item with about so many expressions.
pub fn random_file(random: &mut Random, budget: usize) -> File {
    File { items: vec![Make { random, budget }.item()], comments: vec![] }
}

/// Makes random trees; each expression takes from the budget.
struct Make<'r> {
    random: &'r mut Random,
    budget: usize,
}

impl Make<'_> {
    fn many<T>(&mut self, at_least: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = at_least + self.random.below(3);
        (0..count).map(|_| one(self)).collect()
    }

    fn maybe<T>(&mut self, one: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.random.chance(2) { Some(one(self)) } else { None }
    }

    fn word(&mut self) -> nnc::syntax::ast::Name {
        word(self.random.pick(&[
            "x",
            "y",
            "W",
            "long_name_of_a_value",
            "n",
            "i",
            "param",
            "net",
            "data_2",
            "μ",
        ]))
    }

    fn boxed(&mut self) -> Box<Expr> {
        Box::new(self.expr())
    }

    fn expr(&mut self) -> Expr {
        if self.budget == 0 {
            return expr(ExprKind::Name { name: self.word(), primed: self.random.chance(9) });
        }
        self.budget -= 1;
        match self.random.below(20) {
            0 => build::number(self.random.below(1000) as f64 / 8.0),
            1 => expr(ExprKind::Percent { value: 0.2, text: "20%".into() }),
            2 => expr(ExprKind::String(self.random.pick(&["a.csv", "odd name", "a \\ \"b\"", "\\"]).into())),
            3 => expr(ExprKind::Labelled { label: self.word(), value: self.boxed() }),
            4 => expr(ExprKind::Array(self.many(0, Self::expr))),
            5 => expr(ExprKind::Field {
                base: Box::new(name("x")),
                name: word(self.random.pick(&["W", "0", "max"])),
            }),
            6 | 7 => {
                let callee = if self.random.chance(3) { self.boxed() } else { Box::new(name("max")) };
                let args = self.many(0, |m| Arg { name: m.maybe(Self::word), value: m.expr() });
                expr(ExprKind::Call { callee, args })
            }
            8 | 9 => self.read(),
            10 => build::negate(self.expr()),
            11 => build::not(self.expr()),
            12 | 13 => {
                let reducer = self.random.pick(&[Reducer::Sum, Reducer::Mean, Reducer::Argmin, Reducer::Any]);
                let indices = self.many(1, Self::index);
                build::reduce(reducer, indices, self.expr())
            }
            14 => build::choose(self.expr(), self.expr(), self.expr()),
            15 => build::default(self.read(), self.expr()),
            16 => expr(ExprKind::Pipe(self.many(2, Self::expr))),
            17 => expr(ExprKind::Repeat { count: self.boxed(), stage: self.boxed() }),
            _ => {
                use BinaryOp::*;
                let op = self
                    .random
                    .pick(&[Or, And, Eq, Ne, Lt, Le, Gt, Ge, Add, Sub, Mul, Div, IntDiv, Mod, Pow, Mul]);
                build::binary(op, self.expr(), self.expr())
            }
        }
    }

    fn read(&mut self) -> Expr {
        let base = self.boxed();
        let indices = self.many(1, |m| match m.random.below(8) {
            0 => IndexArg::Pack(m.word()),
            1 => IndexArg::Range { first: m.expr(), last: m.expr() },
            2 => IndexArg::Expr(expr(ExprKind::Tuple(m.many(2, Self::expr)))),
            _ => IndexArg::Expr(m.expr()),
        });
        expr(ExprKind::Index { base, indices })
    }

    fn index(&mut self) -> Index {
        match self.random.below(5) {
            0 => {
                let part = |m: &mut Self| GroupPart { name: m.word(), range: m.maybe(Self::expr) };
                Index::Group { parts: self.many(1, part), span: NOWHERE }
            }
            1 => Index::Pack(self.word()),
            2 => Index::PackGroup { pack: self.word(), span: NOWHERE },
            _ => Index::Name { name: self.word(), range: self.maybe(Self::expr) },
        }
    }

    fn decl(&mut self) -> Decl {
        let sizes = self.many(0, |m| match m.random.below(4) {
            0 => Size::Pack(m.word()),
            _ => Size::Expr(m.expr()),
        });
        let ty = if self.random.chance(3) { Some(build::call(name("class"), [self.expr()])) } else { None };
        Decl { span: NOWHERE, name: self.word(), sizes, ty }
    }

    fn how(&mut self) -> How {
        self.random.pick(&[How::Equals, How::Draws])
    }

    fn stmt(&mut self) -> Stmt {
        let kind = match self.random.below(8) {
            0 | 1 => StmtKind::Declare {
                role: self.random.pick(&[
                    DeclRole::Param,
                    DeclRole::State,
                    DeclRole::Input,
                    DeclRole::Target,
                ]),
                decls: self.many(1, |m| Declared { decl: m.decl(), init: m.maybe(|m| (m.how(), m.expr())) }),
            },
            2 => StmtKind::Output { name: self.word(), value: self.maybe(Self::expr) },
            3 => StmtKind::Metric { name: self.word(), value: self.maybe(Self::expr) },
            4 => StmtKind::If {
                condition: self.expr(),
                then: if self.budget > 0 { self.many(0, Self::stmt) } else { vec![] },
                otherwise: if self.budget > 0 { Some(self.many(0, Self::stmt)) } else { None },
            },
            _ => StmtKind::Define {
                targets: self.many(1, |m| Target {
                    span: NOWHERE,
                    name: m.word(),
                    primed: m.random.chance(3),
                    indices: m.many(0, Self::index),
                }),
                how: self.how(),
                value: self.expr(),
            },
        };
        self.budget = self.budget.saturating_sub(1);
        Stmt { span: NOWHERE, kind }
    }

    fn data_stmt(&mut self) -> DataStmt {
        self.budget = self.budget.saturating_sub(1);
        let kind = match self.random.below(4) {
            0 if self.budget > 0 => {
                DataStmtKind::Split { name: self.word(), statements: self.many(0, Self::data_stmt) }
            }
            _ => DataStmtKind::Define { decl: self.decl(), how: self.how(), value: self.expr() },
        };
        DataStmt { span: NOWHERE, kind }
    }

    fn settings(&mut self) -> Vec<Setting> {
        self.many(0, |m| Setting { name: m.word(), default: m.maybe(Self::expr) })
    }

    fn body(&mut self) -> Body {
        if self.random.chance(3) { Body::Expr(self.expr()) } else { Body::Block(self.many(0, Self::stmt)) }
    }

    fn table(&mut self) -> Table {
        let columns = self.many(1, |m| Decl {
            sizes: m.maybe(|m| Size::Expr(build::number(m.random.below(4) as f64))).into_iter().collect(),
            ty: m.maybe(|m| build::call(name("class"), [name(m.word().text)])),
            ..m.decl()
        });
        let cell = |m: &mut Self| Cell {
            span: NOWHERE,
            text: m
                .random
                .pick(&["0", "-0.5", "Iris-setosa", "a b", "", "then", "2024-05-01", "3rd", "x,y"])
                .into(),
        };
        let rows = self.many(0, |m| TableRow { span: NOWHERE, cells: m.many(1, cell) });
        Table { columns, rows }
    }

    fn sweep_stmt(&mut self) -> SweepStmt {
        let kind = if self.random.chance(3) {
            SweepStmtKind::Key(TrainSetting { name: self.word(), value: self.expr() })
        } else {
            SweepStmtKind::Over { path: self.many(1, Self::word), how: self.how(), value: self.expr() }
        };
        SweepStmt { span: NOWHERE, kind }
    }

    fn item(&mut self) -> Item {
        let kind = match self.random.below(11) {
            0 => ItemKind::Use { path: "other.nn".into() },
            1 => ItemKind::Schedule { name: self.word(), settings: self.settings(), body: self.body() },
            2 => ItemKind::Data { name: self.word(), statements: self.many(0, Self::data_stmt) },
            3 => ItemKind::Table { name: self.word(), table: self.table() },
            4 | 5 => {
                ItemKind::Net { name: self.word(), settings: self.settings(), body: self.many(0, Self::stmt) }
            }
            6 => {
                let settings = self.many(0, |m| TrainSetting { name: m.word(), value: m.expr() });
                ItemKind::Train { net: self.word(), data: self.word(), settings }
            }
            7 => ItemKind::Sweep { net: self.word(), statements: self.many(0, Self::sweep_stmt) },
            _ => ItemKind::Definition(Definition {
                kind: self.random.pick(&[
                    DefinitionKind::Fn,
                    DefinitionKind::Layer,
                    DefinitionKind::Optimizer,
                ]),
                name: self.word(),
                settings: self.settings(),
                inputs: self.many(0, Self::decl),
                outputs: self.many(0, Self::decl),
                body: self.body(),
            }),
        };
        Item { span: NOWHERE, kind }
    }
}
