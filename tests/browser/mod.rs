//! A real browser, where one is installed.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A browser that runs without a screen; none where none is installed.
pub fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// Arguments with which it shows nothing on a screen, and tells what its console says.
pub const HEADLESS: [&str; 4] = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"];

/// The page is drawn, and the console complains of nothing: where there is a browser. What it needs lies in `folder`.
#[allow(dead_code, reason = "not every test looks at a picture")]
pub fn is_drawn(page: &Path, folder: &Path) {
    let Some(browser) = browser() else { return };
    let shot = folder.join("page.png");
    let output = Command::new(browser)
        .args(HEADLESS)
        .arg("--window-size=1000,2400")
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--screenshot={}", shot.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("CONSOLE"), "{said}");
    // A page of one colour packs into next to nothing.
    assert!(fs::metadata(&shot).expect("a picture").len() > 30_000);
}
