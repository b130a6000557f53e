//! The commands as a user gives them: what they print, what they leave behind, and how they end.

mod command;

use command::{nnc, printed};
use std::fs;
use std::path::Path;

/// The exit code and the messages of a command that fails.
fn refused(args: &[&str]) -> (i32, String) {
    let output = nnc(args);
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A copy of an example with its data, in a folder that vanishes.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("data")).expect("a folder");
    for file in ["xor.nn", "iris.nn", "digits.nn", "data/iris.csv", "data/digits.csv"] {
        fs::copy(Path::new("examples").join(file), folder.path().join(file)).expect("an example");
    }
    folder
}

/// Copies of all examples, and the data as it lies.
fn all_examples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = Path::new("examples/data").canonicalize().expect("the data");
    std::os::unix::fs::symlink(data, folder.path().join("data")).expect("a link");
    for name in example_names() {
        let file = format!("{name}.nn");
        fs::copy(Path::new("examples").join(&file), folder.path().join(file)).expect("an example");
    }
    folder
}

fn example_names() -> Vec<String> {
    let entries = fs::read_dir("examples").expect("the examples");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let programs = paths.filter(|path| path.extension().is_some_and(|ending| ending == "nn"));
    let mut names: Vec<String> =
        programs.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn parameters_go_out_and_come_back() {
    let folder = folder();
    let model = folder.path().join("xor.nn").display().to_string();
    let file = folder.path().join("xor.safetensors").display().to_string();
    let trained = printed(&["run", &model, "--save", &file]);
    let figures = |text: &str| text.lines().find(|line| line.starts_with("train ")).map(str::to_string);
    let again = printed(&["run", &model, "--load", &file, "--epochs", "1", "--set", "optimizer=sgd(lr = 0)"]);
    assert_eq!(figures(&trained), figures(&again), "a rate of zero leaves what was loaded");
    let (code, message) = refused(&["run", "examples/iris.nn", "--load", &file]);
    assert_eq!(code, 1);
    assert!(message.contains("E0704") && message.contains("h.dense.W"), "{message}");
}

/// Pairs of neighbouring characters: V comes from the data, and its cases are part of the checkpoint.
const BIGRAM: &str = "data text {
  pair[2] = windows(chars(\"text.txt\"), 2, every = 1)
}
net bigram {
  input pair[T + 1]: class(V)
  z    = embedding(V, V)(pair[0])
  loss = cross_entropy(z, pair[T])
}
train bigram on text {
  epochs    = 20
  optimizer = adam(lr = 0.1)
}
";

#[test]
fn a_vocabulary_travels_with_the_checkpoint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it can be written");
    let (model, file) = (path("bigram.nn"), path("bigram.safetensors"));
    write("bigram.nn", BIGRAM);
    write("text.txt", &"abcd".repeat(20));
    let told = printed(&["run", &model, "--save", &file]);
    assert!(told.contains("16 parameters"), "V is 4, the number of different characters: {told}");
    // The same cases again, from another text.
    write("text.txt", &"dbca".repeat(7));
    printed(&["run", &model, "--load", &file, "--epochs", "1"]);
    printed(&["eval", &model, "--params", &file]);
    // As many cases, but others.
    write("text.txt", &"abce".repeat(20));
    for args in [["run", &model, "--load", &file], ["eval", &model, "--params", &file]] {
        let (code, message) = refused(&args);
        assert_eq!(code, 1);
        assert!(message.contains("E0704") && message.contains("another vocabulary of `pair`"), "{message}");
        assert!(message.contains("only in the file: \"d\"\n"), "{message}");
        assert!(message.contains("only in this data: \"e\"\n"), "{message}");
    }
}

#[test]
fn other_statistics_are_told() {
    let folder = folder();
    let model = folder.path().join("iris.nn").display().to_string();
    let file = folder.path().join("iris.safetensors").display().to_string();
    printed(&["run", &model, "--epochs", "1", "--save", &file]);
    let warned = |what: &str| {
        let output = nnc(&["run", &model, "--epochs", "1", "--load", &file]);
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr).contains("W0301"), what == "other rows", "{what}");
    };
    warned("the same rows");
    let text = fs::read_to_string(&model).expect("the example");
    fs::write(&model, text.replace("20%", "30%")).expect("it can be written");
    warned("other rows");
}

