//! The documentation is held to the program: each page is read, its programs are written to a folder, and each command in
//! it is run; what it prints is compared with the text. The reference pages are compared with what the code generates.
//!
//! `NNC_UPDATE_DOCS=1 cargo test --test docs` writes into the text what the commands print now, the tutorial's programs
//! into `examples/tutorial`, and the reference pages. Read the difference before you keep it.
//!
//! In a page,
//! - a block ```` ```nn name.nn ```` is a file of that name,
//! - a block ```` ```nn ```` is a program, or statements of a net, that `nnc check` finds right,
//! - a block ```` ```nn E0401 ```` is one that it refuses with this code,
//! - a block ```` ```console ```` holds commands behind `$ ` and what they print. A line `...` leaves out lines of it, `...`
//!   within a line a part of the line. Times are always left out.

mod page;
mod printed;

use page::{Block, Page};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to do where the documentation is behind.
const UPDATE: &str = "`NNC_UPDATE_DOCS=1 cargo test --test docs` writes it: read the difference";

/// Whether the text is to be changed to what is printed.
fn updates() -> bool {
    std::env::var_os("NNC_UPDATE_DOCS").is_some()
}

/// Where a page's programs are written and its commands are run: a folder beside the examples, as `examples/tutorial` is,
/// that also holds them in `examples`, as the repository does.
struct Desk {
    _root: tempfile::TempDir,
    folder: PathBuf,
}

impl Desk {
    fn new() -> Desk {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = root.path().join("tutorial");
        fs::create_dir(&folder).expect("a folder");
        let examples = Path::new("examples").canonicalize().expect("the examples");
        let link = |to: &Path, at: PathBuf| std::os::unix::fs::symlink(to, at).expect("a link");
        link(&examples, folder.join("examples"));
        for entry in fs::read_dir(&examples).expect("the examples").map(|entry| entry.expect("readable")) {
            if entry.file_name() != "tutorial" {
                link(&entry.path(), root.path().join(entry.file_name()));
            }
        }
        for entry in fs::read_dir(examples.join("tutorial")).expect("its programs") {
            let path = entry.expect("readable").path();
            fs::copy(&path, folder.join(path.file_name().expect("a name"))).expect("a copy");
        }
        Desk { _root: root, folder }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("it can be written");
    }

    /// What a command line prints, to standard output and standard error alike.
    fn run(&self, command: &str) -> Vec<String> {
        let nnc = Path::new(env!("CARGO_BIN_EXE_nnc")).parent().expect("it lies in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", nnc.display()))
            .output()
            .expect("there is a shell");
        let text = String::from_utf8(output.stdout).expect("text");
        text.trim_end().lines().map(|line| line.trim_end().to_string()).collect()
    }

    /// What is wrong with a block that is no file of its own: nothing, if `nnc check` says what the block claims.
    fn check(&self, block: &Block) -> Option<String> {
        self.write("block.nn", &whole(&block.text()));
        let printed = self.run("nnc check block.nn").join("\n");
        let right = match block.word.as_str() {
            "" => printed.contains("block.nn is right"),
            code => printed.contains(code),
        };
        (!right).then(|| format!("line {}: {}\n{printed}", block.begin, block.text()))
    }
}

/// A block as a program: as it stands if it begins with an item, else as the statements of a net.
fn whole(text: &str) -> String {
    const ITEMS: [&str; 8] = ["net", "data", "train", "layer", "fn", "optimizer", "schedule", "use"];
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or("");
    let word = first.split_whitespace().next().unwrap_or("");
    let is_program = ITEMS.contains(&word) && !first.starts_with(' ');
    if is_program { text.to_string() } else { format!("net example {{\n{text}\n}}\n") }
}

/// Holds a page to what its commands print; the page as it should be, and what is wrong with it.
fn hold(path: &Path) -> (Page, Vec<String>) {
    let mut page = Page::read(path);
    let (desk, mut wrong) = (Desk::new(), vec![]);
    for block in page.blocks() {
        match block.language.as_str() {
            "nn" if block.word.ends_with(".nn") => desk.write(&block.word, &block.text()),
            "nn" => wrong.extend(desk.check(&block)),
            "console" => {
                let (lines, told) = commands(&desk, &block);
                wrong.extend(told);
                page.replace(&block, lines);
            }
            _ => {}
        }
    }
    (page, wrong)
}

/// Runs the commands of a block; the block as it should be, and where it is not.
fn commands(desk: &Desk, block: &Block) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut wrong) = (vec![], vec![]);
    for (command, expected) in block.commands() {
        let printed = desk.run(&command);
        lines.push(format!("$ {command}"));
        if printed::matches(&expected, &printed) {
            lines.extend(expected);
            continue;
        }
        let updated = printed::updated(&expected, &printed);
        wrong.push(format!("line {}: `{command}` prints\n{}", block.begin, printed.join("\n")));
        lines.extend(updated);
    }
    (lines, wrong)
}

