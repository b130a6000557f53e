//! The table of diagnostic codes. A code never changes its meaning; new ones are added at the end of their group.
//!
//! A row has everything about its code: what it stands for, why it is told and what to do, and an example. A test
//! holds that each example that is a program is told by its code.

/// A stable code such as `E0203`.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// As printed.
    pub id: &'static str,
    /// What there is to say of it.
    pub row: &'static Row,
}

/// What there is to say of a code.
#[derive(Debug)]
pub struct Row {
    /// What it stands for, in a few words.
    pub title: &'static str,
    /// Why it is told, and what to do.
    pub why: &'static str,
    /// Where it shows.
    pub example: Example,
}

/// Where a code shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Example {
    /// A program that is told by it.
    Program(&'static str),
    /// What to do so that it is told: it takes more than a program.
    Command(&'static str),
}

impl PartialEq for Code {
    fn eq(&self, other: &Code) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

impl std::hash::Hash for Code {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Code {
    /// The code of this id, in any case of letters.
    pub fn of_id(id: &str) -> Option<Code> {
        ALL.iter().copied().find(|code| code.id.eq_ignore_ascii_case(id))
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal : $title:literal, $why:literal, $kind:ident $example:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code {
            id: $id,
            row: &Row { title: $title, why: $why, example: Example::$kind($example) },
        };)*
        /// Every code, in order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    // E01: how the text reads
    UNKNOWN_CHARACTER = "E0101": "a character that the language does not use",
        "A program is made of names, numbers, the signs of the grammar and comments after `#`. Comments and strings may hold anything.",
        Program "net n {\n  input x\n  loss = x ? 1\n}\n";
    UNTERMINATED_STRING = "E0102": "a string without its closing quote",
        "A string ends on the line on which it begins.",
        Program "data d {\n  x = csv(\"data.csv)\n}\n";
    UNEXPECTED_TOKEN = "E0103": "a word or sign where another was expected",
        "The message says what could stand there. A newline ends a statement, but for lines within brackets and after an operator.",
        Program "net n {\n  input x\n  loss x = 1\n}\n";
    UNCLOSED_BRACKET = "E0104": "a bracket that is never closed",
        "Each of ( [ { needs its partner; the message shows where the one without begins.",
        Program "net n {\n  input x[2]\n  loss = (x[0] + x[1]\n}\n";
    OPERATOR_STARTS_LINE = "E0105": "a line that starts with an operator",
        "A line ends its statement unless it ends with an operator, so a sum goes on after a `+` at the end of the line, not before one on the next.",
        Program "net n {\n  input x[2]\n  loss = x[0]\n       + x[1]\n}\n";
    COMPARISON_CHAIN = "E0106": "comparisons in a chain",
        "`a < b < c` has no meaning here. Join two comparisons: `a < b and b < c`.",
        Program "net n {\n  input x\n  loss = if 0 < x < 1 then x else 0\n}\n";
    MISPLACED_DEFAULT = "E0107": "an `else` that does not follow a read",
        "`else` says what a read gives outside of its array, or what a choice gives otherwise. Anything else always has a value.",
        Program "net n {\n  input x[3]\n  loss = ((x[0] + 1) else 0)\n}\n";
    BAD_NUMBER = "E0108": "a number that cannot be read",
        "Numbers are `3`, `0.5`, `1e-3`, `20%`.",
        Program "net n {\n  input x\n  loss = 1e * x\n}\n";
    TOO_DEEP = "E0109": "nesting too deep to read",
        "Brackets within brackets go 200 levels deep. Give an inner part a name.",
        Command "a program with 201 parentheses around a number";
    OPEN_REDUCER = "E0110": "a reduction in a product, without parentheses to end it",
        "The body of `sum[i] ...` goes on to the end of its product, so within a product it is not plain where it ends. Put it into parentheses.",
        Program "net n {\n  input x[3], w[3]\n  loss = 2 * sum[i] w[i] * x[i]\n}\n";
    // E02: names
    UNKNOWN_NAME = "E0201": "a name that nothing defines",
        "Names are defined in the body in which they are read, in any order, or by the header of that body. What is like it is offered.",
        Program "net n {\n  input x\n  hidden = 2 * x\n  loss   = hiden^2\n}\n";
    DEFINED_TWICE = "E0202": "a name defined twice",
        "A name means one thing in a body: there is no assignment, and an index may not have the name of a value.",
        Program "net n {\n  input x\n  y = 2 * x\n  y = 3 * x\n  loss = y\n}\n";
    UNKNOWN_SETTING = "E0203": "a setting that its owner does not have",
        "Settings are those of the header: `nnc show dense` prints it.",
        Program "net n {\n  input x[3]\n  y = x |> dense(2, bais = false)\n  loss = y[0]\n}\n";
    MISSING_SETTING = "E0204": "a setting without a value",
        "A setting without a default must be given.",
        Program "net n {\n  input x[3]\n  y = x |> dense\n  loss = y[0]\n}\n";
    WRONG_ARGUMENT_COUNT = "E0205": "a call with the wrong number of arguments",
        "A call takes the inputs of the header, in their order or by name. Settings stand in parentheses of their own, before.",
        Program "net n {\n  input x[3]\n  loss = mse(x)\n}\n";
    WRONG_KIND_OF_NAME = "E0206": "a name used as what it is not",
        "Values are read and computed with, functions and layers are called.",
        Program "net n {\n  input x[3]\n  loss = x[0] + relu\n}\n";
    RECURSIVE_CALL = "E0207": "a definition that calls itself",
        "A call is written out, so one of itself would never end. A recurrence is written with earlier elements: `h[t - 1] else 0`.",
        Program "fn f(x) = f(x - 1)\nnet n {\n  input x\n  loss = f(x)\n}\n";
    MISSING_PART = "E0208": "a program without a part that it needs",
        "A file that is run has a net, its training names an optimizer and data that are in the file.",
        Program "net n {\n  input x\n  param w = 1\n  loss = w * x\n}\ndata d = table {\n  x\n  1\n}\ntrain n on d {\n  epochs = 3\n}\n";
    USE_CIRCLE = "E0209": "files that use each other in a circle",
        "A file may use another; by whatever way, it may not use itself. Move what both need into a third.",
        Command "a.nn with `use \"b.nn\"`, and b.nn with `use \"a.nn\"`";
    // E03: sizes
    SIZE_MISMATCH = "E0301": "two sizes that should be equal and are not",
        "Elementwise operations and headers want equal sizes; nothing is stretched silently. The message shows both and where they come from.",
        Program "net n {\n  input x[3], y[4]\n  z = x + y\n  loss = z[0]\n}\n";
    RANK_MISMATCH = "E0302": "the wrong number of indices or axes",
        "A read has an index for each axis, or for the first of them to read a part; a header has a size for each axis.",
        Program "net n {\n  input x[3]\n  loss = x[0, 1]\n}\n";
    SIZE_NOT_WHOLE = "E0303": "a size that is not a whole number of at least zero",
        "Sizes are computed exactly, so that `D / H` tells when H does not divide D. Where the rest is to be dropped, write `div`.",
        Program "net n(D = 10) {\n  input x[D]\n  param w[D / 4] = 0\n  loss = w[0] * x[0]\n}\n";
    SIZE_UNKNOWN = "E0304": "a size that nothing determines",
        "A size comes from a number, a setting, data, or an argument.",
        Program "net n {\n  input x[N]\n  loss = sum[i] x[i]\n}\n";
    DIVISION_BY_ZERO = "E0305": "a static division by zero",
        "The divisor is known before training, and is 0.",
        Program "net n(D = 0) {\n  input x\n  loss = x / (3 / D)\n}\n";
    NOT_STATIC = "E0306": "a value that must be known before training and is not",
        "Sizes, most settings and the condition of a block are known before training: they are made of numbers and settings.",
        Program "net n {\n  input x[3]\n  h = dense(x)\n  loss = h[0]\n}\n";
    // E04: indices
    UNBOUND_INDEX = "E0401": "an index that nothing binds",
        "An index is bound on the left side or by a reducer: there is no silent sum. Write `sum[i] ...` for one.",
        Program "net n {\n  input x[3]\n  loss = x[i]^2\n}\n";
    INDEX_OUT_OF_RANGE = "E0402": "a read outside its array",
        "A read is proved to lie in its array for all values of its indices. Where it may not, say what lies outside: `x[i - 1] else 0`.",
        Program "net n {\n  input x[4]\n  d[i: 4] = x[i] - x[i - 1]\n  loss = sum[i] d[i]^2\n}\n";
    INDEX_RANGE_UNKNOWN = "E0403": "an index without a range",
        "An index has the range of the axis that it reads alone, or one that is written: `i: 4`. From `x[i + 1]` no range is taken.",
        Program "net n {\n  input x[4]\n  d[i] = x[i + 1]\n  loss = d[0]\n}\n";
    INDEX_RANGE_CONFLICT = "E0404": "an index with two ranges",
        "One index reads two axes of different sizes. Give the sizes the same value, or write the range: `i: 3`.",
        Program "net n {\n  input x[3], y[4]\n  loss = sum[i] x[i] * y[i]\n}\n";
    INDEX_NOT_AFFINE = "E0405": "an index that is neither affine nor an integer value",
        "Between brackets stand sums of indices times whole numbers, or one integer of the running program.",
        Program "net n {\n  input x[3, 4]\n  y[s: 12] = x[(s, 2 + 1)]\n  loss = y[0]\n}\n";
    INDEX_REUSED = "E0406": "an index bound twice",
        "An inner reducer needs a name of its own: with the same one it would not be plain which is meant.",
        Program "net n {\n  input x[3]\n  loss = sum[i] x[i] * (sum[i] x[i])\n}\n";
    RECURRENCE_ENDLESS = "E0407": "a value that depends on itself at the same element",
        "A recurrence reads other elements of what it defines, earlier ones or later ones.",
        Program "net n {\n  input x[3]\n  h[t] = x[t] + h[t]\n  loss = h[2]\n}\n";
    RECURRENCE_MIXED = "E0408": "a recurrence in two directions",
        "Elements are computed one after another, so all reads of other elements go the same way.",
        Program "net n {\n  input x[3]\n  h[t] = x[t] + (h[t - 1] else 0) + (h[t + 1] else 0)\n  loss = h[2]\n}\n";
    RECURRENCE_AXES = "E0409": "a recurrence along more than one axis",
        "A recurrence goes along one axis; the others are computed side by side.",
        Program "net n {\n  input x[3, 3]\n  h[i, j] = x[i, j] + (h[i - 1, j] else 0) + (h[i, j - 1] else 0)\n  loss = h[2, 2]\n}\n";
    // E05: kinds of values
    CLASS_ARITHMETIC = "E0501": "arithmetic on a class",
        "A class is one of several cases, without order or distance: it may be compared, passed on, and index an array.",
        Program "net n {\n  input y: class(3)\n  loss = y + 1\n}\n";
    EXPECTED_INTEGER = "E0502": "a number where an integer or class is needed",
        "An index is a whole number by its kind, not by chance. Declare a column as `class(K)` to index by it.",
        Program "net n {\n  input x[3], k\n  loss = x[k]\n}\n";
    EXPECTED_BOOLEAN = "E0503": "a number where a condition is needed",
        "Say what of the number is asked: `x > 0`.",
        Program "net n {\n  input x\n  loss = if x then 1 else 0\n}\n";
    EXPECTED_SCALAR = "E0504": "an array where a single number is needed",
        "A loss, a condition and an index are single numbers. Reduce the array, or read an element: `x[0]`.",
        Program "net n {\n  input x[3]\n  loss = x\n}\n";
    BATCH_MISUSE = "E0505": "`batch` used where it cannot be",
        "A net is written for one example; `mean[batch] x` is the one way to look at the others, outside of metrics.",
        Program "net n {\n  input x\n  loss = sum[batch] x\n}\n";
    GRADIENT_UNDEFINED = "E0506": "a gradient of something that has none",
        "A gradient is of a real number, by real numbers that have a name.",
        Program "net n {\n  input k: class(3), x\n  g = grad(x, k)\n  loss = x + g\n}\n";
    STATE_MISUSE = "E0507": "a state assigned wrongly",
        "`s'` is what a state is in the next step: assigned once, the same for all examples.",
        Program "net n {\n  input x\n  param w = 1\n  state s = 0\n  s' = x\n  loss = w * x + s\n}\n";
    DRAW_MISUSE = "E0508": "a draw where it cannot be",
        "`~` draws, with a distribution at its right: `eps[z: Z] ~ normal(0, 1)`.",
        Program "net n {\n  input x\n  e ~ x\n  loss = e\n}\n";
    CLASS_RANGE = "E0509": "a class of the wrong number of cases",
        "A class may index an axis that has an element for each case.",
        Program "net n {\n  input x[3], y: class(5)\n  loss = x[y]\n}\n";
    CONDITION_ARITHMETIC = "E0510": "arithmetic on a condition",
        "A condition counts as 0 or 1 in metrics and under `sum` and `mean` only. Elsewhere: `if c then 1 else 0`.",
        Program "net n {\n  input x\n  loss = (x > 0) * x\n}\n";
    RECURRENCE_KIND = "E0511": "a recurrence of values that cannot recur",
        "What recurs is real numbers; a class or a condition is computed from them.",
        Program "net n {\n  input x[3]\n  h[t] = (h[t - 1] else 0) > x[t]\n  loss = if h[2] then 1 else 0\n}\n";
    // E06: data
    FILE_UNREADABLE = "E0601": "a file that cannot be read",
        "Paths are relative to the program that names them.",
        Program "data d {\n  rows = csv(\"no-such-file.csv\")\n  x    = rows[a]\n}\nnet n {\n  input x\n  loss = x\n}\n";
    BAD_CELL = "E0602": "a value in a data file that does not fit",
        "The message names row, column and what stands there. Numbers, and classes of the vocabulary, are what columns hold.",
        Program "data d = table {\n  x\n  1\n  one\n}\nnet n {\n  input x\n  loss = x\n}\n";
    UNKNOWN_COLUMN = "E0603": "a column that the file does not have",
        "Columns are named as in the first line of the file; those that are like it are offered.",
        Command "`rows[sepal_lenght]` of a file whose column is sepal_length";
    ROW_LENGTH = "E0604": "a row of the wrong length",
        "Each row has as many values as there are columns.",
        Program "data d = table {\n  x y\n  1 2\n  3\n}\nnet n {\n  input x, y\n  loss = x + y\n}\n";
    EMPTY_DATA = "E0605": "data without a row",
        "There is nothing to learn from.",
        Program "data d = table {\n  x y\n}\nnet n {\n  input x, y\n  loss = x + y\n}\n";
    BAD_SPLIT = "E0606": "parts of the data that do not fit together",
        "Parts held out are shares of the whole, and leave something to train on.",
        Program "data d {\n  x ~ normal(0, 1)\n  examples = 10\n  test = 100%\n}\nnet n {\n  input x\n  loss = x\n}\n";
    DATA_MISMATCH = "E0607": "data that does not fit the net",
        "A net's inputs and targets are columns of the data, by name, shape and kind.",
        Program "data d = table {\n  x\n  1\n}\nnet n {\n  input x, z\n  param w = 1\n  loss = w * x * z\n}\ntrain n on d {\n  optimizer = sgd(lr = 0.1)\n}\n";
    BAD_DATA_EXPRESSION = "E0608": "an expression that a data block cannot hold",
        "Data is read, divided, standardized and split; what else is computed belongs into the net.",
        Program "data d {\n  x = 3 + 4\n}\nnet n {\n  input x\n  loss = x\n}\n";
    // E07: training
    BAD_SETTING_VALUE = "E0701": "a setting with a value that it cannot have",
        "The message says which values there are.",
        Program "data d = table {\n  x\n  1\n}\nnet n {\n  input x\n  param w = 1\n  loss = w * x\n}\ntrain n on d {\n  optimizer = sgd(lr = 0.1)\n  batch     = 0\n}\n";
    NOTHING_TO_TRAIN = "E0702": "a net without parameters",
        "Training changes parameters: `param w = 1`, or a layer that has some; and not all of them frozen.",
        Program "data d = table {\n  x\n  1\n}\nnet n {\n  input x\n  param w = 1\n  loss = w * x\n}\ntrain n on d {\n  optimizer = sgd(lr = 0.1)\n  freeze    = \"*\"\n}\n";
    NOT_FINITE = "E0703": "a number that is no longer finite",
        "A loss, a gradient or a weight became infinite or not a number. The run is gone over again from the weights before, to name the step, the example, the gate and the line where that began. Mostly a rate of learning is too high, a logarithm or quotient met 0, or numbers of the data are of very different sizes.",
        Command "nnc run examples/iris.nn --set \"optimizer=sgd(lr = 1e38)\"";
    CHECKPOINT_MISMATCH = "E0704": "a checkpoint that does not fit the model",
        "A checkpoint holds each parameter under its path, with its shape, and the vocabularies of its data. All must be those of the program that loads it.",
        Command "nnc run examples/iris.nn --load xor.safetensors";
    FILE_UNWRITABLE = "E0705": "a file that cannot be written",
        "The folder must be there, and allow it.",
        Command "nnc run examples/xor.nn --save /no/such/folder/xor.safetensors";
    BAD_SWEEP = "E0706": "a sweep that cannot be made",
        "A sweep is over lists `[16, 32]` and ranges, or draws from `uniform` and `log_uniform`; a logarithmic range begins above 0. What decides is not what is held out to the end.",
        Program "data d = table {\n  x\n  1\n}\nnet n {\n  input x\n  param w = 1\n  loss = w * x\n}\ntrain n on d {\n  optimizer = sgd(lr = 0.1)\n}\nsweep n {\n  over optimizer.lr = log_range(0, 1, points = 4)\n}\n";
    // E08: going on with a sequence
    NOT_A_SEQUENCE = "E0801": "a net that does not predict the next element of a sequence",
        "`nnc generate` goes on with what a net has read: the net reads a window of classes and scores, at each position, the next.",
        Command "nnc generate examples/xor.nn";
    NOT_CAUSAL = "E0802": "a net whose positions depend on later ones",
        "What is generated cannot be seen before it is there. Mask later positions, as causal attention does.",
        Command "nnc generate of a net with attention over all positions";
    UNKNOWN_ELEMENT = "E0803": "an element that the net was not trained on",
        "The beginning that is given holds a character that the training text does not have.",
        Command "nnc generate examples/char_gru.nn --prompt \"…\"";
    // E09: named by the language, not carried yet
    NOT_YET = "E0901": "part of the language that this version does not carry yet",
        "It is in the language, and refused rather than done by half.",
        Command "the derivative of a value from within its own recurrence";
    TOO_LARGE = "E0902": "a program beyond a limit of this version",
        "Limits are high, and keep a slip from filling the memory.",
        Program "net n {\n  input x[4]\n  y = x |> repeat(1000000) dense(4)\n  loss = y[0]\n}\n";
    // W: it runs, but
    UNUSED_INPUT = "W0101": "an input that nothing reads",
        "It is read from the data for nothing. Was another meant?",
        Program "net n {\n  input x, z\n  param w = 1\n  loss = w * x\n}\n";
    UNREACHED_PARAMETER = "W0102": "a parameter that the loss does not reach",
        "Nothing that the loss is computed from depends on it, so it stays as it began.",
        Program "net n {\n  input x\n  param w = 1, v = 1\n  y = v * x\n  loss = w * x\n}\n";
    ZERO_GRADIENT = "W0103": "a gradient of something that does not depend on it",
        "`grad(y, x)` is 0 where y is computed without x, or through `stop`.",
        Program "net n {\n  input x, z\n  param w = 1\n  y = w * z\n  g = grad(y, x)\n  loss = y^2 + g + x\n}\n";
    GRADIENT_PER_EXAMPLE = "W0104": "a gradient for each example of a batch",
        "A gradient by a parameter, of a value that each example has, is one for each example: it takes as many times the room. `grad(mean[batch] y, w)` is the one of their mean.",
        Program "net n {\n  input x\n  param w = 1\n  y = w * x^2\n  g = grad(y, w)\n  loss = g^2\n}\n";
    ZERO_PARAMETER_GRADIENT = "W0105": "a parameter whose gradient is 0 whatever it is",
        "The loss is computed from it, but through something without a slope: `stop`, a comparison, a position, `floor`.",
        Program "net n {\n  input x\n  param w = 1, v = 1\n  loss = (w * x - stop(v))^2\n}\n";
    REDEFINES_PRELUDE = "W0201": "a definition that takes the name of one in the library",
        "The library is an outer scope: a definition of your own goes before it in your file, and nowhere else.",
        Program "fn relu(x) = max(0.01 * x, x)\nnet n {\n  input x\n  param w = 1\n  loss = relu(w * x)\n}\n";
    OTHER_STATISTICS = "W0301": "data standardized otherwise than for the checkpoint",
        "The mean or the deviation of the training rows is another one now, so the same number means another.",
        Command "nnc run --load with other rows than those that were saved with";
    CHANGED_PROGRAM = "W0302": "a run that goes on in a changed program",
        "The program is not what it was when the run began. It goes on, but not to the bits of the unbroken run.",
        Command "nnc run --resume after a change of the learning rate in the file";
    // W05: the health of a training, told at its end
    VANISHING_GRADIENT = "W0501": "layers that get next to no gradient",
        "Slopes multiply on the way back, and many below 1 make next to nothing: layers far from the loss hardly learn. Sigmoids have slopes of at most 1/4; plain recurrences pass a gradient through as many layers as there are steps.",
        Command "nnc run examples/health/sigmoids.nn, and cured: nnc run examples/health/tanhs.nn";
    EXPLODING_GRADIENT = "W0502": "a gradient that throws the weights about",
        "Slopes multiply on the way back, and many above 1 make a number that moves the weights farther than they are large. What was learned is lost with such a step.",
        Command "nnc run examples/health/unclipped.nn, and cured: nnc run examples/health/clipped.nn";
    DEAD_UNITS = "W0503": "units that are 0 for every example",
        "Where relu is 0 its slope is 0 too: such a unit never changes any more. A large step, or inputs of one sign, leave many of them.",
        Command "nnc run examples/digits.nn --set \"optimizer=sgd(lr = 30)\"";
    SATURATED_UNITS = "W0504": "units at the flat ends of sigmoid or tanh",
        "There the slope is next to nothing: neither the unit nor what lies before it learns.",
        Command "nnc run of a net with large weights before tanh";
    // W04: lints, looked for before training
    SQUASHED_TWICE = "W0401": "a softmax or sigmoid before a loss that takes one itself",
        "`cross_entropy` and `bce_with_logits` are of scores. Given probabilities they learn, but slowly and to the wrong end, for what is squashed twice is nearly flat.",
        Program "net n {\n  input x[2]\n  target y: class(3)\n  p    = x |> dense(3) |> softmax\n  loss = cross_entropy(p, y)\n}\n";
    LOG_OF_ZERO = "W0402": "a logarithm that can be of 0",
        "log(0) is infinite, and so is its slope. A softmax or a sigmoid gives 0 where it rounds to that.",
        Program "net n {\n  input x[2]\n  target y: class(3)\n  p    = x |> dense(3) |> softmax\n  loss = -log(p[y])\n}\n";
    DIVISION_BY_ZERO_IN_RUN = "W0403": "a division that can be by 0",
        "A quotient by 0 is infinite, or no number, and so is the slope of a root at 0.",
        Program "net n {\n  input x[2]\n  h    = x |> dense(3)\n  size = sum[i] h[i]^2\n  loss = sum[i] (h[i] / size)^2\n}\n";
    SATURATING_STACK = "W0404": "layers that are all sigmoid",
        "The slope of a sigmoid is at most 1/4. Behind four of them a parameter sees less than half a percent of the gradient, and less with every layer more.",
        Program "net n {\n  input x[4]\n  h    = x |> dense(4) |> sigmoid |> dense(4) |> sigmoid |> dense(4) |> sigmoid |> dense(4) |> sigmoid\n  loss = sum[i] h[i]^2\n}\n";
    BIAS_BEFORE_BATCHNORM = "W0405": "a bias that batch normalization takes off again",
        "The mean over the batch holds the bias, and is taken off.",
        Program "net n {\n  input x[4]\n  h    = x |> dense(4) |> batchnorm |> relu\n  loss = sum[i] h[i]^2\n}\n";
    UNSCALED_INPUT = "W0406": "inputs with large numbers",
        "Initial weights are drawn for inputs of size around 1. Larger ones saturate the first layer, or ask for a smaller learning rate than all the others.",
        Program "data d = table {\n  x    y\n  1800 1\n  2100 0\n}\nnet n {\n  input x\n  target y\n  h    = [x] |> dense(4) |> tanh |> dense(1)\n  loss = (h[0] - y)^2\n}\ntrain n on d {\n  optimizer = sgd(lr = 0.1)\n}\n";
    UNREAD_EDGE = "W0407": "windows that step over the edge",
        "Where the steps do not divide the size, the last elements are in no window.",
        Program "net n {\n  input x[1, 8, 8]\n  h    = x |> conv2d(2, 3, stride = 2) |> flatten\n  loss = sum[i] h[i]^2\n}\n";
    DEAR_PRODUCT = "W0408": "products of matrices in a dear order",
        "`(A B) x` multiplies two matrices to multiply a vector; `A (B x)` multiplies the vector twice. Products are computed in the order in which they are named.",
        Program "net n {\n  input x[200]\n  param A[200, 200] ~ normal(0, 0.1), B[200, 200] ~ normal(0, 0.1)\n  M[i, j] = sum[k] A[i, k] * B[k, j]\n  y[i]    = sum[j] M[i, j] * x[j]\n  loss    = sum[i] y[i]^2\n}\n";
    PENALTY_THROUGH_KINK = "W0409": "a derivative in the loss, taken through relu",
        "The slope of relu is 0 or 1, and changes by jumps only: what it depends on gets no gradient from it.",
        Program "net n {\n  input x[2]\n  h    = x |> dense(4) |> relu |> dense(1)\n  u    = h[0]\n  g    = grad(u, x)\n  loss = u^2 + (sum[i] g[i]^2 - 1)^2\n}\n";
    MASKED_ROW = "W0410": "a row of scores that is masked whole",
        "The softmax of a row that is -inf everywhere is no number: it has no largest element to take off.",
        Program "net n {\n  input x[4, 4]\n  param w = 1\n  score[t, s] = if s < t then w * x[t, s] else -inf\n  p[t]        = softmax(score[t])\n  loss        = sum[t] p[t, 0]\n}\n";
}
