//! Which blanks stay because they align something.
//!
//! Pieces of one class at one column of the source, on consecutive lines of one indentation, are a group. Where
//! one of them has more than one blank before it, the author aligned them, and they keep their column (or move
//! right together where what stands before them became longer). All other pieces stand one blank apart.

use super::{Class, Line, LineKind, Piece};
use crate::syntax::table::column_gaps;

/// Pieces that stand below each other: number of the line and of the piece on it.
struct Group {
    /// Their column in the source.
    source: usize,
    members: Vec<(usize, usize)>,
}

/// Decides the columns of all aligned pieces.
pub(super) fn align(lines: &mut [Line]) {
    let mut groups = groups(lines);
    // From left to right, so that whatever stands before a piece has its place already.
    groups.sort_by_key(|group| group.source);
    groups.retain(|group| is_meant(lines, group));
    for group in &groups {
        let column = column(lines, group);
        for &(line, piece) in &group.members {
            lines[line].pieces[piece].column = Some(column);
        }
    }
}

/// Every piece but the first of its line is in one group, often alone.
fn groups(lines: &[Line]) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![];
    // The groups that reach the last line of code, with their classes.
    let mut above: Vec<(Class, usize)> = vec![];
    let mut indent_above = 0;
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.kind != LineKind::Comment) {
        if line.indent != indent_above {
            above.clear();
        }
        let mut here = vec![];
        for (j, piece) in line.pieces.iter().enumerate().skip(1) {
            let is_cell = matches!(line.kind, LineKind::Table(_)) && piece.class != Class::Comment;
            let Some(source) = piece.source.filter(|_| !is_cell) else { continue };
            let found =
                above.iter().find(|(class, group)| *class == piece.class && groups[*group].source == source);
            let group = found.map_or(groups.len(), |(_, group)| *group);
            if group == groups.len() {
                groups.push(Group { source, members: vec![] });
            }
            groups[group].members.push((i, j));
            here.push((piece.class, group));
        }
        (above, indent_above) = (here, line.indent);
    }
    groups
}

/// Whether the author aligned these pieces; a comment may stand far right alone.
fn is_meant(lines: &[Line], group: &Group) -> bool {
    let piece = |&(line, piece): &(usize, usize)| -> &Piece { &lines[line].pieces[piece] };
    let alone_in_place = group.members.len() > 1 || piece(&group.members[0]).class == Class::Comment;
    alone_in_place && group.members.iter().any(|member| piece(member).set_apart)
}

/// Their column of the source, or where the longest line before them ends.
fn column(lines: &[Line], group: &Group) -> usize {
    let first = |line: usize| lines[line].pieces[0].source.unwrap_or(0);
    let kept = group.members.iter().map(|&(line, _)| group.source.saturating_sub(first(line))).min();
    let natural = group.members.iter().map(|&(line, piece)| lines[line].columns()[piece]).max();
    kept.max(natural).unwrap_or(0)
}

/// Sets the columns of tables below their names.
pub(super) fn set_tables(lines: &mut [Line]) {
    let mut start = 0;
    while start < lines.len() {
        let LineKind::Table(table) = lines[start].kind else {
            start += 1;
            continue;
        };
        let of_table = |line: &Line| line.kind == LineKind::Table(table) || line.kind == LineKind::Comment;
        let length = lines[start..].iter().take_while(|line| of_table(line)).count();
        let rows: Vec<&mut Line> =
            lines[start..start + length].iter_mut().filter(|line| line.kind != LineKind::Comment).collect();
        set_table(rows);
        start += length;
    }
}

fn set_table(mut rows: Vec<&mut Line>) {
    let is_cell = |piece: &&Piece| piece.class != Class::Comment;
    let cells =
        |line: &&mut Line| line.pieces.iter().filter(is_cell).map(|piece| piece.text.clone()).collect();
    let mut texts: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let header = texts.remove(0);
    for (row, gaps) in rows.iter_mut().zip(column_gaps(&header, &texts)) {
        let mut end = 0;
        for (piece, gap) in row.pieces.iter_mut().zip(gaps) {
            piece.column = Some(end + gap);
            end += gap + piece.text.chars().count();
        }
    }
}
