//! Pictures within a page: PNG as a `data:` address.

use super::Picture;

/// An address that holds the picture; its darkest number is black, its brightest white.
pub fn address(picture: &Picture) -> String {
    let least = picture.pixels.iter().copied().fold(f64::INFINITY, f64::min);
    let most = picture.pixels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = if most > least { most - least } else { 1.0 };
    let plane = picture.height * picture.width;
    let byte = |channel: usize, at: usize| {
        ((picture.pixels[channel * plane + at] - least) / range * 255.0).round() as u8
    };
    let bytes: Vec<u8> = (0..plane)
        .flat_map(|at| (0..picture.channels).map(move |channel| (channel, at)))
        .map(|(c, at)| byte(c, at))
        .collect();
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, picture.width as u32, picture.height as u32);
    encoder.set_color(if picture.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    let mut writer = encoder.write_header().expect("memory takes what is written");
    writer.write_image_data(&bytes).expect("as many bytes as pixels");
    writer.finish().expect("memory takes what is written");
    format!("data:image/png;base64,{}", base64(&file))
}

/// Base 64 (RFC 4648).
pub(super) fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for k in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * k) & 63) as usize];
            text.push(if k > three.len() { '=' } else { char::from(sign) });
        }
    }
    text
}
