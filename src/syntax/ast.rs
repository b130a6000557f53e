//! The syntax tree of a `.nn` file: what was written, nothing about what it means.

use crate::diagnostic::Span;

/// A word with its place. Compares by text alone.
#[derive(Clone, Debug)]
pub struct Name {
    /// The word.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// In the order of the text.
    pub items: Vec<Item>,
    /// Every comment, in the order of the text; `nnc fmt` keeps them.
    pub comments: Vec<Comment>,
}

/// `# text`, to the end of its line.
#[derive(Clone, Debug)]
pub struct Comment {
    /// From `#` to the end of the line.
    pub span: Span,
    /// With its `#`, without trailing blanks.
    pub text: String,
    /// Whether nothing but blanks stands before it on its line.
    pub own_line: bool,
}

/// A top-level item.
#[derive(Clone, Debug)]
pub struct Item {
    /// The whole item.
    pub span: Span,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum ItemKind {
    /// `use "file.nn"`
    Use { path: String },
    /// `schedule cosine(base, warmup = 0) = expr`, or with a block
    Schedule { name: Name, settings: Vec<Setting>, body: Body },
    /// `data digits { ... }`
    Data { name: Name, statements: Vec<DataStmt> },
    /// `data truth_table = table { ... }`
    Table { name: Name, table: Table },
    /// `net mlp(width = 128) { ... }`
    Net { name: Name, settings: Vec<Setting>, body: Vec<Stmt> },
    /// `fn`, `layer` or `optimizer`
    Definition(Definition),
    /// `train mlp on digits { ... }`
    Train { net: Name, data: Name, settings: Vec<TrainSetting> },
    /// `sweep mlp { ... }`
    Sweep { net: Name, statements: Vec<SweepStmt> },
}

/// `fn softmax(z[K]) -> p[K] { ... }` and its kin.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Which of the three.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: Name,
    /// First parentheses of two; empty where only inputs are given.
    pub settings: Vec<Setting>,
    /// The last parentheses.
    pub inputs: Vec<Decl>,
    /// Declared after `->`; empty where the body alone defines the one output (`fn f(x) = ...`) and for an
    /// optimizer, whose outputs are the primed names.
    pub outputs: Vec<Decl>,
    /// What it computes.
    pub body: Body,
}

/// The keyword of a definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefinitionKind {
    /// Owns no parameters.
    Fn,
    /// May own parameters and states.
    Layer,
    /// Maps a weight and its gradient to the next weight.
    Optimizer,
}

/// `= expr` or a block.
#[derive(Clone, Debug)]
pub enum Body {
    /// `= expr`
    Expr(Expr),
    /// `{ ... }`
    Block(Vec<Stmt>),
}

/// `bias = true` in a header.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name.
    pub name: Name,
    /// Its value where the user gives none.
    pub default: Option<Expr>,
}

/// `x[C, H, W]: class(10)`: brackets are sizes.
#[derive(Clone, Debug)]
pub struct Decl {
    /// The whole declaration.
    pub span: Span,
    /// What is declared.
    pub name: Name,
    /// One a dimension; empty for a scalar.
    pub sizes: Vec<Size>,
    /// After the colon, e.g. `class(10)`.
    pub ty: Option<Expr>,
}

/// One dimension in a declaration.
#[derive(Clone, Debug)]
pub enum Size {
    /// A number, a name to bind or use, or an expression of them.
    Expr(Expr),
    /// `..S`: any number of dimensions.
    Pack(Name),
}

/// A statement of a block, with its place.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// The whole statement.
    pub span: Span,
    /// What it is.
    pub kind: StmtKind,
}

