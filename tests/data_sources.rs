//! Data as people have it: missing values, arrays of NumPy, words and bytes, images, parts that a column names.

use nnc::circuit::Dtype;
use nnc::data::{self, Dataset};
use nnc::diagnostic::{Sources, render_all};
use nnc::syntax::parse;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("written");
        path
    }

    /// The data of a block, or what is told.
    fn load(&self, block: &str) -> Result<Dataset, String> {
        let text = format!("data d {{\n{block}\n}}\n");
        let mut sources = Sources::default();
        let id = sources.add("d.nn", text.as_str());
        let (file, wrong) = parse(id, &text);
        assert!(wrong.is_empty(), "{}", render_all(&wrong, &sources, false));
        data::load_as(&file.items[0], &sources, self.0.path(), Dtype::F64, &data::room::Room::here())
            .map_err(|wrong| render_all(&wrong, &sources, false))
    }

    fn told(&self, block: &str) -> String {
        self.load(block).expect_err("it is wrong")
    }
}

fn column(data: &Dataset, name: &str) -> Vec<f64> {
    data.column(name).expect("a column").data.iter().collect()
}

const GAPS: &[u8] = b"a,b,c,fold\n1,10,red,0\n,20,blue,0\n3,NA,,1\n5,40,?,1\n9,?,red,2\n";

#[test]
fn what_is_missing_is_filled_or_left_out_or_told() {
    let folder = Folder::new();
    folder.write("gaps.csv", GAPS);
    let filled = folder.load(
        "rows = csv(\"gaps.csv\")\nx[2] = fill(rows[a, b], average)\nm = fill(rows[a], median) / 2\nz = fill(rows[b], -1)\nk = \
         class(fill(rows[c], \"unknown\"))\ntest = rows[fold] == 2",
    );
    let filled = filled.expect("it loads");
    // Learned from the first four rows alone.
    assert_eq!(filled.test, [4]);
    let third = 70.0 / 3.0;
    assert_eq!(column(&filled, "x"), [1.0, 10.0, 3.0, 20.0, 3.0, third, 5.0, 40.0, 9.0, third]);
    assert_eq!(column(&filled, "m"), [0.5, 1.5, 1.5, 2.5, 4.5]);
    assert_eq!(column(&filled, "z"), [10.0, 20.0, -1.0, 40.0, -1.0]);
    let kinds = filled.column("k").expect("a class");
    assert_eq!(kinds.vocabulary.as_deref(), Some(&["blue", "red", "unknown"].map(String::from)[..]));
    assert_eq!(column(&filled, "k"), [1.0, 0.0, 2.0, 2.0, 1.0]);
    assert_eq!(filled.column("x").expect("x").fills, [vec![3.0, third]]);
    // Rows that are whole.
    let whole = folder.load("rows = csv(\"gaps.csv\", missing = skip)\nx = rows[a]").expect("it loads");
    assert_eq!(column(&whole, "x"), [1.0]);
    // By default nothing is guessed.
    let told = folder.told("rows = csv(\"gaps.csv\")\nx = rows[a]");
    assert!(
        told.contains("line 3, column `a`: the cell is empty") && told.contains("fill(rows[a], average)"),
        "{told}"
    );
    let told = folder.told("rows = csv(\"gaps.csv\")\nx = class(rows[c])");
    assert!(told.contains("line 4, column `c`") && told.contains("\"unknown\""), "{told}");
    let told = folder.told("rows = csv(\"gaps.csv\")\nx = fill(rows[c], average)");
    assert!(told.contains("line 2, column `c`: `red` is not a number"), "{told}");
    let told = folder.told("rows = csv(\"gaps.csv\", mising = skip)\nx = rows[a]");
    assert!(told.contains("did you mean `missing`?"), "{told}");
    assert!(
        folder
            .told("rows = csv(\"gaps.csv\")\nx = fill(rows[a], most)")
            .contains("`average`, `median` or a number")
    );
}

