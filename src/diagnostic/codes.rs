//! The table of diagnostic codes. A code never changes its meaning; new ones are added at the end of their group.

/// A stable code such as `E0203`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Code {
    /// As printed.
    pub id: &'static str,
    /// What it stands for, in a few words.
    pub title: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal : $title:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code { id: $id, title: $title };)*
        /// Every code, in order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    // E01: how the text reads
    UNKNOWN_CHARACTER = "E0101": "a character that the language does not use";
    UNTERMINATED_STRING = "E0102": "a string without its closing quote";
    UNEXPECTED_TOKEN = "E0103": "a word or sign where another was expected";
    UNCLOSED_BRACKET = "E0104": "a bracket that is never closed";
    OPERATOR_STARTS_LINE = "E0105": "a line that starts with an operator";
    COMPARISON_CHAIN = "E0106": "comparisons in a chain";
    MISPLACED_DEFAULT = "E0107": "an `else` that does not follow a read";
    BAD_NUMBER = "E0108": "a number that cannot be read";
    TOO_DEEP = "E0109": "nesting too deep to read";
    OPEN_REDUCER = "E0110": "a reduction in a product, without parentheses to end it";
    // E02: names
    UNKNOWN_NAME = "E0201": "a name that nothing defines";
    DEFINED_TWICE = "E0202": "a name defined twice";
    UNKNOWN_SETTING = "E0203": "a setting that its owner does not have";
    MISSING_SETTING = "E0204": "a setting without a value";
    WRONG_ARGUMENT_COUNT = "E0205": "a call with the wrong number of arguments";
    WRONG_KIND_OF_NAME = "E0206": "a name used as what it is not";
    RECURSIVE_CALL = "E0207": "a definition that calls itself";
    MISSING_PART = "E0208": "a program without a part that it needs";
    USE_CIRCLE = "E0209": "files that use each other in a circle";
    // E03: sizes
    SIZE_MISMATCH = "E0301": "two sizes that should be equal and are not";
    RANK_MISMATCH = "E0302": "the wrong number of indices or axes";
    SIZE_NOT_WHOLE = "E0303": "a size that is not a whole number of at least zero";
    SIZE_UNKNOWN = "E0304": "a size that nothing determines";
    DIVISION_BY_ZERO = "E0305": "a static division by zero";
    NOT_STATIC = "E0306": "a value that must be known before training and is not";
    // E04: indices
    UNBOUND_INDEX = "E0401": "an index that nothing binds";
    INDEX_OUT_OF_RANGE = "E0402": "a read outside its array";
    INDEX_RANGE_UNKNOWN = "E0403": "an index without a range";
    INDEX_RANGE_CONFLICT = "E0404": "an index with two ranges";
    INDEX_NOT_AFFINE = "E0405": "an index that is neither affine nor an integer value";
    INDEX_REUSED = "E0406": "an index bound twice";
    RECURRENCE_ENDLESS = "E0407": "a value that depends on itself at the same element";
    RECURRENCE_MIXED = "E0408": "a recurrence in two directions";
    RECURRENCE_AXES = "E0409": "a recurrence along more than one axis";
    // E05: kinds of values
    CLASS_ARITHMETIC = "E0501": "arithmetic on a class";
    EXPECTED_INTEGER = "E0502": "a number where an integer or class is needed";
    EXPECTED_BOOLEAN = "E0503": "a number where a condition is needed";
    EXPECTED_SCALAR = "E0504": "an array where a single number is needed";
    BATCH_MISUSE = "E0505": "`batch` used where it cannot be";
    GRADIENT_UNDEFINED = "E0506": "a gradient of something that has none";
    STATE_MISUSE = "E0507": "a state assigned wrongly";
    DRAW_MISUSE = "E0508": "a draw where it cannot be";
    CLASS_RANGE = "E0509": "a class of the wrong number of cases";
    CONDITION_ARITHMETIC = "E0510": "arithmetic on a condition";
    RECURRENCE_KIND = "E0511": "a recurrence of values that cannot recur";
    // E06: data
    FILE_UNREADABLE = "E0601": "a file that cannot be read";
    BAD_CELL = "E0602": "a value in a data file that does not fit";
    UNKNOWN_COLUMN = "E0603": "a column that the file does not have";
    ROW_LENGTH = "E0604": "a row of the wrong length";
    EMPTY_DATA = "E0605": "data without a row";
    BAD_SPLIT = "E0606": "parts of the data that do not fit together";
    DATA_MISMATCH = "E0607": "data that does not fit the net";
    BAD_DATA_EXPRESSION = "E0608": "an expression that a data block cannot hold";
    // E07: training
    BAD_SETTING_VALUE = "E0701": "a setting with a value that it cannot have";
    NOTHING_TO_TRAIN = "E0702": "a net without parameters";
    NOT_FINITE = "E0703": "a number that is no longer finite";
    CHECKPOINT_MISMATCH = "E0704": "a checkpoint that does not fit the model";
    FILE_UNWRITABLE = "E0705": "a file that cannot be written";
    // E09: named by the language, not carried yet
    NOT_YET = "E0901": "part of the language that this version does not carry yet";
    TOO_LARGE = "E0902": "a program beyond a limit of this version";
    // W: it runs, but
    UNUSED_INPUT = "W0101": "an input that nothing reads";
    UNREACHED_PARAMETER = "W0102": "a parameter that the loss does not reach";
    ZERO_GRADIENT = "W0103": "a gradient of something that does not depend on it";
    GRADIENT_PER_EXAMPLE = "W0104": "a gradient for each example of a batch";
    REDEFINES_PRELUDE = "W0201": "a definition that takes the name of one in the library";
    OTHER_STATISTICS = "W0301": "data standardized otherwise than for the checkpoint";
}
