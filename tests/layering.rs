//! The house keeps its order: a room uses only rooms above it in the map of `src/lib.rs`, and Cranelift is named
//! in `codegen` alone.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order of the map that opens `src/lib.rs`.
fn rooms() -> Vec<String> {
    let map = fs::read_to_string("src/lib.rs").expect("the library's root");
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next());
    rows.map(str::to_string).collect()
}

/// All source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).expect("a room is a folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// Lines of code without comments, with their numbers.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("a readable source");
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.map(|(number, line)| (number + 1, line.to_string())).collect()
}

#[test]
fn the_map_names_every_room() {
    let mut named = rooms();
    let mut found: Vec<String> = fs::read_dir("src")
        .expect("the sources")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    named.sort();
    found.sort();
    assert_eq!(named, found);
}

#[test]
fn no_room_uses_one_below_it() {
    let rooms = rooms();
    let mut wrong = vec![];
    for (place, room) in rooms.iter().enumerate() {
        for path in sources(&Path::new("src").join(room)) {
            for (number, line) in code(&path) {
                for lower in &rooms[place + 1..] {
                    if line.contains(&format!("crate::{lower}")) || line.contains(&format!("nnc::{lower}")) {
                        wrong.push(format!("{}:{number} uses {lower}", path.display()));
                    }
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn cranelift_is_named_in_codegen_alone() {
    let inside = |path: &PathBuf| path.starts_with("src/codegen");
    for path in sources(Path::new("src")).into_iter().filter(|path| !inside(path)) {
        for (number, line) in code(&path) {
            assert!(!line.contains("cranelift"), "{}:{number} names it", path.display());
        }
    }
}
