//! A Markdown page: its fenced blocks and its links.

use std::fs;
use std::path::Path;

/// A page, line by line.
pub struct Page {
    lines: Vec<String>,
    /// By how many lines blocks that were replaced have moved what follows them.
    moved: isize,
}

/// What stands between two fences.
pub struct Block {
    /// The first word behind the fence: `nn`, `console`.
    pub language: String,
    /// The second one, or nothing.
    pub word: String,
    /// The number of the fence's line, from 1.
    pub begin: usize,
    lines: Vec<String>,
}

impl Page {
    /// Reads a page.
    pub fn read(path: &Path) -> Page {
        let text = fs::read_to_string(path).unwrap_or_else(|_| panic!("{} is there", path.display()));
        Page { lines: text.lines().map(str::to_string).collect(), moved: 0 }
    }

    /// Writes it.
    pub fn write(&self, path: &Path) {
        fs::write(path, self.lines.join("\n") + "\n").expect("a page can be written");
    }

    /// Its blocks, in their order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = vec![];
        let mut open: Option<Block> = None;
        for (number, line) in self.lines.iter().enumerate() {
            match (line.strip_prefix("```"), open.take()) {
                (Some(_), Some(block)) => blocks.push(block),
                (Some(info), None) => {
                    let mut words = info.split_whitespace().map(str::to_string);
                    let (language, word) = (words.next(), words.next());
                    let (language, word) = (language.unwrap_or_default(), word.unwrap_or_default());
                    open = Some(Block { language, word, begin: number + 1, lines: vec![] });
                }
                (None, Some(mut block)) => {
                    block.lines.push(line.clone());
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "a fence is never closed");
        blocks
    }

    /// Puts other lines into a block; blocks are replaced in their order.
    pub fn replace(&mut self, block: &Block, lines: Vec<String>) {
        let begin = (block.begin as isize + self.moved) as usize;
        self.moved += lines.len() as isize - block.lines.len() as isize;
        self.lines.splice(begin..begin + block.lines.len(), lines);
    }

    /// Where its links lead, without those to other sites and within the page.
    pub fn links(&self) -> Vec<String> {
        let text = self.lines.join("\n");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let targets = targets.filter(|link| !link.contains("://") && !link.starts_with('#'));
        targets.map(|link| link.split('#').next().unwrap_or(link).to_string()).collect()
    }
}

impl Block {
    /// What it holds.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Commands, each with the lines below it.
    pub fn commands(&self) -> Vec<(String, Vec<String>)> {
        let mut commands: Vec<(String, Vec<String>)> = vec![];
        for line in &self.lines {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_string(), vec![])),
                (None, Some((_, expected))) => expected.push(line.clone()),
                (None, None) => panic!("line {}: a block of commands begins with one", self.begin),
            }
        }
        commands
    }
}
