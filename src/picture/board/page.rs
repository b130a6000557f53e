//! As a page of its own: the drawing, to be gone through gate by gate, forwards and back.

use super::Board;
use super::svg::svg;

const PAGE: &str = include_str!("page.html");

/// The page. What is in it of the program is data, never markup.
pub fn page(board: &Board) -> String {
    let data = board.to_json().to_string().replace("</", "<\\/").replace("<!--", "<\\!--");
    let title = board.title.replace('&', "&amp;").replace('<', "&lt;");
    PAGE.replace("{{title}}", &title).replace("{{drawing}}", &svg(board)).replace("{{board}}", &data)
}