/// Read back, the adjoint of a sequence that is read from both ends is summed in another order.
const ROUNDED: (&str, &str) = ("bidirectional", "x_bar");

/// Whether numbers are the same within rounding.
fn near(a: &[u8], b: &[u8]) -> bool {
    let numbers = |bytes: &[u8]| -> Vec<f32> {
        bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
    };
    let (a, b) = (numbers(a), numbers(b));
    let largest = a.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-6 * largest)
}

#[test]
fn the_printed_gradient_gives_the_same_bits_when_it_is_read_back() {
    let folder = all_examples();
    for example in example_names() {
        let model = folder.path().join(format!("{example}.nn")).display().to_string();
        let derived = folder.path().join(format!("{example}_g.nn")).display().to_string();
        fs::write(&derived, printed(&["grad", &model])).expect("it can be written");
        printed(&["check", &derived]);
        for program in [&[][..], &["--training"]] {
            let [first, second] = [(&model, Some("--grad")), (&derived, None)].map(|(path, grad)| {
                let out = folder.path().join("out.safetensors");
                let args = ["eval", path, "--batch", "2", "--out", out.to_str().expect("a plain path")];
                let args: Vec<&str> = args.into_iter().chain(grad).chain(program.iter().copied()).collect();
                printed(&args);
                fs::read(out).expect("it was written")
            });
            assert!(gradients(&first) >= 3, "{example}: parameters have gradients");
            let (first, second) = (tensors(&first), tensors(&second));
            let differs = |name: &&String| {
                let rounded = example == ROUNDED.0 && *name == ROUNDED.1;
                if rounded { !near(&first[*name], &second[*name]) } else { first[*name] != second[*name] }
            };
            assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>(), "{example}");
            assert_eq!(first.keys().find(differs), None, "{example} {program:?}");
        }
    }
}

#[test]
fn every_line_of_a_gradient_tells_its_line_and_its_rule() {
    for example in ["xor", "lenet", "char_gru", "transformer"] {
        let printed = printed(&["grad", &format!("examples/{example}.nn")]);
        let (_, backward) = printed.split_once("# The gradient of the loss").expect("the lines");
        let (backward, _) = backward.split_once("\n  output ").expect("the outputs");
        let lines: Vec<&str> = backward.lines().collect();
        for (k, line) in lines.iter().enumerate().filter(|(_, line)| {
            let word = line.trim_start().split(['[', ' ']).next().unwrap_or_default();
            line.starts_with("  ") && !line.starts_with("   ") && word.ends_with("_bar")
        }) {
            let tells = |line: &str| line.contains("# line ") && line.contains(", ");
            assert!(tells(line) || tells(lines[k - 1]), "{example}: {line}");
        }
    }
}

#[test]
fn a_gradient_is_of_what_is_asked_and_by_what_is_asked() {
    let outputs = |args: &[&str]| -> Vec<String> {
        let text = printed(&[&["grad"], args].concat());
        assert!(text.contains("# The gradient of "), "{text}");
        let (_, lines) = text.split_once("# The gradient of ").expect("just seen");
        lines.lines().filter_map(|line| line.strip_prefix("  output ")).map(String::from).collect()
    };
    assert_eq!(outputs(&["examples/xor.nn", "--wrt", "p.dense.W"]), ["p_dense_W_bar"]);
    assert_eq!(outputs(&["examples/xor.nn", "--wrt", "h", "--wrt", "x"]), ["h_bar", "x_bar"]);
    assert_eq!(outputs(&["examples/heat.nn", "--of", "error", "--wrt", "u"]), ["u_bar"]);
    assert_eq!(outputs(&["examples/xor.nn", "--of", "loss", "--raw"]).len(), 5);
    let refusals = [
        (&["--wrt", "p.dense.V"][..], "E0201", "did you mean `p.dense.W`?"),
        (&["--of", "h"], "E0504", "`h` is an array"),
        (&["--of", "p.dense.b"], "E0504", "`p.dense.b` is an array"),
    ];
    for (args, code, words) in refusals {
        let (status, message) = refused(&[&["grad", "examples/xor.nn"], args].concat());
        assert_eq!(status, 1);
        assert!(message.contains(code) && message.contains(words), "{args:?}: {message}");
    }
    let (_, message) = refused(&["grad", "examples/iris.nn", "--of", "accuracy"]);
    assert!(message.contains("E0506"), "{message}");
}

