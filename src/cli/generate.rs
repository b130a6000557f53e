//! `nnc generate`

use super::common::{Failed, Session, Trained, missing, say, write_out};
use crate::circuit::draw::SplitMix64;
use crate::data::words::{RARE, spoken, words};
use crate::diagnostic::{Diagnostic, codes};
use crate::runtime::generate::{Generator, draw, scores};
use crate::runtime::{checkpoint, provenance};
use serde_json::json;
use std::io::Write;
use std::time::Instant;

/// Go on with a text, by a trained network.
///
/// The net reads the prompt and then says, again and again, which character may come next: one is drawn by these
/// probabilities and read in its turn. Nothing of the past is computed again, so each character costs one position
/// of the net, however long the text is. A net with a limited number of positions (a transformer) goes on with the
/// later half of its window when that is full.
///
/// A temperature below 1 makes likely characters likelier; at 0 the likeliest is always taken.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    trained: Trained,
    /// What to go on with; by default a new line, or the first character that the net knows.
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// How many characters, or words, to add.
    #[arg(long, default_value_t = 200, value_name = "N")]
    length: usize,
    /// How freely to draw: 0 is never, 1 as the net says.
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = temperature)]
    temperature: f64,
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a number of at least 0".into()),
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let (loaded, session) = args.trained.open()?;
    let model = session.model(false)?;
    let told = |wrong: Diagnostic| session.fail(&[wrong]);
    let scores = scores(&model).map_err(told)?;
    let ((params, states), weights) = session.weights(&model, &loaded)?;
    let vocabulary = vocabulary(&session, &loaded, &model.circuit.slot(scores.sequence).name)?;
    let prompt = elements(args.prompt.as_deref(), &vocabulary).map_err(told)?;
    let mut generator =
        Generator::new(&model, &params, &states, &weights, scores, session.seed()).map_err(told)?;

    let mut random = SplitMix64::new(session.seed());
    let began = Instant::now();
    let (&last, first) = prompt.split_last().expect("a prompt has an element");
    first.iter().for_each(|&element| _ = generator.read(element));
    let mut said: Vec<&str> = prompt.iter().map(|&element| vocabulary[element as usize].as_str()).collect();
    let of_words = are_words(&vocabulary);
    let joined = |words: &[&str]| if of_words { spoken(words.iter().copied()) } else { words.concat() };
    let mut text = joined(&said);
    if !session.json {
        write_out(format_args!("{text}"));
    }
    let mut element = last;
    for _ in 0..args.length {
        element = draw(&generator.read(element), args.temperature, &mut random);
        said.push(&vocabulary[element as usize]);
        // What a word adds may depend on the one before it.
        let added = joined(&said[said.len() - 2..])[joined(&said[said.len() - 2..][..1]).len()..].to_string();
        text.push_str(&added);
        if !session.json {
            write_out(format_args!("{added}"));
            // Seen as it comes; a closed pipe is found by the next word.
            _ = std::io::stdout().flush();
        }
    }
    let rate = args.length as f64 / began.elapsed().as_secs_f64().max(1e-9);
    if session.json {
        say!("{}", json!({ "text": text, "prompt_length": prompt.len(), "per_second": rate }));
    } else {
        say!("");
    }
    Ok(())
}

/// The characters that classes stand for: those that the parameters were trained with.
fn vocabulary(session: &Session, loaded: &checkpoint::Loaded, column: &str) -> Result<Vec<String>, Failed> {
    let data = session.data.as_ref();
    let found = provenance::vocabulary(loaded, column)
        .or_else(|| data.and_then(|data| data.column(column)?.vocabulary.clone()));
    found.ok_or_else(|| {
        let what = format!("nothing says which characters the classes of `{column}` stand for");
        session.fail(&missing(
            &what,
            "take the column from text: `window[65] = windows(chars(\"book.txt\"), 65)`",
        ))
    })
}

/// A vocabulary longer than this is not listed.
const MANY: usize = 200;

/// Whether a net goes on with words, not with characters.
fn are_words(vocabulary: &[String]) -> bool {
    vocabulary.iter().any(|word| word.chars().count() > 1)
}

/// A prompt as classes.
fn elements(prompt: Option<&str>, vocabulary: &[String]) -> Result<Vec<u32>, Diagnostic> {
    let number = |word: &str| vocabulary.iter().position(|known| known == word).map(|k| k as u32);
    let Some(prompt) = prompt.filter(|prompt| !prompt.is_empty()) else {
        return Ok(vec![number("\n").unwrap_or(0)]);
    };
    let mut elements = vec![];
    let characters: Vec<String>;
    let (unit, parts) = if are_words(vocabulary) {
        ("word", words(prompt))
    } else {
        characters = prompt.chars().map(String::from).collect();
        ("character", characters.iter().map(String::as_str).collect())
    };
    for (place, &word) in parts.iter().enumerate() {
        elements.push(number(word).or_else(|| number(RARE)).ok_or_else(|| {
            let message = format!("{word:?}, {unit} {} of the prompt, is none that the net knows", place + 1);
            let known: String = vocabulary.concat().escape_debug().collect();
            let diagnostic = Diagnostic::error(codes::UNKNOWN_ELEMENT, message);
            if vocabulary.len() > MANY { diagnostic } else { diagnostic.note(format!("it knows {known}")) }
        })?);
    }
    // Blanks are no words.
    if elements.is_empty() {
        elements.push(number("\n").unwrap_or(0));
    }
    Ok(elements)
}
