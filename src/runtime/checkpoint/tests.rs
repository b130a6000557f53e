use super::*;
use crate::diagnostic::{Sources, render};

fn shown(diagnostic: &Diagnostic) -> String {
    render(diagnostic, &Sources::default(), false)
}

/// A place that vanishes at the end of the test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

const WEIGHT: [f32; 6] = [1.0, -2.5, f32::MIN_POSITIVE, 0.1, 1e30, -0.0];

/// A file with a matrix, a vector, a scalar and an empty array.
fn saved(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("model.safetensors");
    let tensors: [Written; 4] = [
        ("first.W", &[2, 3], Values::F32(&WEIGHT)),
        ("b", &[2], Values::F64(&[0.1, 7.0])),
        ("typical \"é\"", &[], Values::F32(&[3.5])),
        ("none", &[0], Values::F32(&[])),
    ];
    let metadata = [("net", "mlp"), ("note", "a \"quoted\"\nline"), ("data", "iris")];
    save(&path, &tensors, &metadata.map(|(k, v)| (k.to_string(), v.to_string()))).expect("it can be written");
    path
}

/// A file made by the crate's own writer.
fn foreign(folder: &tempfile::TempDir, dtype: Dtype, count: usize, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("foreign.safetensors");
    let view =
        safetensors::tensor::TensorView::new(dtype, vec![count], bytes).expect("as many bytes as it takes");
    fs::write(&path, safetensors::serialize([("x", view)], None).expect("it serializes"))
        .expect("it can be written");
    path
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = folder();
    let loaded = load(&saved(&folder)).expect("it can be read");
    let names: Vec<&str> = loaded.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert!(["first.W", "b", "typical \"é\"", "none"].iter().all(|name| names.contains(name)), "{names:?}");
    let find = |name: &str| loaded.tensors.iter().find(|tensor| tensor.name == name).expect("it is there");
    assert_eq!(find("first.W").dims, [2, 3]);
    assert_eq!(
        find("first.W").data.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        WEIGHT.map(|x| f64::from(x).to_bits())
    );
    assert_eq!((&find("typical \"é\"").dims[..], &find("typical \"é\"").data[..]), (&[][..], &[3.5][..]));
    assert_eq!(find("b").data, [0.1, 7.0], "what is written in 64 bits comes back in 64 bits");
    assert!(find("none").data.is_empty());
    let metadata: Vec<(&str, &str)> = loaded.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(metadata, [("data", "iris"), ("net", "mlp"), ("note", "a \"quoted\"\nline")]);
}