#[test]
fn the_lines_of_a_gradient_are_there_for_programs() {
    let rows: Vec<serde_json::Value> = printed(&["grad", "--json", "examples/xor.nn"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect();
    let row = rows
        .iter()
        .find(|row| row["statement"].as_str().is_some_and(|text| text.starts_with("h_dense_y_bar")));
    let row = row.expect("the cotangent of the hidden layer");
    assert_eq!(row["place"]["line"], 15);
    assert_eq!(row["rules"], serde_json::json!(["y = tanh(a): a_bar = y_bar * (1 - y * y)"]));
    assert_eq!(
        rows.iter()
            .filter(|row| row["statement"].as_str().is_some_and(|text| text.starts_with("output")))
            .count(),
        5
    );
}

/// A stage repeated three times.
const REPEATED: &str = "layer stage(x[N]) -> y[N] {
  u = x |> dense(N) |> tanh
  y = x + u
}
net deep {
  input x[4]
  y    = x |> stages: repeat(3) stage
  loss = sum[i] y[i]^2
}
";

#[test]
fn copies_of_a_repeated_layer_print_once_with_their_count() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = folder.path().join("deep.nn").display().to_string();
    fs::write(&model, REPEATED).expect("it can be written");
    let (whole, folded) = (printed(&["grad", &model]), printed(&["grad", "--fold", &model]));
    let said = "# stages.0, copy 3 of 3: the same lines as for stages.2";
    assert!(whole.contains(&format!("{said}.")), "{whole}");
    // What is read there is told, and which outputs are not shown.
    assert!(folded.contains(&format!("{said}, with stages_0_y_bar for y_bar")), "{folded}");
    assert!(folded.contains("# stages.2 stands for all 3 copies"), "{folded}");
    assert!(folded.contains("# and those of 2 other copies"), "{folded}");
    assert!(!folded.contains("output stages_0") && folded.contains("output stages_2"), "{folded}");
    let defined = |text: &str, name: &str| text.contains(&format!("  {name}["));
    assert!(defined(&whole, "stages_0_u_dense_W_bar") && defined(&whole, "stages_2_u_dense_W_bar"));
    assert!(
        !defined(&folded, "stages_0_u_dense_W_bar") && defined(&folded, "stages_2_u_dense_W_bar"),
        "{folded}"
    );
}

