//! Data files and checkpoints with bytes changed at random: what is read is right or refused with a message, never a panic,
//! and never silently something that the file does not hold.
//!
//! Where a format has checksums (gzip, NPZ, PNG), what is accepted must be what was there before the change. Where it has
//! none, what is accepted must be what a second, plain reader here finds in the changed bytes; of JPEG, numbers of the range
//! and of the size that a header tells. A sample runs in every test;
//! `NNC_MALFORMED=10000 cargo test --release --test malformed` tries so many files, from the seed `NNC_FROM` on.

use nnc::circuit::Dtype;
use nnc::circuit::draw::SplitMix64;
use nnc::data::{self, Dataset};
use nnc::diagnostic::{Diagnostic, Sources, codes};
use nnc::elaborate::{self, Choices};
use nnc::runtime::train::{Epoch, Observer, Progress, Trainer};
use nnc::runtime::{checkpoint, saved};
use nnc::syntax::parse;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Files that are tried where nothing is said.
const SAMPLE: u64 = 1500;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().expect("a number"))
}

/// A file that is whole, how it is read, and what must hold where a changed one is accepted.
struct Kind {
    name: &'static str,
    block: &'static str,
    file: &'static str,
    bytes: Vec<u8>,
    /// What is wrong with what was read: the changed bytes, what was read from them, and from the whole file.
    sound: fn(&[u8], &Dataset, &Dataset) -> Result<(), String>,
}

/// Of formats with checksums: nothing was changed that is read.
fn same(_: &[u8], read: &Dataset, whole: &Dataset) -> Result<(), String> {
    if read == whole { Ok(()) } else { Err(format!("{read:?}\nis not\n{whole:?}")) }
}

fn column(data: &Dataset, name: &str) -> Vec<f64> {
    data.column(name).expect("a column").data.iter().collect()
}

fn equal(read: &[f64], expected: &[f64]) -> Result<(), String> {
    let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
    if read.len() == expected.len() && read.iter().zip(expected).all(same) {
        return Ok(());
    }
    Err(format!("{read:?}\nis not\n{expected:?}"))
}

/// A table: each line has as many cells as the header, and each cell of `a` and `b` is a number.
fn table(bytes: &[u8], read: &Dataset, _: &Dataset) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let header = lines.headers().map_err(|error| error.to_string())?.clone();
    let place =
        |name: &str| header.iter().position(|own| own.trim() == name).ok_or(format!("no column {name}"));
    let (a, b) = (place("a")?, place("b")?);
    let mut expected = vec![];
    for line in lines.records() {
        let line = line.map_err(|error| error.to_string())?;
        for k in [a, b] {
            expected.push(line[k].trim().parse::<f64>().map_err(|error| format!("{:?}: {error}", &line[k]))?);
        }
    }
    equal(&column(read, "x"), &expected)
}

/// Objects: each line is one, with numbers under `a` and `b`.
fn objects(bytes: &[u8], read: &Dataset, _: &Dataset) -> Result<(), String> {
    let mut expected = vec![];
    for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let object: serde_json::Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        for key in ["a", "b"] {
            let number = object[key].as_f64().or_else(|| object[key].as_str()?.trim().parse().ok());
            expected.push(number.ok_or(format!("{object}: no number {key}"))?);
        }
    }
    equal(&column(read, "x"), &expected)
}

/// IDX: as many bytes as the header says, to the last.
fn idx(bytes: &[u8], read: &Dataset, _: &Dataset) -> Result<(), String> {
    let extent =
        |k: usize| u32::from_be_bytes(bytes[4 + 4 * k..8 + 4 * k].try_into().expect("four")) as usize;
    let rank = bytes[3] as usize;
    let count: usize = (0..rank).map(extent).product();
    let body = &bytes[4 + 4 * rank..];
    let numbers: Vec<f64> = match bytes[2] {
        8 => body.iter().map(|&byte| f64::from(byte)).collect(),
        9 => body.iter().map(|&byte| f64::from(byte as i8)).collect(),
        code => return Err(format!("numbers of type {code} of so many bytes")),
    };
    if bytes[..2] != [0, 0] || count != numbers.len() || extent(0) != read.rows {
        return Err(format!("{count} numbers in {} bytes, {} rows read", body.len(), read.rows));
    }
    equal(&column(read, "x"), &numbers)
}

