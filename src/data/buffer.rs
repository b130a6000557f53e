//! Numbers one after another, in memory or in a file that is mapped: whoever reads them sees a slice.
//!
//! A [`Builder`] keeps to memory as long as its [`Room`] lasts, and goes on in a temporary file from there. That file has
//! no name, so that nothing is left behind however the process ends; the operating system brings in the pages that are
//! read, and takes them out again when memory runs short.

use super::room::{Lease, Room};
use memmap2::Mmap;
use std::fmt::{Debug, Formatter};
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::path::PathBuf;
use std::sync::Arc;

/// A number of which every pattern of bits is a value, so that bytes of a file can be read as such numbers in place.
pub trait Plain: Copy + PartialEq + Debug + private::Sealed + 'static {
    /// Appends its bytes, in the machine's order.
    fn put(self, out: &mut Vec<u8>);
}

mod private {
    /// What a mapped file may be read as is said here alone.
    pub trait Sealed {}
}

macro_rules! plain {
    ($($of:ty),*) => {$(
        impl private::Sealed for $of {}
        impl Plain for $of {
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_ne_bytes());
            }
        }
    )*};
}
plain!(u8, u32, u64, f32, f64);

/// Numbers that nobody changes any more. A clone shares them.
#[derive(Clone)]
pub struct Buffer<T> {
    memory: Memory<T>,
}

#[derive(Clone)]
enum Memory<T> {
    /// A stretch of an array, with the room that it takes.
    Owned { values: Arc<(Vec<T>, Lease)>, range: Range<usize> },
    /// So many numbers from byte `at` of a file on, which is a multiple of their size.
    Mapped { map: Arc<Mmap>, at: usize, len: usize, of: PhantomData<T> },
}

impl<T: Plain> Buffer<T> {
    /// Numbers in memory that count for no room.
    pub fn new(values: Vec<T>) -> Buffer<T> {
        Buffer::leased(values, Room::of(0).lease())
    }

    fn leased(values: Vec<T>, lease: Lease) -> Buffer<T> {
        let range = 0..values.len();
        Buffer { memory: Memory::Owned { values: Arc::new((values, lease)), range } }
    }

    /// A whole file of such numbers.
    fn map(file: &File, len: usize) -> Result<Buffer<T>> {
        if len == 0 {
            return Ok(Buffer::new(vec![]));
        }
        // SAFETY: a temporary file has no name and no other process has it open, so its bytes stay as they are. A file of
        // the user's could be changed while it is read: numbers in it may then change under way, which nothing here relies
        // on (every pattern of bits is a number, and text is checked where it is used); that one must not be made
        // shorter meanwhile, which ends the process, is what the reference says.
        let map = unsafe { Mmap::map(file)? };
        if map.len() / size_of::<T>() < len {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the file became shorter while it was opened"));
        }
        Ok(Buffer { memory: Memory::Mapped { map: Arc::new(map), at: 0, len, of: PhantomData } })
    }

    /// Some of the numbers, shared.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn slice(&self, part: Range<usize>) -> Buffer<T> {
        assert!(part.start <= part.end && part.end <= self.len(), "a part of what is there");
        Buffer {
            memory: match &self.memory {
                Memory::Owned { values, range } => Memory::Owned {
                    values: values.clone(),
                    range: range.start + part.start..range.start + part.end,
                },
                Memory::Mapped { map, at, .. } => Memory::Mapped {
                    map: map.clone(),
                    at: at + part.start * size_of::<T>(),
                    len: part.len(),
                    of: PhantomData,
                },
            },
        }
    }

    /// Tells the operating system, of a mapped file, whether it is read from its beginning on, or here and there: then
    /// nothing is read ahead.
    pub fn advise(&self, here_and_there: bool) {
        #[cfg(unix)]
        if let Memory::Mapped { map, .. } = &self.memory {
            let advice = if here_and_there { memmap2::Advice::Random } else { memmap2::Advice::Normal };
            // What is not followed changes no number.
            _ = map.advise(advice);
        }
    }

    /// Tells the operating system, of a mapped file, which stretches are read next, all at once, so that it need not wait
    /// for one before it asks for another.
    pub fn will_read(&self, stretches: impl Iterator<Item = Range<usize>>) {
        #[cfg(unix)]
        if let Memory::Mapped { map, at, .. } = &self.memory {
            for stretch in stretches {
                let (begin, len) = (at + stretch.start * size_of::<T>(), stretch.len() * size_of::<T>());
                _ = map.advise_range(memmap2::Advice::WillNeed, begin, len);
            }
        }
    }

    /// Whether the numbers lie in a file.
    pub fn is_mapped(&self) -> bool {
        matches!(self.memory, Memory::Mapped { .. })
    }
}

