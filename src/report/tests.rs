use super::chart::{Chart, Curve, short, svg};
use super::image::{address, base64};
use super::{Picture, Report, page};

#[test]
fn base_64_is_that_of_the_standard() {
    // RFC 4648, section 10.
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}

#[test]
fn arrays_that_look_like_pictures_are_shown_as_such() {
    let shape = |dims: &[u32]| {
        let count: u32 = dims.iter().product();
        Picture::of(dims, &vec![0.0; count as usize]).map(|p| (p.channels, p.height, p.width))
    };
    assert_eq!(shape(&[64]), Some((1, 8, 8)));
    assert_eq!(shape(&[28, 20]), Some((1, 28, 20)));
    assert_eq!(shape(&[3, 32, 32]), Some((3, 32, 32)));
    for none in [&[4][..], &[50], &[2, 8, 8], &[3, 3], &[], &[4, 600]] {
        assert_eq!(shape(none), None, "{none:?}");
    }
    let picture = Picture { channels: 1, height: 1, width: 2, pixels: vec![-1.0, 3.0] };
    assert!(address(&picture).starts_with("data:image/png;base64,iVBORw0KGgo"));
}

#[test]
fn curves_lie_within_their_chart() {
    let curve = |points: &[(f64, f64)]| Curve { name: "a<b".into(), points: points.to_vec(), apart: false };
    for points in [
        &[(1.0, 2.0), (2.0, 1.0), (3.0, f64::NAN)][..],
        &[(1.0, 1e-8), (2.0, 1e3)],
        &[(1.0, 0.0)],
        &[(1.0, -3.0), (9.0, -3.0)],
        &[(1.0, 0.0), (2.0, 1e300)],
    ] {
        let chart = Chart { title: "loss", along: "epoch", log_along: true, curves: vec![curve(points)] };
        let text = svg(&chart);
        assert!(text.contains("a&lt;b") && !text.contains("NaN") && !text.contains("inf"), "{text}");
        let line = text.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a curve");
        for pair in line.split(' ') {
            let (x, y) = pair.split_once(',').expect("a pair");
            let (x, y): (f64, f64) = (x.parse().expect("a number"), y.parse().expect("a number"));
            assert!((0.0..=640.0).contains(&x) && (0.0..=260.0).contains(&y), "{pair} of {points:?}");
        }
    }
    let nothing = Chart { title: "", along: "", log_along: false, curves: vec![curve(&[])] };
    assert_eq!(svg(&nothing), "");
    assert_eq!([0.25, 1200.0, 1e-9].map(short), ["0.25", "1200", "1e-9"]);
}

#[test]
fn what_users_write_is_text_not_markup() {
    let report = Report { title: "<script>".into(), findings: vec!["a < b & c".into()], ..Report::default() };
    let page = page(&report);
    assert!(!page.contains("<script>") && page.contains("a &lt; b &amp; c"));
}