/// NPY: a header with all three entries, and as many bytes as it says.
fn npy(bytes: &[u8], read: &Dataset, _: &Dataset) -> Result<(), String> {
    let (begin, len) = match bytes[6] {
        1 => (10, u16::from_le_bytes([bytes[8], bytes[9]]) as usize),
        _ => (12, u32::from_le_bytes(bytes[8..12].try_into().expect("four")) as usize),
    };
    let header = std::str::from_utf8(&bytes[begin..begin + len]).map_err(|error| error.to_string())?;
    let between = |from: &str, to: &str| -> Result<&str, String> {
        let (_, rest) = header.split_once(from).ok_or(format!("no {from} in {header}"))?;
        rest.split_once(to).map(|(inside, _)| inside.trim()).ok_or(format!("no {to} in {header}"))
    };
    let (order, kind) = between("'descr':", ",")?.trim_matches('\'').split_at(1);
    let fortran = between("'fortran_order':", ",")?;
    let shape: Vec<usize> = between("'shape':", ")")?
        .trim_start_matches('(')
        .split(',')
        .filter_map(|e| e.trim().parse().ok())
        .collect();
    let body = &bytes[begin + len..];
    if !header.starts_with('{') || !header.trim_end().ends_with('}') || !["True", "False"].contains(&fortran)
    {
        return Err(format!("a header {header}"));
    }
    if !matches!(
        (order, kind),
        ("<" | ">" | "=", "f4" | "i4" | "u4") | ("|" | "<" | ">" | "=", "i1" | "u1" | "b1")
    ) {
        // Others of a size that fits by chance are right too, if they are types of NumPy.
        let known = matches!(order, "<" | ">" | "=") && matches!(kind, "f8" | "i2" | "i8" | "u2" | "u8");
        return if known { Ok(()) } else { Err(format!("a type {order}{kind}")) };
    }
    if kind != "f4" || fortran == "True" {
        return Ok(());
    }
    let number = |four: &[u8]| {
        let four: [u8; 4] = four.try_into().expect("four");
        f64::from(if order == ">" { f32::from_be_bytes(four) } else { f32::from_le_bytes(four) })
    };
    if body.len() != 4 * shape.iter().product::<usize>() || shape.first() != Some(&read.rows) {
        return Err(format!("a shape {shape:?} in {} bytes", body.len()));
    }
    equal(&column(read, "x"), &body.chunks(4).map(number).collect::<Vec<_>>())
}

/// Text is UTF-8.
fn text(bytes: &[u8], _: &Dataset, _: &Dataset) -> Result<(), String> {
    std::str::from_utf8(bytes).map(drop).map_err(|error| error.to_string())
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

fn array() -> Vec<u8> {
    let numbers: Vec<f32> = (0..18).map(|k| k as f32 / 4.0 - 1.0).collect();
    data::npy::written(&[6, 3], &nnc::circuit::Numbers::F32(numbers))
}

fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    let options = zip::write::SimpleFileOptions::default();
    for (name, method) in
        [("y.npy", zip::CompressionMethod::Stored), ("x.npy", zip::CompressionMethod::Deflated)]
    {
        zip.start_file(name, options.compression_method(method)).expect("memory");
        zip.write_all(&array()).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

fn picture() -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 9, 7);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let pixels: Vec<u8> = (0..9 * 7 * 3).map(|k: u32| (k * k % 251) as u8).collect();
    let mut writer = encoder.write_header().expect("memory");
    writer.write_image_data(&pixels).expect("memory");
    writer.finish().expect("memory");
    bytes
}

