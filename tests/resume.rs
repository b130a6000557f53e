//! A run that was interrupted, or killed, goes on to the very bits of the unbroken run.
//!
//! A few kills run with every `cargo test`; `NNC_KILLS=200 cargo test --release --test resume` runs as many as one likes.

mod browser;

use nnc::runtime::checkpoint::{Loaded, load};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn nnc(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn done(args: &[&str]) -> Output {
    let output = nnc(args).output().expect("nnc starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Every number of a checkpoint, by its bits; and the records of the run.
fn bits(path: &Path) -> (Vec<(String, Vec<u64>)>, String) {
    let Loaded { tensors, metadata, .. } = load(path).expect("a checkpoint can be read at any time");
    let tensors =
        tensors.into_iter().map(|t| (t.name, t.data.iter().map(|x| x.to_bits()).collect())).collect();
    let run = &metadata.iter().find(|(key, _)| key == "training").expect("a run").1;
    (tensors, run.clone())
}

/// A net with dropout, batch statistics, Adam, `keep` and `stop`, whose epochs are some milliseconds.
const MODEL: &str = "
data flowers {
  rows = csv(\"iris.csv\")
  x[4] = standardize(rows[sepal_length, sepal_width, petal_length, petal_width])
  y    = class(rows[species])
  test = 20%
  validation = 20%
}
net kinds(M = 64) {
  input  x[4]
  target y: class(3)
  z    = x |> dense(M) |> batchnorm |> relu |> dropout(0.3) |> dense(M) |> relu |> dense(3)
  loss = cross_entropy(z, y)
  metric accuracy = accuracy(z, y)
}
train kinds on flowers {
  optimizer = adam(lr = cosine(3e-3, warmup = 20))
  batch  = 4
  epochs = 60
  keep   = lowest(validation.loss)
  stop   = stalls(lowest(validation.loss), epochs = 50)
  clip   = norm(1.0)
  seed   = 3
}
";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("model.nn"), MODEL).expect("written");
        fs::copy("examples/data/iris.csv", folder.path().join("iris.csv")).expect("the flowers");
        Place(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bits() {
    let place = Place::new();
    let (model, whole) = (place.text("model.nn"), place.text("whole"));
    done(&["run", &model, "--save", &whole]);
    let expected = bits(&place.path("whole"));
    let kills = std::env::var("NNC_KILLS").map_or(6, |kills| kills.parse().expect("a number"));
    let (mut within, mut random) = (0, 7u64);
    for k in 0..kills {
        let name = format!("killed{k}");
        let file = place.text(&name);
        let mut args = vec!["run", &model, "--save", &file, "--every", "1"];
        // Killed again and again until it is done.
        for round in 0.. {
            let mut running = nnc(&args).spawn().expect("nnc starts");
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            std::thread::sleep(Duration::from_millis(20 + (random >> 33) % 150));
            // After some rounds it may run to its end.
            if round < 4 {
                _ = running.kill();
            }
            let ended = running.wait().expect("it ends");
            if place.path(&name).exists() {
                _ = bits(&place.path(&name));
                args = vec!["run", &model, "--resume", &file, "--every", "1"];
                within += usize::from(!ended.success());
            }
            if ended.success() {
                break;
            }
        }
        assert_eq!(bits(&place.path(&name)), expected, "kill {k}");
        let left: Vec<_> =
            fs::read_dir(place.0.path()).expect("a folder").map(|e| e.expect("a file").path()).collect();
        for file in left.iter().filter(|path| path.to_string_lossy().ends_with(".part")) {
            fs::remove_file(file).expect("what a kill leaves beside can go");
        }
    }
    assert!(within > 0, "no kill came between two checkpoints");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_how_it_goes_on() {
    let place = Place::new();
    let (model, whole, file) = (place.text("model.nn"), place.text("whole"), place.text("file"));
    done(&[
        "run",
        &model,
        "--save",
        &whole,
        "--epochs",
        "4000",
        "--set",
        "stop=stalls(lowest(validation.loss), epochs=9999)",
    ]);
    let running = nnc(&[
        "run",
        &model,
        "--profile",
        "--save",
        &file,
        "--epochs",
        "4000",
        "--set",
        "stop=stalls(lowest(validation.loss), epochs=9999)",
    ])
    .spawn()
    .expect("nnc starts");
    std::thread::sleep(Duration::from_millis(400));
    let signal = Command::new("kill").args(["-INT", &running.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    let output = running.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return; // It was done before.
    }
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("interrupted after step") && told.contains("--resume"), "{told}");
    assert!(told.contains("by the lines of the program"), "what was run has its profile: {told}");
    let (_, run) = bits(&place.path("file"));
    let run: serde_json::Value = serde_json::from_str(&run).expect("JSON");
    assert!(run["step"].as_u64().expect("a number") > 0);
    // The settings of the first command are those of the second.
    done(&["run", &model, "--resume", &file]);
    assert_eq!(bits(&place.path("file")), bits(&place.path("whole")));
}

#[test]
fn what_cannot_go_on_is_told() {
    let place = Place::new();
    let (model, file) = (place.text("model.nn"), place.text("file"));
    done(&["run", &model, "--save", &file, "--epochs", "2"]);
    let refused = |args: &[&str]| {
        let output = nnc(args).output().expect("nnc starts");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // Other data.
    let flowers = fs::read_to_string(place.path("iris.csv")).expect("the flowers");
    fs::write(place.path("iris.csv"), flowers.replacen("5.1", "5.2", 1)).expect("written");
    assert!(refused(&["run", &model, "--resume", &file]).contains("began with other data"));
    fs::write(place.path("iris.csv"), flowers).expect("written");
    // Another size of layer; another optimizer.
    assert!(refused(&["run", &model, "--resume", &file, "--set", "M=8"]).contains("of another shape"));
    let told = refused(&["run", &model, "--resume", &file, "--set", "optimizer=adadelta()"]);
    assert!(told.contains("E0704"), "{told}");
    // A changed program goes on, with a warning.
    fs::write(place.path("model.nn"), MODEL.replace("0.3", "0.4")).expect("written");
    let told = done(&["run", &model, "--resume", &file, "--epochs", "3"]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("W0302"));
    // A file of a later nnc.
    let bytes = fs::read(place.path("file")).expect("a file");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("nnc checkpoint 1"));
    let at = bytes.windows(16).position(|w| w == b"nnc checkpoint 1").expect("the version");
    let mut later = bytes.clone();
    later[at + 15] = b'9';
    fs::write(place.path("later"), later).expect("written");
    let later = place.text("later");
    assert!(refused(&["test", &model, "--load", &later]).contains("version 9"));
    // A folder that is not there: what is learned is not lost by a slip that can be seen before.
    let told = refused(&["run", &model, "--save", "/no/such/folder/file", "--epochs", "1"]);
    assert!(told.contains("E0705"), "{told}");
}

#[test]
fn a_write_that_fails_loses_nothing() {
    let place = Place::new();
    let (model, file) = (place.text("model.nn"), place.text("file"));
    done(&["run", &model, "--save", &file, "--epochs", "2"]);
    let before = fs::read(place.path("file")).expect("a file");
    // A limit on the size of files stands for a full disk.
    for kilobytes in [0, 1, 8, 32] {
        let script = format!(
            "ulimit -f {kilobytes}; trap '' XFSZ; exec \"$0\" run \"$1\" --resume \"$2\" --epochs 4 --every 1"
        );
        let output =
            Command::new("bash").args(["-c", &script, env!("CARGO_BIN_EXE_nnc"), &model, &file]).output();
        let output = output.expect("bash starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("E0705") && told.contains("what was saved before is still there"), "{told}");
        assert!(fs::read(place.path("file")).expect("a file") == before);
        let parts = fs::read_dir(place.0.path()).expect("a folder");
        assert!(
            parts.map(|e| e.expect("a file").path()).all(|path| !path.to_string_lossy().ends_with(".part"))
        );
    }
}

#[test]
fn runs_have_folders_that_can_be_compared() {
    let place = Place::new();
    let (model, runs) = (place.text("model.nn"), place.text("runs"));
    for width in ["M=4", "M=8"] {
        done(&["run", &model, "--out", &runs, "--epochs", "3", "--set", width]);
    }
    let text = |args: &[&str]| String::from_utf8(done(args).stdout).expect("text");
    let history = fs::read_to_string(place.path("runs/kinds-1/history.csv")).expect("a history");
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines[0], "epoch,step,seconds,loss,validation.loss,validation.accuracy,best");
    assert_eq!(lines.len(), 4);
    assert!(lines[3].starts_with("3,69,"), "{history}");
    let events =
        fs::read(place.path("runs/kinds-1/events.out.tfevents.nnc")).expect("what TensorBoard reads");
    let tells = |tag: &str| events.windows(tag.len()).filter(|part| *part == tag.as_bytes()).count();
    assert_eq!([tells("loss/train"), tells("accuracy/validation"), tells("accuracy/test")], [3, 3, 1]);
    assert_eq!(fs::read_to_string(place.path("runs/kinds-2/model.nn")).expect("the program"), MODEL);
    let listed = text(&["runs", &runs]);
    let head = listed.lines().next().expect("a header");
    assert!(head.starts_with("run      state  M  epochs") && head.contains("test.accuracy"), "{listed}");
    assert_eq!(listed.lines().count(), 3);
    let sorted: Vec<serde_json::Value> = text(&["runs", &runs, "--json", "--sort", "validation.loss"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let loss = |k: usize| sorted[k]["figures"]["validation.loss"].as_f64().expect("a number");
    assert!(loss(0) <= loss(1));
    let told = nnc(&["runs", &runs, "--sort", "validation.los"]).output().expect("nnc starts");
    assert!(String::from_utf8_lossy(&told.stderr).contains("did you mean `validation.loss`?"));
    // A run in a folder goes on as any other.
    let checkpoint = place.text("runs/kinds-1/checkpoint.safetensors");
    done(&["run", &model, "--resume", &checkpoint, "--epochs", "5"]);
    let tested = text(&["test", &model, "--load", &checkpoint, "--part", "test", "--json"]);
    assert!(tested.contains("\"part\":\"test\""), "{tested}");
}

/// The page of a run is looked at in a real browser, where there is one.
#[test]
fn a_run_has_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("report.html");
    let path = page.to_str().expect("text");
    let digits = ["run", "examples/digits.nn", "--epochs", "3", "--report", path];
    assert!(nnc(&digits).output().expect("nnc starts").status.success());
    let text = fs::read_to_string(&page).expect("a page");
    for what in [
        "<h2>Curves</h2>",
        "What is taken for what: y",
        "The worst examples",
        "data:image/png;base64,",
        "<h2>Gradients</h2>",
        "first",
    ] {
        assert!(text.contains(what), "{what}");
    }
    assert!(!text.contains("http"), "the page needs nothing beside it");
    // Every example of the part is counted once.
    let cells = text
        .split("class=\"confusion\"")
        .nth(1)
        .and_then(|rest| rest.split("</table>").next())
        .expect("a table");
    let counts = cells
        .split("<td")
        .skip(1)
        .filter_map(|cell| cell.split('>').nth(1)?.split('<').next()?.parse::<u32>().ok());
    assert_eq!(counts.sum::<u32>(), 359);
    assert_eq!(text.matches("<li>").count(), 12);
    browser::is_drawn(&page, folder.path());
    // A run without classes has a page too, with what it estimates against what that should be.
    let numbers = ["run", "examples/michaelis_menten.nn", "--epochs", "1", "--report", path];
    assert!(nnc(&numbers).output().expect("nnc starts").status.success());
    let text = fs::read_to_string(&page).expect("a page");
    for what in ["<h2>Gradients</h2>", "predicted against rate", "data:image/svg+xml;base64,"] {
        assert!(text.contains(what), "{what}");
    }
    assert_eq!(text.matches("class=\"dot").count(), 12, "a dot an example");
}
