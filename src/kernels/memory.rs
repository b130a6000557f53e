//! Memory that native code and kernels work in.

use super::tile::Real;
use memmap2::MmapMut;

/// So that arrays start where a line of the caches does.
#[repr(align(64))]
#[derive(Clone, Copy, Debug)]
pub struct CacheLine(#[expect(dead_code, reason = "read through pointers only")] [u8; CacheLine::SIZE]);

impl CacheLine {
    /// Bytes of one.
    pub const SIZE: usize = 64;
}

/// Bytes of a large page, and from which on memory is in such pages.
const LARGE_PAGE: usize = 1 << 21;

/// Numbers of any type, zeros at first. They begin where a line of the caches does: vectors of numbers lie on one line
/// each. Where they are many, the operating system is asked for large pages, of which the processor knows the places of
/// enough to walk through matrices in any order.
#[derive(Debug)]
pub struct Memory {
    held: Held,
    bytes: usize,
}

#[derive(Debug)]
enum Held {
    Lines(Vec<CacheLine>),
    Pages(MmapMut),
}

impl Memory {
    /// So many bytes.
    pub fn zeros(bytes: usize) -> Memory {
        let pages = (bytes >= LARGE_PAGE).then(|| MmapMut::map_anon(bytes.next_multiple_of(LARGE_PAGE)).ok());
        let held = match pages.flatten() {
            Some(pages) => {
                // Where that is refused it stays in small ones, and is slower.
                #[cfg(target_os = "linux")]
                let _ = pages.advise(memmap2::Advice::HugePage);
                Held::Pages(pages)
            }
            None => Held::Lines(vec![CacheLine([0; CacheLine::SIZE]); bytes.div_ceil(CacheLine::SIZE)]),
        };
        Memory { held, bytes }
    }

    /// How many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where it begins.
    pub fn as_mut_ptr<T>(&mut self) -> *mut T {
        match &mut self.held {
            Held::Lines(lines) => lines.as_mut_ptr().cast(),
            Held::Pages(pages) => pages.as_mut_ptr().cast(),
        }
    }

    /// As numbers of a type.
    pub fn slice<T: Real>(&self) -> &[T] {
        let first: *const u8 = match &self.held {
            Held::Lines(lines) => lines.as_ptr().cast(),
            Held::Pages(pages) => pages.as_ptr(),
        };
        // SAFETY: so many bytes are there, on a line of the caches, which is aligned for any number, and initialised; any
        // bits are a number.
        unsafe { std::slice::from_raw_parts(first.cast(), self.bytes / size_of::<T>()) }
    }

    /// As numbers of a type.
    pub fn slice_mut<T: Real>(&mut self) -> &mut [T] {
        let length = self.bytes / size_of::<T>();
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), length) }
    }

    /// Adds zeros until there are so many bytes.
    pub fn lengthen(&mut self, bytes: usize) {
        if bytes > self.bytes {
            let before = std::mem::replace(self, Memory::zeros(bytes));
            self.slice_mut()[..before.bytes / size_of::<f32>()].copy_from_slice(before.slice::<f32>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_length_is_aligned_and_keeps_what_it_holds() {
        for count in [0, 3, 1000, LARGE_PAGE / 4, LARGE_PAGE / 4 + 5] {
            let mut memory = Memory::zeros(count * 4);
            assert!(memory.slice::<f32>().iter().all(|&x| x == 0.0));
            assert_eq!(memory.as_mut_ptr::<u8>().addr() % CacheLine::SIZE, 0);
            memory.slice_mut::<f32>().iter_mut().enumerate().for_each(|(k, x)| *x = k as f32);
            memory.lengthen((2 * count + 1) * 4);
            let held = memory.slice::<f32>();
            assert_eq!(held.len(), 2 * count + 1);
            assert!(held[..count].iter().enumerate().all(|(k, &x)| x == k as f32));
            assert!(held[count..].iter().all(|&x| x == 0.0));
        }
    }
}
