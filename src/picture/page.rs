//! As a page of its own: one file that needs nothing beside it.

use super::Picture;

const PAGE: &str = include_str!("page.html");

/// The page. What is in it of the program is data, never markup.
pub fn page(picture: &Picture) -> String {
    let data = picture.to_json().to_string().replace("</", "<\\/").replace("<!--", "<\\!--");
    let title = picture.title.replace('&', "&amp;").replace('<', "&lt;");
    PAGE.replace("{{title}}", &title).replace("{{picture}}", &data)
}