/// Holds a page, or brings it up to date.
fn held(path: &str) {
    let (page, wrong) = hold(Path::new(path));
    if updates() {
        page.write(Path::new(path));
    } else {
        assert!(wrong.is_empty(), "{path} is not what nnc says now; {UPDATE}\n{}", wrong.join("\n\n"));
    }
}

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        $(
            #[test]
            fn $name() {
                held($path);
            }
        )*
        /// Every page that is held.
        const PAGES: &[&str] = &[$($path),*];
    };
}

pages! {
    one_gate: "docs/tutorial/01-one-gate.md",
    a_step_downhill: "docs/tutorial/02-a-step-downhill.md",
    training: "docs/tutorial/03-training.md",
    layers: "docs/tutorial/04-layers.md",
    deep_nets: "docs/tutorial/05-deep-nets.md",
    classification: "docs/tutorial/06-classification.md",
    convolution: "docs/tutorial/07-convolution.md",
    recurrence: "docs/tutorial/08-recurrence.md",
    recommender: "docs/tutorial/09-recommender.md",
    transformer: "docs/tutorial/10-transformer.md",
    tuning: "docs/tutorial/11-tuning.md",
    language: "docs/reference/language.md",
    from_pytorch: "docs/from-pytorch.md",
    from_jax: "docs/from-jax.md",
}

/// All Markdown files below a folder.
fn markdown(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    let mut found: Vec<PathBuf> = vec![];
    for path in entries {
        if path.is_dir() {
            found.extend(markdown(&path));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_page_with_commands_is_held() {
    for path in markdown(Path::new("docs")) {
        let name = path.display().to_string();
        let runs = Page::read(&path).blocks().iter().any(|block| block.language == "console");
        assert!(!runs || PAGES.contains(&name.as_str()), "{name} has commands that no test runs");
    }
}

/// The tutorial's programs lie in a folder, so that they can be run without copying them out of the text.
#[test]
fn the_programs_of_the_tutorial_are_those_of_the_text() {
    let folder = Path::new("examples/tutorial");
    let mut named = vec![];
    for path in markdown(Path::new("docs/tutorial")) {
        for block in Page::read(&path).blocks() {
            if block.language != "nn" || !block.word.ends_with(".nn") {
                continue;
            }
            let file = folder.join(&block.word);
            if updates() {
                fs::create_dir_all(folder).expect("a folder");
                fs::write(&file, block.text()).expect("it can be written");
            }
            let found = fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(found, block.text(), "{} and {} differ", file.display(), path.display());
            named.push(block.word.clone());
        }
    }
    let entries = fs::read_dir(folder).expect("the programs");
    for entry in entries {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        assert!(!name.ends_with(".nn") || named.contains(&name), "{name} is in no chapter");
    }
}

/// The language reference speaks of every word that the grammar quotes, every key of a `train` block and every draw.
#[test]
fn the_language_reference_leaves_no_word_out() {
    let page = fs::read_to_string("docs/reference/language.md").expect("the page");
    let grammar = fs::read_to_string("grammar/nn.ebnf").expect("the grammar");
    let rules = grammar.lines().filter(|line| !line.trim_start().starts_with('#'));
    let quoted = rules.flat_map(|line| line.split('"').skip(1).step_by(2));
    let quoted: Vec<&str> =
        quoted.filter(|word| !word.is_empty() && word.chars().all(char::is_alphabetic)).collect();
    let draws = nnc::elaborate::DISTRIBUTIONS.iter().map(|row| row.name);
    let words = quoted.into_iter().chain(nnc::elaborate::TRAIN_KEYS.iter().copied()).chain(draws);
    let missing: Vec<&str> = words.filter(|word| !page.contains(word)).collect();
    assert!(missing.is_empty(), "the page says nothing of {missing:?}");
}

/// The programs in Python that made the numbers that nnc is compared with.
#[test]
fn the_programs_in_python_are_those_of_the_text() {
    for (page, name) in [("docs/from-pytorch.md", "with_torch.py"), ("docs/from-jax.md", "with_jax.py")] {
        let blocks = Page::read(Path::new(page)).blocks();
        let block = blocks.iter().find(|block| block.word == name).expect("the page shows it");
        let program = fs::read_to_string(Path::new("examples/interop").join(name)).expect("the program");
        assert_eq!(block.text(), program, "{page}");
    }
}

/// The reference pages say what the compiler's tables say.
#[test]
fn the_reference_is_what_the_code_generates() {
    for page in nnc::explain::reference::pages() {
        let path = Path::new("docs/reference").join(page.file);
        if updates() {
            fs::create_dir_all("docs/reference").expect("a folder");
            fs::write(&path, &page.text).expect("it can be written");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        let stale = found.lines().zip(page.text.lines()).find(|(found, made)| found != made);
        assert!(found == page.text, "{} is not up to date; {UPDATE}\n{stale:?}", path.display());
    }
}

/// A link within the documentation leads somewhere.
#[test]
fn links_lead_somewhere() {
    let mut pages = markdown(Path::new("docs"));
    pages.push("README.md".into());
    for path in pages {
        let folder = path.parent().expect("a file lies in a folder");
        for link in Page::read(&path).links() {
            assert!(folder.join(&link).exists(), "{}: `{link}` leads nowhere", path.display());
        }
    }
}
