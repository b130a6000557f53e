//! Images from a folder, PNG and JPEG: a subfolder a class.
//!
//! `photos = images("data/photos", height = 32, width = 32)` reads every image of every subfolder, subfolders and files in
//! the order of their names. `photos[pixels]` has shape `[channels, height, width]`, from 0 to 255; `photos[folder]` is
//! the subfolder's name. Images of another size are made to fit by a triangle filter, as wide as a pixel of the smaller
//! image (bilinear interpolation, without aliasing where they shrink).

use super::buffer::Builder;
use super::expression::Values;
use super::open::Home;
use super::room;
use super::rows::Stored;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use crate::syntax::ast::{Expr, ExprKind, IndexArg};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The images of a folder.
pub struct Images {
    /// Of each image, below that path.
    pub names: Vec<String>,
    /// `[channels, height, width]` of each image, from 0 to 255.
    pub pixels: Values,
    /// The subfolder of each image.
    pub folders: Vec<String>,
}

/// What is asked of the images.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    /// Rows of pixels; those of the first image, if not said.
    pub height: Option<u32>,
    /// Columns of pixels; those of the first image, if not said.
    pub width: Option<u32>,
    /// 1, gray, or 3, red, green and blue; those of the first image, if not said.
    pub channels: Option<u32>,
}

/// An image as it is stored: row by row, the channels of a pixel side by side.
struct Image {
    height: usize,
    width: usize,
    channels: usize,
    bytes: Vec<u8>,
}

impl Images {
    /// `photos[pixels]`
    pub fn column(&self, indices: &[IndexArg], span: Span) -> Result<Values, Diagnostics> {
        match word(indices) {
            Some("pixels") => Ok(self.pixels.clone()),
            _ => Err(no_column(span)),
        }
    }

    /// `photos[folder]`, `photos[file]`: text of each image.
    pub fn named(&self, indices: &[IndexArg], span: Span) -> Result<&[String], Diagnostics> {
        match word(indices) {
            Some("folder") => Ok(&self.folders),
            Some("file") => Ok(&self.names),
            _ => Err(no_column(span)),
        }
    }
}

/// The one name between brackets.
fn word(indices: &[IndexArg]) -> Option<&str> {
    match indices {
        [IndexArg::Expr(Expr { kind: ExprKind::Name { name, primed: false }, .. })] => Some(&name.text),
        _ => None,
    }
}

fn no_column(span: Span) -> Diagnostics {
    let message = "images have `photos[pixels]`, which are numbers, and the classes `photos[folder]` and `photos[file]`";
    let diagnostic = Diagnostic::error(codes::UNKNOWN_COLUMN, message).at(span, "is none of these");
    vec![diagnostic.help("`x[3, 32, 32] = photos[pixels] / 255` and `y = class(photos[folder])`")]
}

