//! Texts as words, and words as texts.

/// What stands for a word that is not among the most frequent ones.
pub const RARE: &str = "<rare>";

/// The words of a text: runs of letters, digits and apostrophes, the ends of lines, and every other character that is
/// not blank by itself.
pub fn words(text: &str) -> Vec<&str> {
    let within = |c: char| c.is_alphanumeric() || c == '\'' || c == '\u{2019}';
    let mut words = vec![];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match rest.find(|c| !within(c)) {
            Some(0) => first.len_utf8(),
            Some(len) => len,
            None => rest.len(),
        };
        let (word, after) = rest.split_at(len);
        if word == "\n" || !first.is_whitespace() {
            words.push(word);
        }
        rest = after;
    }
    words
}

/// A text of words as it is read: blanks stand before a word that follows a word, or a sign that ends something.
pub fn spoken<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut before = "\n";
    for word in words {
        let ends = word.starts_with([',', '.', ';', ':', '!', '?', ')', ']', '}', '\n']);
        if !(ends || before.ends_with(['\n', '(', '[', '{'])) {
            text.push(' ');
        }
        text.push_str(word);
        before = word;
    }
    text
}
