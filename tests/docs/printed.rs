//! What a command prints, beside what the text says that it prints.

/// A line that stands for any lines, and within a line for any part of it.
const LEFT_OUT: &str = "...";

/// Whether what is printed is what is expected.
pub fn matches(expected: &[String], printed: &[String]) -> bool {
    let Some(first) = expected.first() else { return printed.is_empty() };
    if is_left_out(first) {
        return (0..=printed.len()).any(|skipped| matches(&expected[1..], &printed[skipped..]));
    }
    printed.first().is_some_and(|line| line_matches(first, line)) && matches(&expected[1..], &printed[1..])
}

fn is_left_out(line: &str) -> bool {
    line.trim() == LEFT_OUT
}

/// Whether the parts around what is left out stand in a line, in their order.
fn line_matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.trim_end().split(LEFT_OUT);
    let first = parts.next().expect("splitting gives a part");
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The text as it should be: what is printed, less what the text leaves out now. What is left out stays out, within lines
/// that still fit and between lines: the first part has as many lines as it had, so has the last, and parts between them
/// are where most of their lines are found.
pub fn updated(expected: &[String], printed: &[String]) -> Vec<String> {
    let known = |line: &String| {
        let mut parts = expected.iter().filter(|part| part.contains(LEFT_OUT) && !is_left_out(part));
        parts.find(|part| line_matches(part, line)).cloned()
    };
    let printed: Vec<String> =
        printed.iter().map(|line| known(line).unwrap_or_else(|| timeless(line))).collect();
    let parts: Vec<&[String]> = expected.split(|line| is_left_out(line)).collect();
    let [first, between @ .., last] = &parts[..] else { return printed };
    let mut lines: Vec<String> = printed.iter().take(first.len()).cloned().collect();
    let mut at = lines.len();
    for part in between {
        let begin = likest(part, &printed, at);
        lines.push(LEFT_OUT.into());
        lines.extend(printed[begin..].iter().take(part.len()).cloned());
        at = (begin + part.len()).min(printed.len());
    }
    lines.push(LEFT_OUT.into());
    lines.extend(printed[printed.len().saturating_sub(last.len()).max(at)..].iter().cloned());
    lines
}

/// Where, from a line on, most lines of a part stand.
fn likest(part: &[String], printed: &[String], from: usize) -> usize {
    let alike = |begin: usize| {
        let pairs = part.iter().zip(&printed[begin..]);
        pairs.filter(|(expected, line)| line_matches(expected, line)).count()
    };
    (from..=printed.len()).rev().max_by_key(|&begin| alike(begin)).unwrap_or(from)
}

/// A line without what is not of the language: times, `0.12 s`, and what a step costs by the plan of this version.
fn timeless(line: &str) -> String {
    const COST: &str = " parameters; a step of ";
    if let Some(at) = line.find(COST) {
        let end = line[at..].find(": ").map_or(line.len(), |colon| at + colon + 2);
        return format!("{}{LEFT_OUT}", &line[..end]);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let is_unit = |next: &[&str]| {
        let unit = next.first().map_or("", |word| word.trim_end_matches([',', '.', ';']));
        ["s", "ms", "us"].contains(&unit) || next.starts_with(&["steps", "a", "second"])
    };
    let shown = words.iter().enumerate().map(|(k, &word)| {
        let is_time = word.replace(',', "").parse::<f64>().is_ok() && is_unit(&words[k + 1..]);
        if is_time { LEFT_OUT } else { word }
    });
    shown.collect::<Vec<&str>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_string).collect()
    }

    #[test]
    fn what_is_left_out_may_be_anything() {
        let printed = lines("a\nb\nc in 3.1 ms\nd");
        for right in ["a\nb\nc in ... ms\nd", "...\nd", "a\n...", "a\n...\nc in ...\n...\nd"] {
            assert!(matches(&lines(right), &printed), "{right}");
        }
        for wrong in ["a\nb", "...\nc", "a\nb\nc in ... s\nd", "b\n..."] {
            assert!(!matches(&lines(wrong), &printed), "{wrong}");
        }
    }

    #[test]
    fn what_was_left_out_stays_out() {
        let printed = lines("a\nb 2\nx\nc 5\nd\ny\nz 7");
        assert_eq!(
            updated(&lines("a\nb 1\n...\nc 4\nd\n...\nz 6"), &printed),
            lines("a\nb 2\n...\nc 5\nd\n...\nz 7")
        );
        assert_eq!(updated(&[], &lines("in 3 ms, and 0.5 s")), lines("in ... ms, and ... s"));
        let cost = lines("5 parameters; a step of 1 example: 9 operations, 1 B of memory traffic");
        assert_eq!(updated(&[], &cost), lines("5 parameters; a step of 1 example: ..."));
    }
}