/// Reads all images of a folder.
///
/// # Errors
/// `FILE_UNREADABLE` where the folder or an image cannot be read, or images differ in size and no size is asked for;
/// `EMPTY_DATA` without an image.
pub fn read(home: &Home, path: &str, span: Span, options: Options) -> Result<Images, Diagnostics> {
    let told = |code, message: String| vec![Diagnostic::error(code, message).at(span, "read here")];
    let given = home.given(path);
    let root = given.map_or_else(|| home.base.join(path), |given| PathBuf::from(&given.name));
    let path = home.shown(path);
    // New examples may be a single image, or lie in the folder itself.
    let found = if root.is_file() { Ok(vec![(String::new(), root)]) } else { files(&root, given.is_some()) };
    let files = found
        .map_err(|error| told(codes::FILE_UNREADABLE, format!("cannot read the folder `{path}`: {error}")))?;
    if files.is_empty() {
        let message = format!("`{path}` has no subfolder with images (.png, .jpg, .jpeg)");
        return Err(told(codes::EMPTY_DATA, message)
            .into_iter()
            .map(|d| d.help("each class has a subfolder of its own"))
            .collect());
    }
    let mut images =
        Images { names: vec![], pixels: Values::new(vec![], 0, Rc::new(Stored::default())), folders: vec![] };
    let mut pixels = Builder::new(home.room);
    let mut one = vec![];
    let mut shape: Option<[usize; 3]> = None;
    for (folder, file) in &files {
        let name = format!("{folder}/{}", file.file_name().unwrap_or_default().to_string_lossy());
        let image =
            decode(file).map_err(|what| told(codes::FILE_UNREADABLE, format!("`{path}/{name}`: {what}")))?;
        let asked = |asked: Option<u32>, own: usize| asked.map_or(own, |n| n as usize);
        let [channels, height, width] = *shape.get_or_insert_with(|| {
            [
                asked(options.channels, image.channels),
                asked(options.height, image.height),
                asked(options.width, image.width),
            ]
        });
        if images.names.is_empty() {
            let count = files.len() * channels * height * width;
            pixels = room::told(Builder::for_count(home.room, count), span)?;
        }
        let fits = options.height.is_some() && options.width.is_some();
        if !fits && (image.height, image.width) != (height, width) {
            let message = format!(
                "`{path}/{name}` is {} pixels high and {} wide, and those before it are {height} and {width}",
                image.height, image.width
            );
            let help = "`images(\"...\", height = 32, width = 32)` makes all of one size";
            return Err(told(codes::FILE_UNREADABLE, message).into_iter().map(|d| d.help(help)).collect());
        }
        one.clear();
        append(&image, channels, height, width, &mut one);
        room::told(pixels.extend(&one), span)?;
        images.names.push(name);
        images.folders.push(folder.clone());
    }
    let dims = shape.unwrap_or_default();
    let (width, numbers) = (dims.iter().product(), room::told(pixels.finish(), span)?);
    let dims = dims.map(|n| n as u32).to_vec();
    images.pixels = Values::new(dims, files.len(), Rc::new(Stored { width, numbers }));
    Ok(images)
}

/// The images of every subfolder, with its name, both in the order of their names; those of the folder itself first, if
/// they count.
fn files(folder: &Path, itself: bool) -> std::io::Result<Vec<(String, PathBuf)>> {
    let sorted = |folder: &Path| -> std::io::Result<Vec<PathBuf>> {
        let mut paths =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let is_image = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| ["png", "jpg", "jpeg"].contains(&ending.as_str()))
    };
    let mut files = vec![];
    if itself {
        files.extend(sorted(folder)?.into_iter().filter(is_image).map(|file| (String::new(), file)));
    }
    for class in sorted(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = class.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.extend(sorted(&class)?.into_iter().filter(is_image).map(|file| (name.clone(), file)));
    }
    Ok(files)
}

/// Most pixels of an image.
const MOST: usize = 1 << 28;

/// The image in a file, by what the file begins with, whatever it is called.
fn decode(file: &Path) -> Result<Image, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    match &bytes[..] {
        [0x89, b'P', b'N', b'G', ..] => png_image(&bytes),
        [0xff, 0xd8, ..] => jpeg_image(&bytes),
        _ => Err("it is neither PNG nor JPEG".into()),
    }
}

fn png_image(bytes: &[u8]) -> Result<Image, String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let size = reader.output_buffer_size().filter(|size| *size <= MOST).ok_or("it is too large")?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer).map_err(|error| error.to_string())?;
    buffer.truncate(frame.buffer_size());
    let (height, width) = (frame.height as usize, frame.width as usize);
    let stored = frame.color_type.samples();
    // What is behind a transparent pixel is seen as if it were not.
    let channels = if stored >= 3 { 3 } else { 1 };
    let bytes = buffer.chunks_exact(stored).flat_map(|pixel| pixel[..channels].to_vec()).collect();
    Ok(Image { height, width, channels, bytes })
}

/// Most pixels that a byte of a JPEG file can stand for: a block of 8 by 8 takes at least a bit.
const PIXELS_OF_A_BYTE: usize = 8 * 64;