/// The tensors of a safetensors file by name, as bytes.
fn tensors(file: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let file = safetensors::SafeTensors::deserialize(file).expect("a safetensors file");
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

fn gradients(file: &[u8]) -> usize {
    tensors(file).keys().filter(|name| name.ends_with("_bar")).count()
}

#[test]
fn gradients_agree_with_differences() {
    for example in ["examples/xor.nn", "examples/iris.nn"] {
        let table = printed(&["check", "--grad", example]);
        assert!(table.contains("worst"), "{table}");
    }
    let table = printed(&["check", "--grad", "--entries", "6", "--batch", "2", "examples/digits.nn"]);
    assert!(table.contains("first.W  6 of 8192 entries"), "{table}");
}

#[test]
fn native_code_and_the_interpreters_evaluate_alike() {
    let value = |extra: &[&str]| -> f64 {
        let args: Vec<&str> =
            ["eval", "examples/iris.nn", "--json"].into_iter().chain(extra.iter().copied()).collect();
        let text = printed(&args);
        let loss = text.lines().find(|line| line.contains("\"loss\"")).expect("the loss");
        let loss: serde_json::Value = serde_json::from_str(loss).expect("one JSON object a line");
        loss["data"][0].as_f64().expect("a number")
    };
    let exact = value(&["--f64"]);
    for extra in [&[][..], &["--interpret"]] {
        assert!((value(extra) - exact).abs() < 1e-5 * exact.abs(), "{extra:?}");
    }
}

#[test]
fn every_stage_prints() {
    let marks = [
        ("ast", "Net"),
        ("circuit", "tanh"),
        ("grad", "_bar"),
        ("simplified", "_bar"),
        ("plan", "for b in batch"),
        ("clif", "function"),
        ("asm", "ret"),
    ];
    for (stage, mark) in marks {
        let text = printed(&["emit", "--stage", stage, "examples/xor.nn"]);
        assert!(text.contains(mark), "{stage} says {mark:?}:\n{text}");
    }
    // What is long enough for threads to share is shown, if there are any.
    let digits = |threads: &str| printed(&["emit", "--threads", threads, "examples/digits.nn"]);
    assert!(digits("2").contains("each thread for some of the examples"));
    assert!(!digits("1").contains("each thread"));
    assert_eq!(refused(&["emit", "--threads", "0", "examples/digits.nn"]).0, 2);
}

#[test]
fn entries_of_the_library_are_shown() {
    assert!(printed(&["show"]).lines().count() > 20);
    assert!(printed(&["show", "softmax"]).contains("fn softmax(z[K]) -> p[K]"));
    let (code, message) = refused(&["show", "sofmax"]);
    assert_eq!(code, 1);
    assert!(message.contains("did you mean `softmax`?"), "{message}");
}

#[test]
fn files_are_formatted_in_place_and_only_once() {
    let folder = folder();
    let path = folder.path().join("a.nn").display().to_string();
    fs::write(&path, "net   a{\n input x[ 2 ]\n  loss=x[0]  # kept\n}\n").expect("it can be written");
    assert_eq!(refused(&["fmt", "--check", &path]).0, 1);
    printed(&["fmt", &path]);
    let formatted = fs::read_to_string(&path).expect("it is there");
    assert!(formatted.contains("# kept"), "{formatted}");
    printed(&["fmt", "--check", &path]);
}

#[test]
fn endings_tell_whose_fault_it_was() {
    assert_eq!(refused(&["run"]).0, 2);
    assert_eq!(refused(&["run", "absent.nn"]).0, 1);
    let (code, message) = refused(&["run", "examples/xor.nn", "--set", "epoch=3"]);
    assert_eq!(code, 1);
    assert!(message.contains("did you mean `epochs`?"), "{message}");
    let (code, message) = refused(&["run", "--json", "examples/xor.nn", "--set", "epoch=3"]);
    assert_eq!(code, 1);
    let first = message.lines().next().expect("a message");
    let told: serde_json::Value = serde_json::from_str(first).expect("messages are JSON too");
    assert_eq!(told["severity"], "error");
}

#[test]
fn a_run_that_diverges_says_where() {
    let (code, message) =
        refused(&["run", "examples/iris.nn", "--set", "optimizer=sgd(lr = 1e38)", "--epochs", "50"]);
    assert_eq!(code, 1);
    assert!(message.contains("E0703") && message.contains("step"), "{message}");
}

#[test]
fn the_library_is_listed_by_kind() {
    let text = printed(&["library"]);
    let kinds: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect();
    let expected = "activation loss layer initialiser optimizer schedule metric augmentation clip gate draw"
        .split(' ')
        .collect::<Vec<_>>();
    assert_eq!(kinds, expected);
    assert!(text.contains("  softmax                 Probabilities in proportion to exp(z)"), "{text}");
    let lines = printed(&["library", "schedule", "--json"]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.iter().all(|line| line["kind"] == "schedule" && line["doc"].is_string()), "{lines:?}");
    assert!(lines.iter().any(|line| line["name"] == "one_cycle"));
}

#[test]
fn an_entry_is_shown_as_it_is_written_and_a_gate_with_its_derivative() {
    assert_eq!(
        printed(&["show", "mse"]).lines().last(),
        Some("fn mse(p[..S], y[..S]) = mean[..S] (p[..S] - y[..S])^2")
    );
    let both = printed(&["show", "cosine"]);
    assert!(both.contains("\nfn cosine(") && both.contains("\nschedule cosine("), "{both}");
    assert!(printed(&["show", "tanh"]).contains("a_bar = g * (1 - y * y), where g is y_bar"));
    assert!(printed(&["show", "uniform"]).contains("x ~ uniform(...)"));
    let (code, message) = refused(&["show", "sofmax"]);
    assert!(code == 1 && message.contains("did you mean `softmax`?"), "{message}");
}

#[test]
fn a_bad_number_is_named_with_its_step_example_line_and_operands() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = folder.path().join("bad.nn").display().to_string();
    let text = "data d = table {\n  x   y\n  1   1\n  2   0\n  3   1\n  0   1\n}\nnet n {\n  input x\n  target y\n  \
                param w = 1\n  h    = log(x)\n  loss = (w * h - y)^2\n}\ntrain n on d {\n  optimizer = sgd(lr = 0.1)\n  \
                batch = 2\n  epochs = 3\n}\n";
    fs::write(&model, text).expect("it can be written");
    let (code, message) = refused(&["run", &model]);
    assert_eq!(code, 1);
    for words in
        ["E0703", "example 3: log(0) is -inf", "in the loss (`h`)", "h    = log(x)", "epoch 1", "1e-7"]
    {
        assert!(message.contains(words), "{words}: {message}");
    }
    // The weights grow beyond all bounds: the update, or what they are multiplied with.
    let (_, message) =
        refused(&["run", "examples/iris.nn", "--set", "optimizer=sgd(lr = 1e38)", "--epochs", "50"]);
    assert!(message.contains("the first number of step") && message.contains("learning rate"), "{message}");
}

