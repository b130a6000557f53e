//! How a table in place is set: for the printer and for the formatter.

use super::lexer::{TokenKind, is_cell_part, lex};
use crate::diagnostic::FileId;

/// Blanks between two columns of a table.
const COLUMN_GAP: usize = 3;

/// Whether a cell reads back as one cell without quotes.
pub(super) fn is_bare_cell(text: &str) -> bool {
    let lexed = lex(FileId(0), text);
    let (end, parts) = lexed.tokens.split_last().expect("the end is always there");
    let touch = parts.windows(2).all(|pair| pair[0].span.end == pair[1].span.start);
    let starts = parts.first().is_some_and(|first| first.span.start == 0);
    let whole = starts && parts.last().is_some_and(|last| last.span.end == end.span.end);
    whole && touch && lexed.diagnostics.is_empty() && parts.iter().all(|part| is_cell_part(part.kind))
}

/// How many cells a column takes in each row, by its declaration: `x[2]` takes two, a scalar one.
fn cells_of(column: &str) -> Option<usize> {
    let lexed = lex(FileId(0), column);
    let slice = |span: crate::diagnostic::Span| &column[span.start as usize..span.end as usize];
    let sizes = lexed.tokens.iter().skip_while(|token| token.kind != TokenKind::OpenBracket);
    let mut cells: usize = 1;
    for token in sizes.take_while(|token| token.kind != TokenKind::CloseBracket) {
        match token.kind {
            TokenKind::OpenBracket | TokenKind::Comma => {}
            TokenKind::Number => cells = cells.checked_mul(slice(token.span).parse().ok()?)?,
            _ => return None,
        }
    }
    Some(cells)
}

/// The blanks before each cell, for the header and then for each row. Where every row has the cells that the
/// header declares, the columns stand below their names; else one blank stands between cells.
pub(super) fn column_gaps(header: &[String], rows: &[Vec<String>]) -> Vec<Vec<usize>> {
    let counts: Option<Vec<usize>> = header.iter().map(|column| cells_of(column)).collect();
    let counts = counts.filter(|counts| {
        let total = counts.iter().try_fold(0usize, |total, &count| total.checked_add(count));
        !rows.is_empty() && !counts.contains(&0) && rows.iter().all(|row| Some(row.len()) == total)
    });
    let Some(counts) = counts else {
        let even = |cells: usize, gap: usize| (0..cells).map(|i| if i == 0 { 0 } else { gap }).collect();
        let rows = rows.iter().map(|row| even(row.len(), 1));
        return std::iter::once(even(header.len(), COLUMN_GAP)).chain(rows).collect();
    };
    let (header_starts, cell_starts) = starts(header, rows, &counts);
    let gaps = |cells: &[String], starts: &[usize]| -> Vec<usize> {
        let mut end = 0;
        let mut gap = |(cell, start): (&String, &usize)| {
            let gap = start - end;
            end = start + cell.chars().count();
            gap
        };
        cells.iter().zip(starts).map(&mut gap).collect()
    };
    let rows = rows.iter().map(|row| gaps(row, &cell_starts));
    std::iter::once(gaps(header, &header_starts)).chain(rows).collect()
}

/// The column of text at which each declaration and each cell begins.
fn starts(header: &[String], rows: &[Vec<String>], counts: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let width = |cell: usize| rows.iter().map(|row| row[cell].chars().count()).max().unwrap_or(0);
    let (mut header_starts, mut cell_starts, mut at) = (vec![], vec![], 0);
    for (column, &count) in header.iter().zip(counts) {
        header_starts.push(at);
        let mut cell_at = at;
        for _ in 0..count {
            cell_starts.push(cell_at);
            cell_at += width(cell_starts.len() - 1) + 1;
        }
        at = (cell_at - 1).max(at + column.chars().count()) + COLUMN_GAP;
    }
    (header_starts, cell_starts)
}
