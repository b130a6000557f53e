//! Cells as numbers.

/// Why a cell is not a number that can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing but blanks.
    Empty,
    /// Does not read as a number.
    NotANumber,
    /// `nan`, `inf`, or beyond the range of f64.
    NotFinite,
    /// Not even text.
    NotUtf8,
}

impl Fault {
    /// What is to be said of a cell with this fault, after its place.
    pub fn told(self, cell: &[u8]) -> String {
        let shown = shown(cell);
        match self {
            Fault::Empty => "the cell is empty where a number should be".to_string(),
            Fault::NotANumber => format!("`{shown}` is not a number"),
            Fault::NotFinite => format!("`{shown}` is not a finite number"),
            Fault::NotUtf8 => format!("`{shown}` is not text in UTF-8"),
        }
    }
}

/// The number in a cell; blanks around it do not count.
pub fn parse(cell: &[u8]) -> Result<f64, Fault> {
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return Err(Fault::Empty);
    }
    // One or two digits are what most cells of most files hold.
    if cell.len() <= 2 && cell.iter().all(u8::is_ascii_digit) {
        return Ok(cell.iter().fold(0.0, |n, digit| n * 10.0 + f64::from(digit - b'0')));
    }
    let text = std::str::from_utf8(cell).map_err(|_| Fault::NotUtf8)?;
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(Fault::NotFinite),
        Err(_) => Err(Fault::NotANumber),
    }
}

/// A cell for a message: at most 40 characters, what is not text replaced.
pub fn shown(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(40).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}