#[test]
fn gates_rules_and_codes_are_explained() {
    let tanh = printed(&["explain", "tanh"]);
    assert!(tanh.contains("a_bar = y_bar * (1 - y * y)") && tanh.contains("(1 - y^2)"), "{tanh}");
    assert!(printed(&["explain", "E0105"]).contains("error[E0105]"));
    assert!(printed(&["explain", "1 * a"]).contains("1 * a => a"));
    let all: Vec<serde_json::Value> = printed(&["explain", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect();
    assert!(all.len() > 100 && all.iter().any(|row| row["kind"] == "rewrite"));
    let (code, message) = refused(&["explain", "tannh"]);
    assert!(code == 1 && message.contains("did you mean `tanh`?"), "{message}");
}

#[test]
fn one_example_is_traced_from_end_to_end() {
    let rows: Vec<serde_json::Value> =
        printed(&["trace", "examples/xor.nn", "--example", "1", "--json", "--full"])
            .lines()
            .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
            .collect();
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    let place = |name: &str| {
        names.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name}: {names:?}"))
    };
    assert!(place("x") < place("h.dense.y") && place("h.dense.y") < place("h") && place("h") < place("p"));
    let row = |name: &str| &rows[place(name)];
    assert_eq!(row("x")["value"]["data"], serde_json::json!([0.0, 1.0]));
    assert_eq!((row("h")["line"].as_u64(), row("p")["line"].as_u64()), (Some(15), Some(16)));
    let number = |name: &str, what: &str| row(name)[what]["data"][0].as_f64().expect("a number");
    let (p, y) = (number("p", "value"), number("y", "value"));
    assert!((number("p", "gradient") - 2.0 * (p - y)).abs() < 1e-6);
    assert!(row("y")["gradient"].is_null(), "a target has no gradient");
    let table = printed(&["trace", "examples/lenet.nn"]);
    assert!(table.lines().count() > 20 && table.contains("6 x 28 x 28"), "{table}");
    assert!(refused(&["trace", "examples/xor.nn", "--example", "9"]).1.contains("E0607"));
    assert!(refused(&["trace", "examples/xor.nn", "--value", "q"]).1.contains("E0201"));
}

#[test]
fn two_programs_are_compared_with_their_gradients() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = fs::read_to_string(path("xor.nn")).expect("the example");
    fs::write(path("other.nn"), text.replace("|> tanh", "|> relu").replace("lr = 0.5", "lr = 0.1"))
        .expect("written");
    assert_eq!(printed(&["diff", &path("xor.nn"), &path("xor.nn")]), "no difference\n");
    let told = printed(&["diff", &path("xor.nn"), &path("other.nn")]);
    for line in [
        "  - h = x |> dense(8) |> tanh",
        "  + h = x |> dense(8) |> relu",
        "  - h_dense_y_bar[m] = ",
        "  + optimizer = sgd(lr = 0.1)",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("p_bar[i]"), "what is the same is not told: {told}");
    let rows = printed(&["diff", "--json", &path("xor.nn"), &path("other.nn")]);
    let first: serde_json::Value =
        serde_json::from_str(rows.lines().next().expect("a change")).expect("JSON");
    assert!(first["part"].is_string() && first["before"].is_string(), "{first}");
}