/// In baseline or progressive form, of colours or gray.
fn photo(is_gray: bool) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.set_progressive(is_gray);
    let (count, color) =
        if is_gray { (1, jpeg_encoder::ColorType::Luma) } else { (3, jpeg_encoder::ColorType::Rgb) };
    let pixels: Vec<u8> = (0..20 * 12 * count).map(|k: u32| (k * k % 251) as u8).collect();
    encoder.encode(&pixels, 20, 12, color).expect("memory");
    bytes
}

/// JPEG has no checksum: whole numbers of a byte, as many as one of its headers says.
fn jpeg(bytes: &[u8], read: &Dataset, _: &Dataset) -> Result<(), String> {
    let x = read.column("x").expect("a column");
    let [channels, height, width] = x.dims[..] else { return Err(format!("{:?}", x.dims)) };
    let size = [(height as u16).to_be_bytes(), (width as u16).to_be_bytes()].concat();
    if !bytes.windows(4).any(|four| four == size) || ![1, 3].contains(&channels) {
        return Err(format!("no header tells of {:?}", x.dims));
    }
    let wrong = column(read, "x").into_iter().find(|x| !(0.0..=255.0).contains(x) || x.fract() != 0.0);
    wrong.map_or(Ok(()), |x| Err(format!("a pixel {x}")))
}

fn kinds() -> Vec<Kind> {
    let rows = |k: u32| format!("{},{:.2},{}\n", k, f64::from(k) / 3.0, ["red", "blue"][k as usize % 2]);
    let csv: String = std::iter::once("a,b,kind\n".to_string()).chain((1..12).map(rows)).collect();
    let object = |k: u32| format!("{{\"a\": {k}, \"b\": {:.2}, \"kind\": \"red\"}}\n", f64::from(k) / 7.0);
    let jsonl: String = (1..9).map(object).collect();
    let pixels: Vec<u8> = (0..36).map(|k| k * 7).collect();
    let idx_file = [&[0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0, 0, 3], &pixels[..]].concat();
    let words = "To be, or not to be: that is the question. Übung, naïve, 東京.".repeat(3);
    let columns = "rows = csv(\"file\")\nx[2] = rows[a, b]\ny = class(rows[kind])";
    let kind = |name, block, file, bytes, sound| Kind { name, block, file, bytes, sound };
    vec![
        kind("csv", columns, "file", csv.clone().into_bytes(), table),
        kind("csv.gz", columns, "file", gzipped(csv.as_bytes()), same),
        kind("jsonl", columns, "file", jsonl.into_bytes(), objects),
        kind("idx", "x[2, 3] = idx(\"file\")", "file", idx_file.clone(), idx),
        kind("idx.gz", "x[2, 3] = idx(\"file\")", "file", gzipped(&idx_file), same),
        kind("npy", "x[3] = npy(\"file\")", "file", array(), npy),
        kind("npz", "x[3] = npz(\"file\", x)\ny[3] = npz(\"file\", y)", "file", archive(), same),
        kind("text", "t[5] = windows(chars(\"file\"), 5)", "file", words.into_bytes(), text),
        kind(
            "png",
            "photos = images(\"photos\")\nx[3, 7, 9] = photos[pixels]",
            "photos/a/1.png",
            picture(),
            same,
        ),
        kind("jpeg", "p = images(\"photos\")\nx = p[pixels]", "photos/a/1.jpg", photo(false), jpeg),
        kind(
            "progressive jpeg",
            "p = images(\"photos\")\nx = p[pixels]",
            "photos/a/1.jpg",
            photo(true),
            jpeg,
        ),
    ]
}