/// What a statement is.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum StmtKind {
    /// `param`, `state`, `input` or `target`, each with one or more declarations.
    Declare { role: DeclRole, decls: Vec<Declared> },
    /// `output p = softmax(logits)`; without `=` it names an existing value.
    Output { name: Name, value: Option<Expr> },
    /// `metric accuracy = ...`
    Metric { name: Name, value: Option<Expr> },
    /// `if training { ... } else { ... }`
    If { condition: Expr, then: Vec<Stmt>, otherwise: Option<Vec<Stmt>> },
    /// `y[m] = ...`, `keep[..S] ~ ...`, `v' = ...`, `h[t], c[t] = ...`
    Define { targets: Vec<Target>, how: How, value: Expr },
}

/// The keyword of a declaration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeclRole {
    /// Learned.
    Param,
    /// Kept from step to step, not learned.
    State,
    /// A column of the data that the net reads.
    Input,
    /// A column of the data that the loss compares with.
    Target,
}

/// One declaration with its initial value.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Name, sizes and type.
    pub decl: Decl,
    /// `= 0` or `~ glorot(N, M)`.
    pub init: Option<(How, Expr)>,
}

/// `=` computes, `~` draws.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// `=`
    Equals,
    /// `~`
    Draws,
}

/// The left side of an equation.
#[derive(Clone, Debug)]
pub struct Target {
    /// The whole left side.
    pub span: Span,
    /// What is defined.
    pub name: Name,
    /// `v'`: the next value of a state.
    pub primed: bool,
    /// Free indices; empty where none are written.
    pub indices: Vec<Index>,
}

/// An index on a left side or after a reducer.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum Index {
    /// `k`, or `u: K` with an explicit range
    Name { name: Name, range: Option<Expr> },
    /// `(c, i, j: N)`: grouped in row-major order
    Group { parts: Vec<GroupPart>, span: Span },
    /// `(..S)`: all axes of a pack, grouped in row-major order
    PackGroup { pack: Name, span: Span },
    /// `..S`
    Pack(Name),
}

impl Index {
    /// The ranges that are written.
    pub fn ranges(&self) -> impl Iterator<Item = &Expr> {
        let (single, parts) = match self {
            Index::Name { range, .. } => (range.as_ref(), &[][..]),
            Index::Group { parts, .. } => (None, parts.as_slice()),
            Index::Pack(_) | Index::PackGroup { .. } => (None, &[][..]),
        };
        single.into_iter().chain(parts.iter().filter_map(|part| part.range.as_ref()))
    }

    /// The same, to be changed.
    pub fn ranges_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let (single, parts) = match self {
            Index::Name { range, .. } => (range.as_mut(), &mut [][..]),
            Index::Group { parts, .. } => (None, parts.as_mut_slice()),
            Index::Pack(_) | Index::PackGroup { .. } => (None, &mut [][..]),
        };
        single.into_iter().chain(parts.iter_mut().filter_map(|part| part.range.as_mut()))
    }
}

/// One index of a group: `i`, or `i: N`.
#[derive(Clone, Debug)]
pub struct GroupPart {
    /// Its name.
    pub name: Name,
    /// Its range, where one is written.
    pub range: Option<Expr>,
}

/// A statement of a data block.
#[derive(Clone, Debug)]
pub struct DataStmt {
    /// The whole statement.
    pub span: Span,
    /// What it is.
    pub kind: DataStmtKind,
}

/// What a data statement is.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum DataStmtKind {
    /// `x[64] = scans[...] / 16`, `test = 20%`, `p[2] ~ uniform(0, 1)`
    Define { decl: Decl, how: How, value: Expr },
    /// `test { image = ... }`
    Split { name: Name, statements: Vec<DataStmt> },
}

/// A table in place.
#[derive(Clone, Debug)]
pub struct Table {
    /// `x[2]   y[1]`
    pub columns: Vec<Decl>,
    /// One entry a row.
    pub rows: Vec<TableRow>,
}

/// One row of a table.
#[derive(Clone, Debug)]
pub struct TableRow {
    /// The whole row.
    pub span: Span,
    /// In the order of the columns, a vector taking several.
    pub cells: Vec<Cell>,
}