impl Buffer<u8> {
    /// The bytes of a file: read where the room lasts, else mapped.
    pub fn of_file(file: &mut File, room: &Room) -> Result<Buffer<u8>> {
        let about = file.metadata()?;
        let mut lease = room.lease();
        if about.is_file() && !lease.grow(about.len()) {
            let len = usize::try_from(about.len()).map_err(Error::other)?;
            return Buffer::map(file, len);
        }
        let mut bytes = Vec::with_capacity(about.len() as usize);
        std::io::Read::read_to_end(file, &mut bytes)?;
        Ok(Buffer::leased(bytes, lease))
    }

    /// Little-endian numbers of a mapped file as they lie there; none where they would have to be copied.
    pub fn in_place<T: Plain>(&self) -> Option<Buffer<T>> {
        let Memory::Mapped { map, at, len, .. } = &self.memory else { return None };
        let fits = cfg!(target_endian = "little")
            && (map.as_ptr() as usize + at).is_multiple_of(align_of::<T>())
            && len.is_multiple_of(size_of::<T>());
        let len = len / size_of::<T>();
        fits.then(|| Buffer { memory: Memory::Mapped { map: map.clone(), at: *at, len, of: PhantomData } })
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.memory {
            Memory::Owned { values, range } => &values.0[range.clone()],
            // SAFETY: `at` and `len` lie inside the map, as `map`, `slice` and `in_place` saw to; a map begins at a page,
            // and `at` is a multiple of the size of `T`, or was asked for its alignment by `in_place`. Every pattern of
            // bits is a `T`. The map lives as long as the borrow of `self`.
            Memory::Mapped { map, at, len, .. } => unsafe {
                std::slice::from_raw_parts(map.as_ptr().add(*at).cast::<T>(), *len)
            },
        }
    }
}

impl<T: Plain> Default for Buffer<T> {
    fn default() -> Self {
        Buffer::new(vec![])
    }
}

impl<T: Plain> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Plain> Debug for Buffer<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

/// Numbers that are still being put down.
pub struct Builder<T> {
    /// Those in memory; of a file, those that are still to be written.
    values: Vec<T>,
    lease: Lease,
    file: Option<File>,
    /// Numbers in the file.
    written: usize,
    /// Space for the bytes of numbers on their way into the file.
    bytes: Vec<u8>,
}

/// Numbers that are written to a file together.
const TOGETHER: usize = 1 << 16;

impl<T: Plain> Builder<T> {
    /// None yet.
    pub fn new(room: &Room) -> Builder<T> {
        Builder { values: vec![], lease: room.lease(), file: None, written: 0, bytes: vec![] }
    }

    /// None yet, and so many to come.
    ///
    /// # Errors
    /// Where not even a file has room.
    pub fn for_count(room: &Room, count: usize) -> Result<Builder<T>> {
        let mut builder = Builder::new(room);
        builder.reserve(count)?;
        Ok(builder)
    }

    /// Appends a number.
    ///
    /// # Errors
    /// Where a file is needed and cannot be written.
    pub fn push(&mut self, value: T) -> Result<()> {
        if self.values.len() == self.values.capacity() {
            self.make_room(1)?;
        }
        self.values.push(value);
        Ok(())
    }

    /// Appends numbers.
    ///
    /// # Errors
    /// As of [`Builder::push`].
    pub fn extend(&mut self, values: &[T]) -> Result<()> {
        if self.values.capacity() - self.values.len() < values.len() {
            self.make_room(values.len())?;
        }
        self.values.extend_from_slice(values);
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.written + self.values.len()
    }

    /// The numbers.
    ///
    /// # Errors
    /// As of [`Builder::push`].
    pub fn finish(mut self) -> Result<Buffer<T>> {
        if self.file.is_some() {
            self.write()?;
        }
        match self.file {
            None => Ok(Buffer::leased(self.values, self.lease)),
            Some(file) => Buffer::map(&file, self.written),
        }
    }

    /// Makes space for more numbers: in memory, twice as much as before, or by writing down what is there.
    fn make_room(&mut self, more: usize) -> Result<()> {
        if self.file.is_some() {
            return self.write();
        }
        self.reserve(more.max(self.values.len()).max(64))
    }

    fn reserve(&mut self, more: usize) -> Result<()> {
        let bytes = (self.values.len() + more).saturating_sub(self.values.capacity()) * size_of::<T>();
        if self.lease.grow(bytes as u64) {
            self.values.reserve_exact(more);
            return Ok(());
        }
        self.file = Some(tempfile::tempfile_in(folder())?);
        self.write()?;
        self.lease = self.lease.none();
        self.values = Vec::with_capacity(TOGETHER);
        Ok(())
    }

    /// Moves the numbers into the file.
    fn write(&mut self) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        for values in self.values.chunks(TOGETHER) {
            self.bytes.clear();
            values.iter().for_each(|value| value.put(&mut self.bytes));
            file.write_all(&self.bytes)?;
        }
        self.written += self.values.len();
        self.values.clear();
        Ok(())
    }
}

/// Where temporary files go: what TMPDIR names, else `/var/tmp`, which unlike `/tmp` never is itself in memory, else what the
/// system has.
pub fn folder() -> PathBuf {
    let large = PathBuf::from("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && large.is_dir() { large } else { std::env::temp_dir() }
}
