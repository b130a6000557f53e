//! `nnc sweep` and `nnc tune` as a user gives them.

mod browser;
mod command;

use command::{nnc, printed};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const EXAMPLE: &str = "examples/sweep.nn";

/// The last object that a command prints as JSON.
fn ended(args: &[&str]) -> Value {
    let text = printed(args);
    serde_json::from_str(text.lines().last().expect("an end")).expect("JSON")
}

/// A sweep in a folder; its end, without the times.
fn swept(model: &str, folder: &Path, more: &[&str]) -> Value {
    let folder = folder.display().to_string();
    let mut end = ended(&[&["sweep", model, "--json", "--out", &folder], more].concat());
    without_times(&mut end);
    end
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("seconds");
            map.values_mut().for_each(without_times);
        }
        Value::Array(list) => list.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// The example with another way to search, beside its data.
fn with_search(folder: &Path, search: &str) -> String {
    fs::create_dir_all(folder.join("data")).expect("a folder");
    fs::copy("examples/data/iris.csv", folder.join("data/iris.csv")).expect("the data");
    let text = fs::read_to_string(EXAMPLE).expect("the example");
    let path = folder.join("sweep.nn");
    let changed = text.replace("random(16, seed = 1)", search);
    assert!(changed.contains(search));
    fs::write(&path, changed).expect("writable");
    path.display().to_string()
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn any_number_of_threads_gives_the_same_and_the_command_gives_it_again() {
    let folder = temporary();
    let one = swept(EXAMPLE, &folder.path().join("one"), &["--threads", "1"]);
    let two = swept(EXAMPLE, &folder.path().join("two"), &["--threads", "2"]);
    assert_eq!(one, two);
    assert_eq!(one["points"].as_array().map(Vec::len), Some(16));
    // The best point, run again by the command that is told, gives the figures that decided.
    let command = one["command"].as_str().expect("a command");
    let output = Command::new("sh")
        .args(["-c", &format!("{} --json", command.replacen("nnc", env!("CARGO_BIN_EXE_nnc"), 1))])
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("text");
    let again: Value = serde_json::from_str(text.lines().last().expect("an end")).expect("JSON");
    assert_eq!(again["figures"], one["points"][0]["trials"][0]["figures"]);
    let means: Vec<f64> = one["points"]
        .as_array()
        .expect("points")
        .iter()
        .map(|point| point["mean"].as_f64().expect("none diverged"))
        .collect();
    assert!(means.is_sorted() && means[0] < 0.1, "{means:?}");
    let page = fs::read_to_string(folder.path().join("one/report.html")).expect("a page");
    assert!(
        page.contains("What mattered") && page.contains("<svg") && !page.contains("http"),
        "{}",
        page.len()
    );
    browser::is_drawn(&folder.path().join("one/report.html"), folder.path());
    let runs =
        printed(&["runs", &folder.path().join("one").display().to_string(), "--sort", "validation.loss"]);
    assert_eq!(runs.lines().count(), 33, "{runs}");
}

#[test]
fn a_sweep_goes_on_with_what_is_done() {
    let folder = temporary();
    let whole = swept(EXAMPLE, &folder.path().join("whole"), &[]);
    let trials = fs::read_to_string(folder.path().join("whole/trials.jsonl")).expect("trials");
    assert_eq!(trials.lines().count(), 32);
    // Half of them, and a line that was cut off.
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).expect("a folder");
    let half: usize = trials.lines().take(16).map(|line| line.len() + 1).sum();
    fs::write(broken.join("trials.jsonl"), &trials[..half + 40]).expect("writable");
    let text = printed(&["sweep", EXAMPLE, "--out", &broken.display().to_string()]);
    assert!(text.contains("16 of 32 runs are there already"), "{text}");
    assert_eq!(swept(EXAMPLE, &broken, &[]), whole);
    let after = fs::read_to_string(broken.join("trials.jsonl")).expect("trials");
    assert_eq!(after.lines().count(), 33, "16 that were there, the cut one, 16 new");
}

#[test]
fn a_sweep_that_was_killed_goes_on_to_the_same_end() {
    for search in ["random(40, seed = 3)", "halving(27, seed = 3)"] {
        let folder = temporary();
        let model = with_search(folder.path(), search);
        let whole = swept(&model, &folder.path().join("whole"), &[]);
        let killed = folder.path().join("killed");
        for wanted in [3, 20, 50] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_nnc"))
                .args(["sweep", &model, "--out"])
                .arg(&killed)
                .stdout(Stdio::null())
                .spawn()
                .expect("nnc starts");
            let lines =
                || fs::read_to_string(killed.join("trials.jsonl")).map_or(0, |text| text.lines().count());
            while lines() < wanted && child.try_wait().expect("a child").is_none() {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            _ = child.kill();
            child.wait().expect("a child");
        }
        assert_eq!(swept(&model, &killed, &[]), whole, "{search}");
    }
}

