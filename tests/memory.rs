//! Data that is larger than the memory it may take: mapped, or put into a temporary file, with the same bits.

use nnc::circuit::{Dtype, Numbers};
use nnc::data::room::{self, Room};
use nnc::data::{self, Dataset, npy};
use nnc::diagnostic::{Sources, render_all};
use nnc::syntax::{ast::ItemKind, parse};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

/// Every data block of a program in a type, with so much memory; of one that is wrong, what is told.
fn load_all(text: &str, base: &Path, dtype: Dtype, memory: u64) -> Vec<Result<Dataset, String>> {
    let mut sources = Sources::default();
    let id = sources.add("d.nn", text);
    let (file, _) = parse(id, text);
    let is_data = |kind: &ItemKind| matches!(kind, ItemKind::Data { .. } | ItemKind::Table { .. });
    let items = file.items.iter().filter(|item| is_data(&item.kind));
    let load = |item| data::load_as(item, &sources, base, dtype, &Room::of(memory));
    items.map(load).map(|loaded| loaded.map_err(|wrong| render_all(&wrong, &sources, false))).collect()
}

/// The one data block of a text, which is right.
fn load(block: &str, base: &Path, dtype: Dtype, memory: u64) -> Dataset {
    let text = format!("data d {{\n{block}\n}}\n");
    load_all(&text, base, dtype, memory).remove(0).expect("it loads")
}

fn is_mapped(data: &Dataset, column: &str) -> bool {
    data.column(column).expect("a column").data.is_mapped()
}

#[test]
fn every_block_is_the_same_with_no_memory_with_little_and_with_all() {
    let mut columns = 0;
    for folder in ["tests/cases/data", "examples"] {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()) {
            if entry.extension().is_none_or(|ending| ending != "nn") {
                continue;
            }
            let text = fs::read_to_string(&entry).expect("a program");
            for dtype in Dtype::ALL {
                let all = load_all(&text, Path::new(folder), dtype, u64::MAX);
                for memory in [0, 3000] {
                    let found = load_all(&text, Path::new(folder), dtype, memory);
                    assert!(found == all, "{} in {dtype} with {memory} bytes", entry.display());
                    let loaded = found.iter().flatten().flat_map(|data| &data.columns);
                    columns += loaded.filter(|column| column.data.is_mapped()).count();
                }
            }
        }
    }
    assert!(columns > 100, "{columns} columns went to files");
}

#[test]
fn an_array_of_the_right_type_is_used_where_it_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let numbers: Vec<f32> = (0..600).map(|k| k as f32 / 7.0 - 3.0).collect();
    let single = npy::written(&[200, 3], &Numbers::F32(numbers.clone()));
    fs::write(here.join("x.npy"), &single).expect("written");
    let double = Numbers::F64(numbers.iter().copied().map(f64::from).collect());
    fs::write(here.join("z.npy"), npy::written(&[200, 3], &double)).expect("written");
    let mut archive = zip::ZipWriter::new(fs::File::create(here.join("all.npz")).expect("a file"));
    for (name, method) in [("x", zip::CompressionMethod::Stored), ("y", zip::CompressionMethod::Deflated)] {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options).expect("a member");
        archive.write_all(&single).expect("written");
    }
    archive.finish().expect("an archive");
    let block = "x = npy(\"x.npy\")\nz = npy(\"z.npy\")\na = npz(\"all.npz\", x)\nb = npz(\"all.npz\", y)\n\
                 s = standardize(npy(\"x.npy\"))\nh = x / 2 + z\ntest = 20%";
    let (whole, mapped) = (load(block, here, Dtype::F32, u64::MAX), load(block, here, Dtype::F32, 0));
    assert_eq!(whole, mapped);
    for column in ["x", "z", "a", "b", "s", "h"] {
        assert!(!is_mapped(&whole, column) && is_mapped(&mapped, column), "{column}");
    }
    // What is mapped is the file itself.
    let x = mapped.column("x").expect("x").data.clone();
    assert_eq!(x.get(5), f64::from(5.0f32 / 7.0 - 3.0));
    let changed = fs::OpenOptions::new().write(true).open(here.join("x.npy"));
    let at = single.len() - 4 * 600 + 4 * 5;
    std::os::unix::fs::FileExt::write_all_at(&changed.expect("the file"), &8.5f32.to_le_bytes(), at as u64)
        .expect("written");
    assert_eq!(x.get(5), 8.5);
    assert_eq!(mapped.column("s").expect("s").data.get(5), whole.column("s").expect("s").data.get(5));
}