#[test]
fn a_run_ends_with_the_health_of_its_layers() {
    let run = |name: &str| {
        let output = nnc(&["run", &format!("examples/health/{name}.nn")]);
        assert!(output.status.success(), "{name}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (text(output.stdout), text(output.stderr))
    };
    let (table, told) = run("sigmoids");
    assert!(table.contains("stack.0.y.dense") && table.contains("of themselves"), "{table}");
    assert!(told.contains("W0404") && told.contains("W0501") && told.contains("`stack.0.y.dense`"), "{told}");
    assert_eq!(run("tanhs").1, "");
    let told = run("unclipped").1;
    assert!(told.contains("W0502") && told.contains("explodes at `U`") && told.contains("clip"), "{told}");
    assert_eq!(run("clipped").1, "");
    let rows = printed(&["run", "--json", "examples/xor.nn"]);
    let health = rows.lines().find(|row| row.contains("\"health\"")).expect("an event");
    let health: serde_json::Value = serde_json::from_str(health).expect("JSON");
    assert_eq!(health["layers"][0]["path"], "h.dense");
    assert!(
        health["layers"][0]["readings"].as_array().is_some_and(|readings| readings.len() >= 4),
        "{health}"
    );
}

#[test]
fn a_run_that_stops_at_a_bad_number_tells_its_health_up_to_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = folder.path().join("line.nn").display().to_string();
    let text = "data d = table {\n  x   y\n  10  1\n  20  3\n}\nnet n {\n  input x\n  target y\n  param w = 1\n  \
                loss = (w * x - y)^2\n}\ntrain n on d {\n  optimizer = sgd(lr = 1)\n  batch = 2\n  epochs = 50\n}\n";
    fs::write(&model, text).expect("it can be written");
    let output = nnc(&["run", &model]);
    let (table, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(table.contains("a step moves the weights by") && told.contains("W0502"), "{table}{told}");
    assert!(told.find("W0502") < told.find("E0703"), "{told}");
}

#[test]
fn a_small_net_is_told_gate_by_gate() {
    let table = printed(&["trace", "--scalar", "examples/xor.nn", "--example", "1"]);
    let row = table.lines().find(|line| line.contains(" h[3] ")).expect("a hidden unit");
    assert!(row.contains("tanh(h.dense.y[3])") && row.trim_start().starts_with("15 "), "{row}");
    let last = table.lines().last().expect("the loss");
    assert!(last.contains("loss") && last.ends_with("the loss itself"), "{last}");
    // With all examples at once it is the gradient of a step, of native code.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("xor.safetensors").display().to_string();
    let inputs = folder.path().join("table.safetensors").display().to_string();
    printed(&["run", "examples/xor.nn", "--epochs", "3", "--save", &file]);
    let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (x, y) = (bytes(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]), bytes(&[0.0, 1.0, 1.0, 0.0]));
    let view = |data, n: usize| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![4, n], data).expect("a tensor")
    };
    let views = [("x", view(&x, 2)), ("y", view(&y, 1))];
    safetensors::serialize_to_file(views, None, Path::new(&inputs)).expect("it can be written");
    let native =
        printed(&["eval", "examples/xor.nn", "--json", "--grad", "--params", &file, "--inputs", &inputs]);
    let tensors: Vec<serde_json::Value> =
        native.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let gates = printed(&["trace", "--scalar", "--json", "examples/xor.nn", "--batch", "4", "--step", "3"]);
    let gates: Vec<serde_json::Value> =
        gates.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let gradient = |label: &str| {
        gates.iter().find(|gate| gate["label"] == label).expect("a parameter")["gradient"]
            .as_f64()
            .expect("a number")
    };
    for (name, unit) in [("h_dense_b_bar", 8), ("p_dense_b_bar", 1)] {
        let tensor = tensors.iter().find(|tensor| tensor["name"] == name).expect("a gradient");
        for k in 0..unit {
            let label = format!("{}[{k}]", name.trim_end_matches("_bar").replace('_', "."));
            let (native, gate) = (tensor["data"][k].as_f64().expect("a number"), gradient(&label));
            assert!((native - gate).abs() < 1e-6, "{label}: native {native}, gate by gate {gate}");
        }
    }
    let (code, message) = refused(&["trace", "--scalar", "examples/lenet.nn"]);
    assert!(
        code == 1 && message.contains("E0902") && message.contains("without `--scalar`")
            || message.contains("leave out"),
        "{message}"
    );
    let (code, message) = refused(&["draw", "--scalar", "examples/xor.nn", "--step", "2001"]);
    assert!(code == 1 && message.contains("2000 steps in all"), "{message}");
}