#[test]
fn halving_pauses_and_goes_on_to_the_bits_of_the_unbroken_run() {
    let folder = temporary();
    let model = with_search(folder.path(), "halving(9, seed = 2)");
    let end = swept(&model, &folder.path().join("out"), &[]);
    let epochs: Vec<Vec<u64>> = end["points"]
        .as_array()
        .expect("points")
        .iter()
        .map(|point| {
            let trials = point["trials"].as_array().expect("trials");
            trials.iter().map(|trial| trial["epochs"].as_u64().expect("epochs")).collect()
        })
        .collect();
    assert_eq!(epochs.len(), 9);
    assert_eq!(epochs.iter().map(|of| of[0]).collect::<Vec<_>>(), [40, 14, 14, 5, 5, 5, 5, 5, 5]);
    let trial = &end["points"][0]["trials"][1];
    let set: Vec<String> = trial["settings"]
        .as_array()
        .expect("settings")
        .iter()
        .flat_map(|pair| {
            ["--set".to_string(), format!("{}={}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap())]
        })
        .collect();
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let unbroken = ended(&[&["run", &model, "--json", "--seed", "2"], &set[..]].concat());
    assert_eq!(unbroken["figures"], trial["figures"]);
    let left: Vec<_> = fs::read_dir(folder.path().join("out")).expect("a folder").collect();
    assert_eq!(left.len(), 2, "trials and page: what paused is gone");
}

#[test]
fn whole_numbers_are_drawn_for_what_is_one() {
    let folder = temporary();
    let model = with_search(folder.path(), "random(6, seed = 2)");
    let text = fs::read_to_string(&model).expect("readable");
    let text = text
        .replace(
            "over hidden       = [4, 8, 16, 32]",
            "over hidden ~ log_uniform(4, 64)\n  over batch ~ uniform(8, 32)",
        )
        .replace("over act          = [tanh, relu, sigmoid]", "over optimizer.beta1 ~ uniform(0, 1)")
        .replace("over optimizer    = [sgd(momentum = 0.9), adam]", "")
        .replace("seeds  = 2", "seeds  = 1");
    fs::write(&model, text).expect("writable");
    let end = swept(&model, &folder.path().join("out"), &["--epochs", "2"]);
    let points = end["points"].as_array().expect("points");
    assert_eq!(points.len(), 6);
    for point in points {
        assert_eq!(point["trials"][0]["state"], "done", "{point}");
        let value = |name: &str| {
            let settings = point["settings"].as_array().expect("settings");
            let pair = settings.iter().find(|pair| pair[0] == name).expect("a setting");
            pair[1].as_str().expect("text").to_string()
        };
        assert!((4..=64).contains(&value("hidden").parse::<u32>().expect("whole")), "{point}");
        assert!((8..=32).contains(&value("batch").parse::<u32>().expect("whole")), "{point}");
        assert!(value("optimizer.beta1").contains('.'), "{point}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_keeps_what_is_done_and_says_how_to_go_on() {
    let folder = temporary();
    let model = with_search(folder.path(), "random(60, seed = 4)");
    let more = ["--epochs", "60", "--threads", "2"];
    let whole = swept(&model, &folder.path().join("whole"), &more);
    let broken = folder.path().join("broken");
    let child = Command::new(env!("CARGO_BIN_EXE_nnc"))
        .args([&["sweep", &model, "--out", &broken.display().to_string()], &more[..]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nnc starts");
    let lines = || fs::read_to_string(broken.join("trials.jsonl")).map_or(0, |text| text.lines().count());
    while lines() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    let output = child.wait_with_output().expect("it ends");
    let (out, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{out}\n{told}");
    assert!(told.contains("ends after the runs that go on now"), "{told}");
    assert!(out.contains("the sweep was interrupted: the same command goes on with it"), "{out}");
    // What was done stays, the page of it too, and nothing of it is run again.
    let done = lines();
    assert!((3..120).contains(&done), "{done}");
    assert!(broken.join("report.html").exists());
    let before = fs::read_to_string(broken.join("trials.jsonl")).expect("trials");
    assert_eq!(swept(&model, &broken, &more), whole);
    let after = fs::read_to_string(broken.join("trials.jsonl")).expect("trials");
    assert!(after.starts_with(&before) && after.lines().count() == 120, "{}", after.lines().count());
}

#[test]
fn what_diverges_or_is_no_program_is_worst_and_stops_nothing() {
    let folder = temporary();
    let model = folder.path().join("grid.nn").display().to_string();
    let program = "data d = table {
  x[2]  y
  0 1   1
  1 0   2
  1 1   3
}
net n(width = 4, parts = 2) {
  input x[2], y
  size = width / parts
  param w[size] ~ normal(0, 1)
  loss = (x[0] + sum[i] w[i]^2 - y)^2
}
train n on d {
  optimizer = sgd(lr = 1e-2)
  epochs    = 60
}
sweep n {
  best = lowest(train.loss)
  over width        = [4, 6]
  over parts        = [2, 4]
  over optimizer.lr = [1e-3, 1e30]
}
";
    fs::write(&model, program).expect("writable");
    let end = swept(&model, &folder.path().join("out"), &[]);
    let states: Vec<&str> = end["points"]
        .as_array()
        .expect("points")
        .iter()
        .map(|point| point["trials"][0]["state"].as_str().expect("a state"))
        .collect();
    let count = |state: &str| states.iter().filter(|known| **known == state).count();
    assert_eq!((count("done"), count("diverged"), count("refused")), (3, 3, 2), "{states:?}");
    assert!(states[..3].iter().all(|state| *state == "done"), "{states:?}");
    assert_eq!(end["interrupted"], false);
}

#[test]
fn a_value_that_no_program_has_is_told_before_the_first_run() {
    let folder = temporary();
    let model = with_search(folder.path(), "grid");
    let text = fs::read_to_string(&model).expect("readable");
    let out = folder.path().join("out").display().to_string();
    let refused = |from: &str, to: &str| {
        fs::write(&model, text.replace(from, to).replace("~ log_uniform(1e-4, 1)", "= [1e-3]"))
            .expect("writable");
        let output = nnc(&["sweep", &model, "--out", &out]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let message = refused("momentum = 0.9), adam]", "momentum = 0.9), adan]");
    assert!(message.contains("with `optimizer = adan`") && message.contains("did you mean"), "{message}");
    let message = refused("[4, 8, 16, 32]", "[4, 0.5]");
    assert!(message.contains("with `hidden = 0.5`") && message.contains("E0"), "{message}");
    let message = refused("validation = 25%", "");
    assert!(message.contains("no validation part") && message.contains("E0706"), "{message}");
    assert!(!Path::new(&out).exists(), "nothing was run");
}

#[test]
fn a_setting_within_a_setting_is_as_if_it_were_written() {
    let figures =
        |args: &[&str]| ended(&[&["run", "--json", "--epochs", "5"], args].concat())["figures"].clone();
    let xor = |args: &[&str]| figures(&[&["examples/xor.nn"], args].concat());
    assert_eq!(xor(&["--set", "optimizer.lr=0.25"]), xor(&["--set", "optimizer=sgd(lr = 0.25)"]));
    assert_eq!(
        xor(&["--set", "optimizer.lr=0.25", "--set", "optimizer=adam"]),
        xor(&["--set", "optimizer=adam(lr = 0.25)"])
    );
    assert_ne!(xor(&["--set", "optimizer.lr=0.25"]), xor(&[]));
    let digits = |args: &[&str]| figures(&[&["examples/digits.nn"], args].concat());
    assert_eq!(
        digits(&["--set", "optimizer.lr.base=1e-2"]),
        digits(&["--set", "optimizer=adam(lr = cosine(1e-2, warmup = 100))"])
    );
    assert_eq!(digits(&["--set", "clip.limit=0.5"]), digits(&["--set", "clip=norm(0.5)"]));
    let output = nnc(&["run", "examples/digits.nn", "--set", "optimizer.beta3=1"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("E0203") && message.contains("did you mean `beta"), "{message}");
}

#[test]
fn a_rate_is_found_for_every_optimizer() {
    let library = printed(&["library", "optimizer", "--json"]);
    let names: Vec<String> = library
        .lines()
        .flat_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|entry| entry["name"].as_str().map(String::from))
        .collect();
    assert!(names.len() > 10, "{library}");
    for name in &names {
        let optimizer = format!("optimizer={name}");
        let args = ["tune", "lr", EXAMPLE, "--json", "--set", &optimizer, "--to", "1000"];
        let found = ended(&args);
        let [steepest, least, suggested] =
            ["steepest", "least", "suggested"].map(|key| found[key].as_f64().expect("a rate"));
        assert!(steepest < least && suggested == least / 10.0, "{name}: {found}");
        // With what is suggested it learns.
        let rate = format!("optimizer.lr={suggested:e}");
        let loss = ended(&["run", EXAMPLE, "--json", "--set", &optimizer, "--set", &rate]);
        let loss = loss["figures"]["train"]["loss"].as_f64().expect("a loss");
        assert!(loss < 0.3, "{name} at {suggested}: {loss}");
    }
}

#[test]
fn a_rate_is_found_in_place_of_a_schedule_and_shown() {
    let text = printed(&["tune", "lr", "examples/digits.nn", "--seeds", "1", "--steps", "100"]);
    assert!(
        text.contains("--set optimizer.lr=") && text.contains("steepest descent") && text.contains('•'),
        "{text}"
    );
    let output = nnc(&["tune", "lr", "examples/xor.nn", "--from", "0"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("E0706"));
}