fn jpeg_image(bytes: &[u8]) -> Result<Image, String> {
    use zune_jpeg::zune_core::colorspace::ColorSpace;
    use zune_jpeg::zune_core::options::DecoderOptions;
    let mut decoder = zune_jpeg::JpegDecoder::new(std::io::Cursor::new(bytes));
    decoder.decode_headers().map_err(|error| format!("{error:?}"))?;
    let (width, height) = decoder.dimensions().ok_or("it tells no size")?;
    if width * height / PIXELS_OF_A_BYTE > bytes.len() {
        return Err(format!("its header tells of {height} rows of {width} pixels, and it is cut off"));
    }
    let gray = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let out = if gray { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(DecoderOptions::default().jpeg_set_out_colorspace(out).set_strict_mode(true));
    let bytes = decoder.decode().map_err(|error| format!("{error:?}"))?;
    Ok(Image { height, width, channels: if gray { 1 } else { 3 }, bytes })
}

/// Appends an image, channel by channel, at another size.
fn append(image: &Image, channels: usize, height: usize, width: usize, out: &mut Vec<f64>) {
    let plane = |channel: usize| -> Vec<f64> {
        let pixels = image.bytes.chunks_exact(image.channels);
        match (image.channels, channels) {
            // Luma as by ITU-R BT.601.
            (3, 1) => pixels
                .map(|p| {
                    (299.0 * f64::from(p[0]) + 587.0 * f64::from(p[1]) + 114.0 * f64::from(p[2])) / 1000.0
                })
                .collect(),
            (own, _) => pixels.map(|p| f64::from(p[channel.min(own - 1)])).collect(),
        }
    };
    for channel in 0..channels {
        let plane = plane(channel);
        if (image.height, image.width) == (height, width) {
            out.extend(plane);
            continue;
        }
        let (rows, columns) = (weights(image.height, height), weights(image.width, width));
        let narrow: Vec<f64> = plane
            .chunks_exact(image.width)
            .flat_map(|row| columns.iter().map(|w| sum(w, |k| row[k])).collect::<Vec<_>>())
            .collect();
        for row in &rows {
            out.extend((0..width).map(|column| sum(row, |k| narrow[k * width + column])));
        }
    }
}

/// Weights of old elements, from the first one on, for one new element.
struct Weights {
    first: usize,
    of: Vec<f64>,
}

fn sum(weights: &Weights, element: impl Fn(usize) -> f64) -> f64 {
    weights.of.iter().enumerate().map(|(k, weight)| weight * element(weights.first + k)).sum()
}

/// For each of `to` elements the weights of the `from` that it is made of.
fn weights(from: usize, to: usize) -> Vec<Weights> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let of_one = |k: usize| {
        let centre = (k as f64 + 0.5) * scale - 0.5;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(from - 1);
        let weight = |j: usize| (1.0 - (j as f64 - centre).abs() / reach).max(0.0);
        let of: Vec<f64> = (first..=last).map(weight).collect();
        let total: f64 = of.iter().sum();
        Weights { first, of: of.into_iter().map(|weight| weight / total).collect() }
    };
    (0..to).map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_keep_their_mean_and_a_slope_stays_one() {
        let shown = |image: Image, height, width| {
            let mut out = vec![];
            append(&image, 1, height, width, &mut out);
            out
        };
        let image = |height, width, bytes| Image { height, width, channels: 1, bytes };
        assert_eq!(shown(image(2, 2, vec![10, 20, 30, 40]), 2, 2), [10.0, 20.0, 30.0, 40.0]);
        assert_eq!(shown(image(2, 2, vec![10, 20, 30, 40]), 1, 1), [25.0]);
        let slope = shown(image(1, 8, vec![0, 10, 20, 30, 40, 50, 60, 70]), 1, 4);
        for (found, expected) in slope[1..3].iter().zip([25.0, 45.0]) {
            assert!((found - expected).abs() < 1e-9, "{slope:?}");
        }
        let colour = Image { height: 1, width: 1, channels: 3, bytes: vec![100, 50, 200] };
        assert_eq!(shown(colour, 1, 1), [82.05]);
    }
}