/// One cell of a table: a number (with sign), a word or a string.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Where it stands.
    pub span: Span,
    /// As written, without quotes.
    pub text: String,
}

/// `batch = 32` in a train block.
#[derive(Clone, Debug)]
pub struct TrainSetting {
    /// The key.
    pub name: Name,
    /// Its value.
    pub value: Expr,
}

/// A statement of a sweep, with its place.
#[derive(Clone, Debug)]
pub struct SweepStmt {
    /// The whole statement.
    pub span: Span,
    /// What it is.
    pub kind: SweepStmtKind,
}

/// What a statement of a sweep is.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum SweepStmtKind {
    /// `seeds = 3`
    Key(TrainSetting),
    /// `over width = [16, 32]`, `over optimizer.lr ~ log_uniform(1e-4, 1e-1)`: the path of a setting has at least one word
    Over { path: Vec<Name>, how: How, value: Expr },
}

/// An expression with its place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// The whole expression.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// What an expression is.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum ExprKind {
    /// `1e-3`; `text` as written, so that the printer keeps it.
    Number { value: f64, text: String },
    /// `20%`: `value` is 0.2.
    Percent { value: f64, text: String },
    /// `"data/iris.csv"`, without quotes.
    String(String),
    /// `x`, or `v'` for the next value of a state
    Name { name: Name, primed: bool },
    /// `head: dense(10)` as a value or as a stage of a pipe
    Labelled { label: Name, value: Box<Expr> },
    /// `[p[0], 0]`
    Array(Vec<Expr>),
    /// `(e)`: kept so that the printer keeps it
    Group(Box<Expr>),
    /// `(c, i, j)` inside brackets: one index made of several, row-major
    Tuple(Vec<Expr>),
    /// `dense(10, bias = false)`
    Call { callee: Box<Expr>, args: Vec<Arg> },
    /// `W[m, n]`, `scans[pixel_0 .. pixel_63]`
    Index { base: Box<Expr>, indices: Vec<IndexArg> },
    /// `out.W`; repeat copies have numbers as names (`blocks.0.u`)
    Field { base: Box<Expr>, name: Name },
    /// `-x`, `not a`
    Unary { op: UnaryOp, value: Box<Expr> },
    /// `a + b`
    Binary { op: BinaryOp, left: Box<Expr>, right: Box<Expr> },
    /// `sum[i, j] e`
    Reduce { reducer: Reducer, indices: Vec<Index>, body: Box<Expr> },
    /// `if c then a else b`
    If { condition: Box<Expr>, then: Box<Expr>, otherwise: Box<Expr> },
    /// `x[i - 1] else 0`
    Default { read: Box<Expr>, default: Box<Expr> },
    /// `x |> dense(8) |> tanh`: the first is the input
    Pipe(Vec<Expr>),
    /// `repeat(L) block(H)`, a stage of a pipe
    Repeat { count: Box<Expr>, stage: Box<Expr> },
    /// What stands for an expression that could not be read; a diagnostic was reported.
    Error,
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub struct Arg {
    /// `bias` in `bias = false`.
    pub name: Option<Name>,
    /// Its value.
    pub value: Expr,
}

/// What stands between the brackets of a read.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum IndexArg {
    /// One index.
    Expr(Expr),
    /// `p_0 .. p_63`: columns from the first to the last
    Range { first: Expr, last: Expr },
    /// `..S`
    Pack(Name),
}

/// Operators with one operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `not`
    Not,
}

/// Operators with two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `div`
    IntDiv,
    /// `mod`
    Mod,
    /// `^`
    Pow,
}

/// The reserved names of reductions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reducer {
    /// `sum`
    Sum,
    /// `mean`
    Mean,
    /// `max`
    Max,
    /// `min`
    Min,
    /// `prod`
    Prod,
    /// `argmax`
    Argmax,
    /// `argmin`
    Argmin,
    /// `any`
    Any,
    /// `all`
    All,
}