#[test]
fn equal_models_are_equal_files_and_nothing_is_left_beside() {
    let folder = folder();
    let first = fs::read(saved(&folder)).expect("written");
    assert_eq!(first, fs::read(saved(&folder)).expect("written again over the first"));
    assert_eq!(fs::read_dir(folder.path()).expect("a directory").count(), 1);
    let header = u64::from_le_bytes(first[..8].try_into().unwrap());
    assert_eq!(header % 8, 0, "values are aligned");
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_old_one() {
    let folder = folder();
    let absent = folder.path().join("absent").join("model.safetensors");
    let told =
        save(&absent, &[("x", &[1], Values::F32(&[1.0]))], &[]).expect_err("there is no such directory");
    assert_eq!(told.code, codes::FILE_UNWRITABLE);
    assert!(told.help.is_some_and(|help| help.contains("absent")));
    let directory = folder.path().join("directory");
    fs::create_dir(&directory).expect("a directory");
    assert_eq!(
        save(&directory, &[("x", &[1], Values::F32(&[1.0]))], &[]).expect_err("it is one").code,
        codes::FILE_UNWRITABLE
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a directory").count(), 1, "no part is left");
}

#[test]
fn every_kind_of_number_is_read_exactly() {
    let folder = folder();
    let read = |dtype, count, bytes: &[u8]| {
        load(&foreign(&folder, dtype, count, bytes)).map(|l| l.tensors[0].data.clone())
    };
    let f64s: Vec<u8> = [0.1f64, -1e-300, f64::INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(read(Dtype::F64, 3, &f64s), Ok(vec![0.1, -1e-300, f64::INFINITY]));
    let halves: [u16; 7] = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x8000, 0x7c00];
    let bytes: Vec<u8> = halves.iter().flat_map(|x| x.to_le_bytes()).collect();
    let expected = [1.0, -2.0, 65504.0, 2f64.powi(-24), 2f64.powi(-14), -0.0, f64::INFINITY];
    assert_eq!(read(Dtype::F16, 7, &bytes), Ok(expected.to_vec()));
    assert_eq!(read(Dtype::BF16, 1, &[0x80, 0xbf]), Ok(vec![-1.0]));
    assert_eq!(read(Dtype::I64, 1, &(-3i64).to_le_bytes()), Ok(vec![-3.0]));
    assert_eq!(read(Dtype::I32, 1, &(1i32 << 24).to_le_bytes()), Ok(vec![16_777_216.0]));
    assert_eq!(read(Dtype::U8, 2, &[0, 255]), Ok(vec![0.0, 255.0]));
}

#[test]
fn what_f64_cannot_hold_is_refused_by_name() {
    let folder = folder();
    let told = |dtype, bytes: &[u8]| load(&foreign(&folder, dtype, 1, bytes)).expect_err("refused").message;
    assert!(told(Dtype::I64, &((1i64 << 53) + 1).to_le_bytes()).contains("`x` holds a number of type I64"));
    assert!(told(Dtype::F8_E4M3, &[0]).contains("type F8_E4M3; those that can be read are F32, F64"));
}

#[test]
fn missing_and_foreign_files_are_told() {
    let folder = folder();
    let told = |bytes: Option<&[u8]>| {
        let path = folder.path().join("a.safetensors");
        let _ = fs::remove_file(&path);
        bytes.iter().for_each(|bytes| fs::write(&path, bytes).expect("it can be written"));
        shown(&load(&path).expect_err("it is none")).replace(&folder.path().display().to_string(), "..")
    };
    let whole = fs::read(saved(&folder)).expect("written");
    let cases = [
        ("missing", told(None)),
        ("empty", told(Some(b""))),
        ("text", told(Some(b"x,y\n1,2\n3,4\n"))),
        ("no header", told(Some(b"\x08\0\0\0\0\0\0\0not json"))),
        ("cut in the header", told(Some(&whole[..20]))),
        ("cut in the values", told(Some(&whole[..whole.len() - 5]))),
        ("too long", told(Some(&[&whole[..], b"more"].concat()))),
    ];
    insta::assert_snapshot!(cases.map(|(what, told)| format!("{what}:\n{told}")).join("\n"));
}

#[test]
fn damaged_files_never_panic() {
    let folder = folder();
    let whole = fs::read(saved(&folder)).expect("written");
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "cut off after {end} bytes");
    }
    let mut state = 1u64;
    for _ in 0..50_000 {
        // Knuth's MMIX generator; its upper bits are used.
        let mut next = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let mut bytes = whole.clone();
        for _ in 0..1 + next(3) {
            let at = next(bytes.len());
            bytes[at] = b"0123456789[]{},:\"F\xff\0"[next(20)];
        }
        if let Ok((tensors, _)) = read(&bytes) {
            for tensor in &tensors {
                assert_eq!(tensor.dims.iter().map(|&d| d as usize).product::<usize>(), tensor.data.len());
            }
        }
    }
}

#[test]
fn a_file_is_matched_with_a_model() {
    let folder = folder();
    let mut loaded = load(&saved(&folder)).expect("it can be read");
    loaded.path = "model.safetensors".to_string();
    let fits = matching(&loaded, &[("b", &[2]), ("first.W", &[2, 3])]).expect("it fits");
    assert_eq!(fits.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), ["b", "first.W"]);
    let told = matching(&loaded, &[("b", &[3]), ("firs.W", &[2, 3]), ("out.W", &[1, 2]), ("none", &[0])]);
    let transposed = matching(&loaded, &[("first.W", &[3, 2])]);
    let told = [told, transposed].map(|told| shown(&told.expect_err("it does not fit")));
    insta::assert_snapshot!(told.join("\n"));
}