#[test]
fn scale_and_separators_and_parts_that_a_column_names() {
    let folder = Folder::new();
    folder.write(
        "semicolons.csv",
        "\u{feff}a;part\n2;train\n\"4\";train\n10;\"my test\"\n3;validation\n".as_bytes(),
    );
    let block = "rows = csv(\"semicolons.csv\", separator = \";\")\nx = scale(rows[a])\n";
    let data = folder
        .load(&format!("{block}test = rows[part] == \"my test\"\nvalidation = rows[part] == \"validation\""))
        .expect("it loads");
    assert_eq!((&data.train[..], &data.validation[..], &data.test[..]), (&[0, 1][..], &[3][..], &[2][..]));
    assert_eq!(column(&data, "x"), [0.0, 1.0, 4.0, 0.5]);
    let told = folder.told(&format!("{block}test = rows[part] == \"tset\""));
    assert!(told.contains("no row of `semicolons.csv` has that in column `part`"), "{told}");
    assert!(folder.told(&format!("{block}test = rows[kind] == 1")).contains("has no column `kind`"));
    assert!(folder.told(&format!("{block}test = rows[a] == [1]")).contains("a number, or text in quotes"));
}

/// A file in NPY format.
fn npy(shape: &str, numbers: &[f64]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let len = (header.len() as u16).to_le_bytes();
    let body: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    [b"\x93NUMPY\x01\x00", &len[..], header.as_bytes(), &body].concat()
}

#[test]
fn arrays_of_numpy() {
    let folder = Folder::new();
    folder.write("x.npy", &npy("(3, 2)", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    std::io::Write::write_all(&mut packed, &npy("(3,)", &[0.0, 1.0, 0.0])).expect("memory");
    folder.write("y.npy.gz", &packed.finish().expect("memory"));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{method:?}.npy").to_lowercase(), options).expect("memory");
        std::io::Write::write_all(&mut archive, &npy("(3, 1, 2)", &[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]))
            .expect("memory");
    }
    let archive = archive.finish().expect("memory").into_inner();
    folder.write("all.npz", &archive);
    let data = folder.load(
        "x[2] = npy(\"x.npy\") / 2\ny: class(2) = npy(\"y.npy.gz\")\na[1, 2] = npz(\"all.npz\", stored)\nb = npz(\"all.npz\", \
         \"deflated\")",
    );
    let data = data.expect("it loads");
    assert_eq!(column(&data, "x"), [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]);
    assert_eq!(column(&data, "y"), [0.0, 1.0, 0.0]);
    assert_eq!(column(&data, "a"), column(&data, "b"));
    assert_eq!(data.column("b").expect("b").dims, [1, 2]);
    assert!(folder.told("x = npz(\"all.npz\", z)").contains("it has `stored`, `deflated`"));
    assert!(folder.told("x = npz(\"x.npy\", z)").contains("is not a file in NPZ format"));
    folder.write("short.npy", &npy("(3, 2)", &[1.0]));
    assert!(
        folder
            .told("x = npy(\"short.npy\")")
            .contains("takes 48 bytes, and 8 follow the header: it is cut off")
    );
    // Malformed files are told, whatever is wrong with them.
    let mut random = 5u64;
    for _ in 0..3000 {
        let mut bytes = if random.is_multiple_of(2) { archive.clone() } else { npy("(3, 2)", &[1.0; 6]) };
        for _ in 0..3 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 20) as usize % bytes.len();
            bytes[at] = (random >> 50) as u8;
        }
        folder.write("wrong", &bytes);
        _ = folder.load("x = npz(\"wrong\", stored)");
        _ = folder.load("x = npy(\"wrong\")");
    }
}

#[test]
fn words_and_bytes() {
    let folder = Folder::new();
    folder.write("song.txt", "the cat's hat, the CAT\nand the é end.\n".as_bytes());
    let words = folder.load("w[3] = windows(words(\"song.txt\"), 3)").expect("it loads");
    let vocabulary = words.column("w").expect("w").vocabulary.clone().expect("words");
    assert_eq!(vocabulary, ["\n", ",", ".", "CAT", "and", "cat's", "end", "hat", "the", "é"]);
    let first: Vec<&str> =
        column(&words, "w")[..3].iter().map(|&k| vocabulary[k as usize].as_str()).collect();
    assert_eq!(first, ["the", "cat's", "hat"]);
    let few = folder.load("w[13] = windows(words(\"song.txt\", most = 3), 13)").expect("it loads");
    assert_eq!(
        few.column("w").expect("w").vocabulary.as_deref(),
        Some(&["\n", "<rare>", "the"].map(String::from)[..])
    );
    let bytes =
        folder.load("w[4]: class(256) = windows(bytes(\"song.txt\"), 4, every = 1)").expect("it loads");
    assert_eq!(column(&bytes, "w")[..4], [116.0, 104.0, 101.0, 32.0]);
    assert_eq!(bytes.rows, 39 - 3);
    assert!(folder.told("w = words(\"song.txt\")\nx = w").contains("is a whole text"));
}