/// Bytes changed at random, mostly near the beginning, where headers are.
fn changed(bytes: &[u8], random: &mut SplitMix64) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let end = if random.below(2) == 0 { out.len().min(96) } else { out.len() };
        let at = random.below(end.max(1) as u64) as usize;
        let len = (random.below(8) as usize + 1).min(out.len().saturating_sub(at));
        match random.below(9) {
            0 | 1 if at < out.len() => out[at] ^= 1 << random.below(8),
            2 if at < out.len() => out[at] = random.below(256) as u8,
            3 => out.truncate(at),
            4 => drop(out.splice(at..at, (0..len).map(|_| random.draw() as u8).collect::<Vec<_>>())),
            5 => drop(out.drain(at..at + len)),
            6 => {
                let piece = out[at..at + len].to_vec();
                let to = random.below(out.len() as u64 + 1) as usize;
                out.splice(to..to, piece);
            }
            7 => {
                let extreme = [0u8, 0xff, 0x7f, 0x80][random.below(4) as usize];
                out[at..at + len].fill(extreme);
            }
            _ => {
                // A digit becomes another one, where there is one.
                if let Some(place) = (at..out.len()).find(|&k| out[k].is_ascii_digit()) {
                    out[place] = b'0' + random.below(10) as u8;
                }
            }
        }
    }
    out
}

fn load(block: &str, folder: &Path) -> Result<Dataset, Vec<Diagnostic>> {
    let text = format!("data d {{\n{block}\n}}\n");
    let mut sources = Sources::default();
    let id = sources.add("d.nn", text.as_str());
    let (file, wrong) = parse(id, &text);
    assert!(wrong.is_empty(), "{wrong:?}");
    data::load_as(&file.items[0], &sources, folder, Dtype::F64, &data::room::Room::here())
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[test]
fn changed_data_files_are_read_right_or_refused() {
    let kinds = kinds();
    let count = setting("NNC_MALFORMED", SAMPLE).div_ceil(kinds.len() as u64);
    let first = setting("NNC_FROM", 0);
    let mut faults = vec![];
    for kind in &kinds {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(kind.file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, &kind.bytes).expect("written");
        let whole =
            load(kind.block, folder.path()).unwrap_or_else(|wrong| panic!("{}: {wrong:?}", kind.name));
        if kind.name != "csv" {
            (kind.sound)(&kind.bytes, &whole, &whole).expect("the whole file is sound");
        }
        let mut refused = 0;
        for seed in first..first + count {
            let bytes = changed(&kind.bytes, &mut SplitMix64::new(seed));
            fs::write(&path, &bytes).expect("written");
            let fault = match catch_unwind(AssertUnwindSafe(|| load(kind.block, folder.path()))) {
                Err(panic) => Err(format!("a panic: {}", said(&*panic))),
                Ok(Err(wrong)) => {
                    refused += 1;
                    if wrong.is_empty() { Err("refused without a word".into()) } else { Ok(()) }
                }
                Ok(Ok(read)) => catch_unwind(AssertUnwindSafe(|| (kind.sound)(&bytes, &read, &whole)))
                    .unwrap_or_else(|_| Err("accepted, and not even a header can be read".into())),
            };
            faults.extend(fault.err().map(|fault| format!("{} of seed {seed}: {fault}", kind.name)));
        }
        assert!(refused > count / 8, "{}: changes change something: {refused} of {count}", kind.name);
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults[..faults.len().min(12)].join("\n\n"));
}

const PROGRAM: &str = "data d = table {
  x[2]   y
  0 0    0
  0 1    1
  1 0    1
  1 1    0
}
net n {
  input x[2]
  target y
  h    = x |> dense(3) |> tanh |> dense(1)
  loss = (h[0] - y)^2
}
train n on d {
  optimizer = adam(lr = 1e-2)
  batch     = 2
  epochs    = 6
  keep      = lowest(train.loss)
}
";

struct Until(u32);

impl Observer for Until {
    fn progress(&mut self, _: &Progress) {}

    fn epoch(&mut self, report: &Epoch) {
        self.0 -= u32::from(report.number > 0 && self.0 > 0);
    }

    fn interrupted(&self) -> bool {
        self.0 == 0
    }
}