#[test]
fn arrays_of_any_order_of_bytes_and_axes_are_mapped_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let shape = [3usize, 2, 4];
    let number = |r: usize, i: usize, j: usize| (r * 100 + i * 10 + j) as f64 - 50.5;
    let mut expected = vec![];
    for r in 0..3 {
        for i in 0..2 {
            expected.extend((0..4).map(|j| number(r, i, j)));
        }
    }
    let mut first_fastest = vec![];
    for j in 0..4 {
        for i in 0..2 {
            first_fastest.extend((0..3).map(|r| number(r, i, j)));
        }
    }
    let write = |name: &str, order: &str, fortran: &str, numbers: &[f64]| {
        let header = format!("{{'descr': '{order}f8', 'fortran_order': {fortran}, 'shape': (3, 2, 4), }}\n");
        let bytes = numbers.iter().flat_map(|x| if order == ">" { x.to_be_bytes() } else { x.to_le_bytes() });
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.bytes());
        out.extend(bytes);
        fs::write(folder.path().join(name), out).expect("written");
    };
    write("a.npy", "<", "False", &expected);
    write("b.npy", ">", "False", &expected);
    write("c.npy", "<", "True", &first_fastest);
    write("d.npy", ">", "True", &first_fastest);
    for name in ["a", "b", "c", "d"] {
        for memory in [0, u64::MAX] {
            let data = load(&format!("x = npy(\"{name}.npy\")"), folder.path(), Dtype::F64, memory);
            let x = data.column("x").expect("x");
            assert_eq!(x.dims, shape[1..].iter().map(|&n| n as u32).collect::<Vec<_>>());
            assert_eq!(x.data.iter().collect::<Vec<_>>(), expected, "{name}");
        }
    }
}

const WIDE: &str = "
data d {
  x[200] = npy(\"x.npy\")
  validation = 20%
}
net n {
  input x[200]
  z    = x |> a: dense(8) |> tanh |> b: dense(200)
  loss = sum[i] (z[i] - x[i])^2
}
train n on d {
  optimizer = sgd(lr = 0.01)
  batch = 7
}
";

/// What comes of a command whose temporary files go to a folder.
fn nnc(args: &[&str], temporary: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nnc")).args(args).env("TMPDIR", temporary).output().expect("nnc starts")
}

/// `nnc run` with what is said beside; its checkpoint.
fn trained(model: &str, to: &Path, more: &[&str], temporary: &Path) -> Vec<u8> {
    let to = to.display().to_string();
    let args = [&["run", model, "--set", "epochs=2", "--save", &to], more].concat();
    let out = nnc(&args, temporary);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    fs::read(to).expect("a checkpoint")
}

#[test]
fn training_is_the_same_however_little_memory_its_data_may_take_and_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let temporary = tempfile::tempdir().expect("a folder");
    // Rows that are wide enough to be asked for before they are read.
    let numbers = Numbers::F32((0..60 * 200).map(|k| (k * k % 997) as f32 / 997.0 - 0.5).collect());
    fs::write(folder.path().join("x.npy"), npy::written(&[60, 200], &numbers)).expect("written");
    let wide = folder.path().join("wide.nn").display().to_string();
    fs::write(&wide, WIDE).expect("written");
    for model in ["examples/digits.nn", "examples/iris.nn", &wide] {
        let at = |name: &str| folder.path().join(name);
        let whole = trained(model, &at("whole.safetensors"), &[], temporary.path());
        for memory in ["0", "1MB"] {
            let out = trained(model, &at("less.safetensors"), &["--memory", memory], temporary.path());
            assert!(out == whole, "{model} with {memory}");
        }
        assert_eq!(fs::read_dir(temporary.path()).expect("a folder").count(), 0);
    }
}

#[test]
fn a_folder_that_cannot_take_what_does_not_fit_is_told() {
    let out = nnc(&["run", "examples/iris.nn", "--memory", "0"], Path::new("/nowhere"));
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success());
    assert!(told.contains("does not fit into memory goes to a file in `/nowhere`"), "{told}");
    assert!(told.contains("TMPDIR"), "{told}");
}

#[test]
fn sizes_read_as_people_write_them() {
    for (text, bytes) in [
        ("2GB", 2e9),
        ("1.5 GiB", 1.5 * 1073741824.0),
        ("500mb", 5e8),
        ("1e6", 1e6),
        ("0", 0.0),
        ("7 B", 7.0),
    ] {
        assert_eq!(room::bytes(text), Ok(bytes as u64), "{text}");
    }
    for text in ["", "GB", "-1", "two", "1e30", "nan"] {
        assert!(room::bytes(text).is_err(), "{text}");
    }
}
