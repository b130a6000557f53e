//! Sizes: static whole numbers, and the binding of a header's dimensions by what is given to it.

use super::context::Elaborator;
use super::reads::plural;
use super::scope::BodyKind;
use super::statics::{Number, Static};
use super::values::{Tried, Value};
use super::walk::ungrouped;
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::{BinaryOp, Decl, Expr, ExprKind, Name, Size, StmtKind};

/// What gives dimensions to a declaration.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The dimensions.
    pub dims: &'a [u32],
    /// Their place: an argument, or a column of data.
    pub span: Span,
    /// `this argument`, `the data`
    pub what: &'a str,
}

impl<'p> Elaborator<'p> {
    /// A static number.
    pub fn static_number(&mut self, expr: &'p Expr, what: &str) -> Tried<Number> {
        match self.expr(expr)? {
            Value::Static(Static::Number(number)) => Ok(number),
            Value::Static(Static::Bool(_)) => {
                self.error(codes::EXPECTED_INTEGER, format!("{what} is a number"), expr.span, "true or false")
            }
            _ => {
                let message = format!("{what} must be known before training");
                self.error(codes::NOT_STATIC, message, expr.span, "known only when the program runs")
            }
        }
    }

    /// A static size.
    pub fn size(&mut self, expr: &'p Expr) -> Tried<u32> {
        let number = self.static_number(expr, "a size")?;
        self.whole_size(number, expr)
    }

    fn whole_size(&mut self, number: Number, expr: &'p Expr) -> Tried<u32> {
        if let Some(size) = number.as_integer().and_then(|n| u32::try_from(n).ok()) {
            return Ok(size);
        }
        let (name, definition) = (self.written(expr.span), self.definition_of(expr).span);
        let text =
            if definition == expr.span { name } else { format!("{name} = {}", self.written(definition)) };
        let message = if number.as_integer().is_some_and(|n| n > 0) {
            format!("the size `{text}` is {number}, which is too large")
        } else {
            format!("the size `{text}` is {number}, not a whole number of at least 0")
        };
        let mut diagnostic =
            Diagnostic::error(codes::SIZE_NOT_WHOLE, message).at(expr.span, format!("this is {number}"));
        if let ExprKind::Binary { op: BinaryOp::Div, left, right } = &self.definition_of(expr).kind
            && let (Ok(a), Ok(b)) = (self.static_number(left, "a size"), self.static_number(right, "a size"))
        {
            let (left, right) = (self.written(left.span), self.written(right.span));
            let must =
                format!("`{right}` = {b} must divide `{left}` = {a}; `{left} div {right}` rounds down");
            diagnostic = diagnostic.help(must);
        }
        self.report(diagnostic)
    }

