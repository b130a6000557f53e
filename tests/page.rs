//! The page that `nnc draw --format html` makes, in a real browser, where there is one: it shows, folds and lights up,
//! and nothing is complained of.

mod browser;

use browser::{HEADLESS, browser};
use std::path::Path;
use std::process::Command;

/// The page of an example at an address, as the browser has it after its script ran, and what the console said.
fn shown(browser: &str, folder: &Path, example: &str, address: &str) -> (String, String) {
    shown_of(browser, folder, &[&format!("examples/{example}.nn")], address)
}

/// The same of what `nnc draw` makes of such arguments.
fn shown_of(browser: &str, folder: &Path, drawn: &[&str], address: &str) -> (String, String) {
    let page = folder.join("page.html");
    let made = Command::new(env!("CARGO_BIN_EXE_nnc"))
        .args(["draw", "--format", "html"])
        .args(drawn)
        .arg("--out")
        .arg(&page)
        .output()
        .expect("nnc starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let output = Command::new(browser)
        .args(HEADLESS)
        .arg("--dump-dom")
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}{address}", page.display()))
        .output()
        .expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: String =
        said.lines().filter(|line| line.contains("CONSOLE")).map(|line| format!("{line}\n")).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), complaints)
}

#[test]
fn the_page_shows_folds_and_lights_up() {
    let Some(browser) = browser() else {
        eprintln!("no browser here: the page is not looked at");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let count = |page: &str, what: &str| page.matches(what).count();
    let (page, complaints) = shown(browser, folder.path(), "lenet", "#unfold");
    assert_eq!(complaints, "");
    assert!(count(&page, "class=\"box") > 30, "values and their cotangents");
    assert!(page.contains(">logits_bar<") || page.contains("logits_bar"), "the backward half");
    let (folded, complaints) = shown(browser, folder.path(), "lenet", "#fold");
    assert_eq!(complaints, "");
    assert!(count(&folded, "class=\"box") < count(&page, "class=\"box"), "layers are folded");
    assert!(folded.contains("box folded"), "{}", folded.len());
    let (lit, complaints) = shown(browser, folder.path(), "lenet", "#c1.w");
    assert_eq!(complaints, "");
    assert!(lit.contains("box param chosen lit"), "the parameter is chosen");
    assert!(count(&lit, "edge lit") > 10, "its way to the loss is lit");
    assert!(lit.contains("conv2d"), "its line is told");
}

#[test]
fn the_whiteboard_is_gone_through_gate_by_gate() {
    let Some(browser) = browser() else {
        eprintln!("no browser here: the page is not looked at");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let drawn = ["--scalar", "--step", "3", "examples/xor.nn"];
    let count = |page: &str, what: &str| page.matches(what).count();
    let (page, complaints) = shown_of(browser, folder.path(), &drawn, "");
    assert_eq!(complaints, "");
    assert!(count(&page, "class=\"node ") > 90, "gates, weights and data");
    assert_eq!(count(&page, "unfelt"), 3, "all is shown: the class is named in style and script alone");
    let (begun, complaints) = shown_of(browser, folder.path(), &drawn, "#step=5");
    assert_eq!(complaints, "");
    assert!(count(&begun, "gradient unfelt") > 90 && count(&begun, "value unknown") > 50, "only five gates");
    assert!(begun.contains("forwards: "), "it tells how far it is");
    let (chosen, complaints) = shown_of(browser, folder.path(), &drawn, "#h[3]");
    assert_eq!(complaints, "");
    assert!(chosen.contains("tanh(h.dense.y[3])") && chosen.contains("times slope"), "the gate is explained");
}
