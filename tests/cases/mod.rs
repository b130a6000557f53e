//! Reading the cases of a folder below this one.

use std::path::Path;

/// Each `.nn` file of `tests/cases/<folder>`: its path and its text, by name.
pub fn read(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder of cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "nn"));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds cases", folder.display());
    let text = |path: &Path| std::fs::read_to_string(path).expect("a case");
    paths.iter().map(|path| (path.display().to_string(), text(path))).collect()
}