/// A PNG of one colour.
fn png(height: u32, width: u32, colour: png::ColorType, pixel: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    let mut writer = encoder.write_header().expect("memory");
    writer.write_image_data(&pixel.repeat((height * width) as usize)).expect("memory");
    drop(writer);
    bytes
}

#[test]
fn images_from_a_folder_by_class() {
    let folder = Folder::new();
    folder.write("photos/cat/b.png", &png(2, 3, png::ColorType::Rgb, &[10, 20, 30]));
    folder.write("photos/cat/a.PNG", &png(4, 6, png::ColorType::Rgba, &[40, 50, 60, 7]));
    folder.write("photos/dog/1.png", &png(2, 3, png::ColorType::Grayscale, &[90]));
    let mut jpeg = vec![];
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 100);
    encoder.encode(&[200; 8 * 8], 8, 8, jpeg_encoder::ColorType::Luma).expect("memory");
    folder.write("photos/dog/2.jpg", &jpeg);
    folder.write("photos/dog/notes.txt", b"no image");
    let block = "photos = images(\"photos\", height = 2, width = 3)\nx[3, 2, 3] = photos[pixels] / 10\ny = class(photos[folder])";
    let data = folder.load(block).expect("it loads");
    assert_eq!((data.rows, data.column("x").expect("x").row_len()), (4, 18));
    assert_eq!(column(&data, "y"), [0.0, 0.0, 1.0, 1.0]);
    let x = column(&data, "x");
    for (image, colours) in [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0], [9.0; 3], [20.0; 3]].into_iter().enumerate() {
        for (channel, colour) in colours.into_iter().enumerate() {
            let plane = &x[image * 18 + channel * 6..][..6];
            assert!(plane.iter().all(|x| (x - colour).abs() < 0.11), "{image}, {channel}: {plane:?}");
        }
    }
    let gray =
        folder.load("p = images(\"photos\", height = 1, width = 1, channels = 1)\nx[1, 1, 1] = p[pixels]");
    assert!((column(&gray.expect("it loads"), "x")[1] - 18.15).abs() < 1e-9);
    let told = folder.told("p = images(\"photos\")\nx = p[pixels]");
    assert!(
        told.contains("`photos/cat/b.png` is 2 pixels high and 3 wide, and those before it are 4 and 6"),
        "{told}"
    );
    assert!(folder.told("p = images(\"photos\", channels = 2)\nx = p[pixels]").contains("gray"));
    assert!(
        folder.told("p = images(\"photos/dog\")\nx = p[pixels]").contains("has no subfolder with images")
    );
    let whole = fs::read(folder.0.path().join("photos/cat/b.png")).expect("an image");
    folder.write("photos/cat/c.png", &whole[..whole.len() / 2]);
    assert!(folder.told(block).contains("`photos/cat/c.png`: "));
}

/// A net on words or images is trained, and read by its parameters alone.
#[test]
fn what_was_learned_of_the_data_travels_with_the_parameters() {
    let folder = Folder::new();
    folder.write("gaps.csv", GAPS);
    let model = folder.write(
        "model.nn",
        b"data d {\n  rows = csv(\"gaps.csv\")\n  x[2] = standardize(rows[fold, fold])\n  a = fill(rows[a], average) / 2\n  y = \
          class(fill(rows[c], \"unknown\"))\n}\nnet n {\n  input x[2], a\n  target y: class(3)\n  z = [x[0], x[1], a] |> dense(3)\n  \
          loss = cross_entropy(z, y)\n  output b = 2 * a\n}\ntrain n on d {\n  optimizer = sgd()\n  epochs = 1\n}\n",
    );
    let nnc = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_nnc")).args(args).output().expect("nnc starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let text = |path: &Path| path.display().to_string();
    let (model, weights) = (text(&model), text(&folder.0.path().join("weights")));
    nnc(&["run", &model, "--save", &weights]);
    fs::remove_file(folder.0.path().join("gaps.csv")).expect("it was there");
    let new = text(&folder.write("new.csv", b"fold,a\n0,\n1,8\n"));
    let predicted = nnc(&["predict", &model, "--load", &weights, &new, "--value", "b"]);
    // The mean of 1, 3, 5 and 9, learned in the run.
    assert_eq!(predicted, "b\n4.5\n8\n");
}