/// That a file of tensors holds, byte for byte, what was loaded: read plainly from header and body.
fn tensors(bytes: &[u8], loaded: &checkpoint::Loaded) -> Result<(), String> {
    let len = u64::from_le_bytes(bytes[..8].try_into().expect("eight")) as usize;
    let header: serde_json::Value =
        serde_json::from_slice(&bytes[8..8 + len]).map_err(|error| error.to_string())?;
    let body = &bytes[8 + len..];
    let mut taken = 0;
    for tensor in &loaded.tensors {
        let entry = &header[&tensor.name];
        let [from, to] = [0, 1].map(|k| entry["data_offsets"][k].as_u64().expect("a number") as usize);
        let dims: Vec<u64> =
            entry["shape"].as_array().expect("a list").iter().filter_map(|d| d.as_u64()).collect();
        if dims.iter().map(|&d| d as usize).product::<usize>() != tensor.data.len() {
            return Err(format!("{}: {dims:?} for {} numbers", tensor.name, tensor.data.len()));
        }
        if entry["dtype"] == "F32" {
            let number = |four: &[u8]| f64::from(f32::from_le_bytes(four.try_into().expect("four")));
            equal(&tensor.data, &body[from..to].chunks(4).map(number).collect::<Vec<_>>())?;
        }
        taken += to - from;
    }
    if taken == body.len() { Ok(()) } else { Err(format!("{taken} of {} bytes are taken", body.len())) }
}

#[test]
fn changed_checkpoints_are_read_right_or_refused() {
    let program = elaborate::from_text("n.nn", PROGRAM).expect("it reads");
    let choices = Choices { training: true, ..Choices::default() };
    let training = elaborate::training(&program, &choices).expect("a training");
    let item = elaborate::data_item(&program, None).expect("data");
    let dataset = data::load(item, &program.sources, Path::new(".")).expect("it loads");
    let (model, _) = elaborate::model(&program, Some(&dataset), &choices).expect("a model");
    let inference = Choices { training: false, ..choices.clone() };
    let (inference, _) = elaborate::model(&program, Some(&dataset), &inference).expect("a model");
    let update = elaborate::update(&program, &choices, &model).expect("an optimizer");
    let trainer = || Trainer::new(&model, &inference, &update, &training, &dataset).expect("native code");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.safetensors");
    let mut paused = trainer();
    let outcome = paused.run(&mut Until(3)).expect("it runs");
    saved::save(&path, &paused, &outcome.state, &saved::version_metadata()).expect("written");
    let bytes = fs::read(&path).expect("readable");
    let whole = trainer().run(&mut Until(u32::MAX)).expect("it runs");
    let count = setting("NNC_MALFORMED", SAMPLE).div_ceil(4);
    let first = setting("NNC_FROM", 0);
    let (mut faults, mut went_on) = (vec![], 0);
    let mut other = trainer();
    for seed in first..first + count {
        let changed = changed(&bytes, &mut SplitMix64::new(seed));
        fs::write(&path, &changed).expect("written");
        let tried = catch_unwind(AssertUnwindSafe(|| -> Result<(), String> {
            let Ok(loaded) = checkpoint::load(&path) else { return Ok(()) };
            tensors(&changed, &loaded)?;
            let Ok(state) = saved::resumed(&loaded, &other, Dtype::F32) else { return Ok(()) };
            went_on += 1;
            other.go_on(state);
            match other.run(&mut Until(u32::MAX)) {
                // Weights may have been changed, to what they may be; steps are as many as there are.
                Ok(outcome) if outcome.steps > whole.steps => Err(format!("{} steps", outcome.steps)),
                Ok(_) => Ok(()),
                Err(broken) if broken.wrong.code == codes::NOT_FINITE => Ok(()),
                Err(broken) => Err(broken.wrong.message.clone()),
            }
        }));
        let fault = tried.unwrap_or_else(|panic| {
            other = trainer();
            Err(format!("a panic: {}", said(&*panic)))
        });
        faults.extend(fault.err().map(|fault| format!("seed {seed}: {fault}")));
    }
    assert!(went_on > count / 50, "{went_on} of {count} go on");
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults[..faults.len().min(12)].join("\n\n"));
}