    /// The expression itself, or for a plain name that an equation of the body defines, that equation's right side.
    fn definition_of(&self, expr: &'p Expr) -> &'p Expr {
        let expr = ungrouped(expr);
        let ExprKind::Name { name, .. } = &expr.kind else { return expr };
        let definer = self.here().definers.get(&name.text).map(|&at| self.here().pending[at].statement);
        match definer.map(|statement| &statement.kind) {
            Some(StmtKind::Define { value, .. }) => ungrouped(value),
            _ => expr,
        }
    }

    /// The dimensions that a declaration asks for, all of whose names are known; a pack stands for its extents.
    pub fn declared_dims(&mut self, decl: &'p Decl) -> Tried<Vec<u32>> {
        let mut dims = vec![];
        for size in &decl.sizes {
            match size {
                Size::Expr(expr) => dims.push(self.declared_size(expr)?),
                Size::Pack(name) => match self.here().packs.get(&name.text) {
                    Some(extents) => dims.extend(extents.clone()),
                    None => {
                        let message = format!("there is no pack of axes `..{}`", name.text);
                        return self.error(codes::UNKNOWN_NAME, message, name.span, "not known");
                    }
                },
            }
        }
        Ok(dims)
    }

    /// A size that may not bind: an unknown name in it is a size that nothing determines.
    fn declared_size(&mut self, expr: &'p Expr) -> Tried<u32> {
        if let Some(name) = self.unknown_in(expr)? {
            let diagnostic = Diagnostic::error(
                codes::SIZE_UNKNOWN,
                format!("nothing determines the size `{}`", name.text),
            )
            .at(name.span, "not known here")
            .help("make it a setting, or a size of an input");
            return self.report(diagnostic);
        }
        self.size(expr)
    }

    /// Binds the sizes of a declaration to given dimensions: a new name takes its value, everything else is
    /// compared.
    pub fn bind_sizes(&mut self, decl: &'p Decl, given: Given<'_>) -> Tried<()> {
        let packs = decl.sizes.iter().filter(|size| matches!(size, Size::Pack(_))).count();
        let fixed = decl.sizes.len() - packs;
        if packs > 1 {
            return self.error(
                codes::RANK_MISMATCH,
                "one pack of axes a declaration",
                decl.span,
                "has several",
            );
        }
        if given.dims.len() < fixed || (packs == 0 && given.dims.len() > fixed) {
            return self.wrong_rank(decl, given);
        }
        let mut axis = 0;
        for size in &decl.sizes {
            match size {
                Size::Pack(name) => {
                    let count = given.dims.len() - fixed;
                    self.bind_pack_extents(decl, name, &given.dims[axis..axis + count], given)?;
                    axis += count;
                }
                Size::Expr(expr) => {
                    self.bind_size(decl, expr, given.dims[axis], given)?;
                    axis += 1;
                }
            }
        }
        Ok(())
    }

    fn wrong_rank<T>(&mut self, decl: &'p Decl, given: Given<'_>) -> Tried<T> {
        let (name, text) = (&decl.name.text, self.written(decl.span));
        let found = match given.dims.len() {
            0 => "is a single number".to_string(),
            rank => format!("has {}", plural(rank, "axis", "axes")),
        };
        let message = format!("`{name}` is declared `{text}`, but {} {found}", given.what);
        let diagnostic = Diagnostic::error(codes::RANK_MISMATCH, message)
            .at(given.span, format!("this has the shape {:?}", given.dims))
            .at(decl.span, format!("asks for {}", plural(decl.sizes.len(), "axis", "axes")));
        self.report(match (given.dims, decl.sizes.len()) {
            ([1], 0) => diagnostic.help("a scalar is not `[1]`: read its element by `[0]`"),
            ([], 1) => diagnostic.help("a single number is not an array: `[value]` makes an array of one"),
            (dims, asked) if dims.len() > asked && given.what != "the data" => {
                diagnostic.help("map over the other axes: `y[t] = ... x[t] ...`")
            }
            _ => diagnostic,
        })
    }

    fn bind_pack_extents(
        &mut self,
        decl: &'p Decl,
        name: &'p Name,
        extents: &[u32],
        given: Given<'_>,
    ) -> Tried<()> {
        match self.here().packs.get(&name.text) {
            Some(known) if known == extents => Ok(()),
            Some(known) => {
                let known = known.clone();
                self.wrong_pack(decl, name, &known, extents, given)
            }
            None => {
                self.frame().packs.insert(name.text.clone(), extents.to_vec());
                // `S` alone is how many elements the axes `..S` have.
                let size = extents.iter().map(|&extent| i64::from(extent)).product();
                let value = Value::Static(Static::Number(Number::whole(size)));
                self.define_from(name, Ok(value), Some(given.span));
                Ok(())
            }
        }
    }

    fn wrong_pack<T>(
        &mut self,
        decl: &'p Decl,
        name: &'p Name,
        asked: &[u32],
        found: &[u32],
        given: Given<'_>,
    ) -> Tried<T> {
        let pack = &name.text;
        let owner = self.here().callee.map_or(String::new(), |callee| format!("`{callee}`'s "));
        let declared = self.written(decl.span);
        let message =
            format!("{owner}`{declared}` asks for ..{pack} = {asked:?}, but {} has {found:?}", given.what);
        let mut diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
            .at(given.span, format!("this has the shape {:?}", given.dims))
            .at(name.span, format!("..{pack} = {asked:?} is asked for here"));
        if let Some(from) = self.here().names.get(pack).and_then(|entry| entry.from)
            && from != given.span
        {
            diagnostic = diagnostic.at(from, format!("..{pack} = {asked:?} comes from here"));
        }
        self.report(match (asked, found) {
            ([], [1]) | ([1], []) => {
                diagnostic.help("an array of one is not a single number: read its element by `[0]`")
            }
            _ => diagnostic,
        })
    }

    fn bind_size(&mut self, decl: &'p Decl, expr: &'p Expr, extent: u32, given: Given<'_>) -> Tried<()> {
        let Some(unknown) = self.unknown_in(expr)? else {
            let asked = self.size(expr)?;
            return if asked == extent { Ok(()) } else { self.wrong_size(decl, expr, asked, extent, given) };
        };
        let Some((factor, constant)) = self.linear(expr, &unknown.text)? else {
            let message =
                format!("the size `{}` cannot be solved for `{}`", self.written(expr.span), unknown.text);
            return self.error(
                codes::SIZE_UNKNOWN,
                message,
                expr.span,
                "one unknown, times and plus constants, can be",
            );
        };
        let solution = Number::whole(i64::from(extent)).minus(constant).over(factor);
        match solution.as_integer() {
            Some(whole) if whole >= 0 => {
                let value = Value::Static(Static::Number(Number::whole(whole)));
                self.define_from(unknown, Ok(value), Some(given.span));
                Ok(())
            }
            _ => {
                let (text, name) = (self.written(expr.span), &unknown.text);
                let message = format!("`{text}` is {extent} here, so `{name}` would be {solution}");
                let diagnostic = Diagnostic::error(codes::SIZE_NOT_WHOLE, message)
                    .at(given.span, format!("{} has {extent} along this axis", given.what))
                    .at(expr.span, format!("`{name}` must be a whole number of at least 0"));
                self.report(diagnostic)
            }
        }
    }

    fn wrong_size<T>(
        &mut self,
        decl: &'p Decl,
        expr: &'p Expr,
        asked: u32,
        extent: u32,
        given: Given<'_>,
    ) -> Tried<T> {
        let text = self.written(expr.span);
        let equals = if text == asked.to_string() { text.clone() } else { format!("{text} = {asked}") };
        let declared = self.written(decl.span);
        let callee = self.here().callee.filter(|_| self.here().kind != BodyKind::Net);
        let owner = callee.map_or(String::new(), |callee| format!("`{callee}`'s "));
        let message = format!("{owner}`{declared}` asks for {equals}, but {} has {extent}", given.what);
        let mut diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
            .at(given.span, format!("this has the shape {:?}", given.dims))
            .at(expr.span, format!("{equals} is asked for here"));
        if let ExprKind::Name { name, .. } = &ungrouped(expr).kind
            && let Some(from) = self.here().names.get(&name.text).and_then(|entry| entry.from)
            && from != given.span
        {
            diagnostic = diagnostic.at(from, format!("{equals} comes from here"));
        }
        self.report(diagnostic)
    }

    /// The one name in a size that has no value yet.
    fn unknown_in(&mut self, expr: &'p Expr) -> Tried<Option<&'p Name>> {
        let mut names = vec![];
        collect_names(expr, &mut names);
        for name in names {
            let is_known = self.here().names.contains_key(&name.text)
                || self.here().definers.contains_key(&name.text)
                || self.builtin(&name.text).is_some();
            if !is_known {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// A size as `factor * unknown + constant`.
    fn linear(&mut self, expr: &'p Expr, unknown: &str) -> Tried<Option<(Number, Number)>> {
        let zero = Number::whole(0);
        match &expr.kind {
            ExprKind::Group(inner) => self.linear(inner, unknown),
            ExprKind::Name { name, .. } if name.text == unknown => Ok(Some((Number::whole(1), zero))),
            ExprKind::Binary { op, left, right } if super::walk::mentions(expr, &[unknown]) => {
                let (Some(a), Some(b)) = (self.linear(left, unknown)?, self.linear(right, unknown)?) else {
                    return Ok(None);
                };
                Ok(match op {
                    BinaryOp::Add => Some((a.0.plus(b.0), a.1.plus(b.1))),
                    BinaryOp::Sub => Some((a.0.minus(b.0), a.1.minus(b.1))),
                    BinaryOp::Mul if a.0.value == 0.0 => Some((b.0.times(a.1), b.1.times(a.1))),
                    BinaryOp::Mul if b.0.value == 0.0 => Some((a.0.times(b.1), a.1.times(b.1))),
                    BinaryOp::Div if b.0.value == 0.0 && b.1.value != 0.0 => {
                        Some((a.0.over(b.1), a.1.over(b.1)))
                    }
                    _ => None,
                })
            }
            _ if super::walk::mentions(expr, &[unknown]) => Ok(None),
            _ => Ok(Some((zero, self.static_number(expr, "a size")?))),
        }
    }
}

/// The plain names in an expression, callees left out.
fn collect_names<'p>(expr: &'p Expr, names: &mut Vec<&'p Name>) {
    match &expr.kind {
        ExprKind::Name { name, .. } => names.push(name),
        ExprKind::Call { args, .. } => args.iter().for_each(|arg| collect_names(&arg.value, names)),
        _ => super::walk::for_each_child(expr, &mut |child| collect_names(child, names)),
    }
}