#[test]
fn nets_are_drawn_in_every_format() {
    let draw = |format: &str, example: &str| {
        printed(&["draw", "--format", format, &format!("examples/{example}.nn")])
    };
    for example in example_names() {
        let svg = draw("svg", &example);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{example}");
        assert!(svg.contains("forward") && svg.contains("backward") && svg.contains("_bar"), "{example}");
    }
    assert!(draw("dot", "xor").contains("\"h\" -> \"p.dense.y\""));
    let picture: serde_json::Value = serde_json::from_str(&draw("json", "lenet")).expect("JSON");
    assert!(picture["boxes"].as_array().is_some_and(|boxes| boxes.len() > 20));
    let page = printed(&["draw", "--format", "html", "--example", "1", "examples/xor.nn"]);
    assert!(
        page.contains("\"gradient\":{") && !page.contains("http://") || page.matches("http").count() == 1,
        "nothing from elsewhere"
    );
}

#[test]
fn a_bench_tells_speed_and_shares() {
    let folder = folder();
    let model = folder.path().join("iris.nn").display().to_string();
    let told = printed(&["bench", &model, "--seconds", "0.2", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert!(told["steps_per_second"].as_f64().expect("a rate") > 0.0);
    let steps = told["steps"].as_array().expect("steps");
    let share: f64 = steps.iter().map(|step| step["share"].as_f64().expect("a share")).sum();
    assert!((share - 1.0).abs() < 1e-6, "the shares are of the whole: {share}");
    assert!(steps.iter().any(|step| step["what"] == "loss" || step["operations"].as_u64() > Some(0)));
    let text = printed(&["bench", &model, "--seconds", "0.2", "--top", "2"]);
    assert!(text.contains("steps a second") && text.contains("others"), "{text}");
}

/// The parameters in a file: its header also tells the time that the run took.
fn numbers(path: &str) -> Vec<u8> {
    let bytes = fs::read(path).expect("parameters");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    bytes[8 + header..].to_vec()
}

#[test]
fn a_profile_tells_the_lines_and_changes_no_bit() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (model, plain, profiled) = (path("iris.nn"), path("plain.safetensors"), path("profiled.safetensors"));
    printed(&["run", &model, "--epochs", "4", "--save", &plain]);
    let run = ["run", "--profile=library", &model, "--epochs", "4", "--json", "--save", &profiled];
    let events = printed(&run);
    assert_eq!(numbers(&plain), numbers(&profiled));
    let told: Vec<serde_json::Value> =
        events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let profile = told.iter().find(|event| event["event"] == "profile").expect("a profile");
    let rows = |of: &str| profile[of].as_array().expect("rows").clone();
    let share = |row: &serde_json::Value| row["share"].as_f64().expect("a share");
    let all: f64 = rows("lines").iter().chain(&rows("others")).map(share).sum();
    assert!((all - 1.0).abs() < 1e-6, "{all}");
    assert_eq!(profile["steps"], 4 * 8);
    let lines = rows("lines");
    let logits = lines.iter().find(|line| line["text"].as_str().expect("text").starts_with("logits"));
    let logits = logits.expect("a line of the program");
    assert!(logits["forward"].as_f64() > Some(0.0) && logits["backward"].as_f64() > Some(0.0));
    let library = logits["library"].as_array().expect("lines of the library");
    assert!(
        library.iter().any(|line| line["file"] == "prelude/layers.nn" && line["path"] != ""),
        "{library:?}"
    );

    let text = printed(&["run", &model, "--profile", "--epochs", "2"]);
    let table = &text[text.find("time of 16 steps").expect("a table")..];
    let at = |what: &str| table.find(what).unwrap_or_else(|| panic!("`{what}` is told: {table}"));
    assert!(at("logits = x |>") < at("loss  ") && at("loss  ") < at("optimizer = "), "{table}");
    assert!(at("optimizer = ") < at("figures after epochs") && at("figures") < at("100.0 %"), "{table}");
    // A run that goes on tells of its own steps alone; without steps there is nothing to tell.
    let on = printed(&["run", &model, "--resume", &plain, "--epochs", "5", "--profile"]);
    assert!(on.contains("time of 8 steps"), "{on}");
    assert!(printed(&["run", &model, "--profile", "--epochs", "0"]).contains("no step was run"));
    assert_eq!(refused(&["run", &model, "--profile=kernels"]).0, 2);
}

#[test]
fn examples_are_seen_as_they_stand_where_they_are_not_shuffled() {
    let folder = folder();
    let model = folder.path().join("iris.nn").display().to_string();
    let run = |shuffle: &str, seed: &str| {
        let file = folder.path().join("w.safetensors").display().to_string();
        let first = folder.path().join("first.safetensors").display().to_string();
        printed(&["run", &model, "--epochs", "0", "--seed", "1", "--save", &first]);
        printed(&[
            "run", &model, "--epochs", "1", "--seed", seed, "--set", shuffle, "--load", &first, "--save",
            &file,
        ]);
        fs::read(file).expect("parameters")
    };
    let tail = |bytes: Vec<u8>| bytes[bytes.len() - 64..].to_vec();
    assert_eq!(tail(run("shuffle=false", "1")), tail(run("shuffle=false", "2")), "no seed moves them");
    assert_ne!(tail(run("shuffle=true", "1")), tail(run("shuffle=true", "2")), "another seed, another order");
    let (code, wrong) = refused(&["check", &model, "--set", "shuffle=3"]);
    assert!(code == 1 && wrong.contains("shuffle"), "{wrong}");
}

#[test]
fn threads_change_no_bit() {
    let folder = folder();
    let model = folder.path().join("digits.nn").display().to_string();
    let run = |threads: &str| {
        let file = folder.path().join(format!("by{threads}.safetensors")).display().to_string();
        printed(&[
            "run",
            &model,
            "--epochs",
            "1",
            "--set",
            "batch=256",
            "--threads",
            threads,
            "--save",
            &file,
        ]);
        numbers(&file)
    };
    assert_eq!(run("1"), run("2"));
    // Nor what is told of a step, in whatever order threads do it.
    let step = |threads: &str| {
        let text = printed(&["run", "examples/digits.nn", "--epochs", "1", "--threads", threads]);
        let line =
            text.lines().find(|line| line.contains("kept for the backward pass")).expect("a line of it");
        line.split("; compiled").next().map(str::to_string)
    };
    assert_eq!(step("1"), step("2"));
    let (code, _) = refused(&["run", &model, "--threads", "0"]);
    assert_eq!(code, 2);
}
