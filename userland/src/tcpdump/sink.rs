//! Where tcpdump's packets go: the printer, a file or a row of files, a counter.

use hopwise_capture::file::PcapWriter;
use hopwise_capture::filter::Filter;
use hopwise_capture::print::Printer;
use hopwise_capture::{Frame, LinkType, Meta};
use hopwise_machine::{Open, Step, Sys};
use hopwise_sim_core::Time;

use super::options::{Options, Refusal, Rotation};
use crate::kernel::SimKernel;
use crate::stdio::Stream;

/// The printer, the file and the counters of a capture.
#[derive(Clone)]
pub(super) struct Sink {
    pub(super) options: Options,
    pub(super) filter: Filter,
    link_type: LinkType,
    printer: Printer,
    /// Standard output.
    out: Stream,
    /// The file of `-w`.
    file: Option<Written>,
    /// Packets handled.
    pub(super) captured: u64,
    /// Packets that passed the filter.
    pub(super) passed: u64,
}

/// A file being written.
#[derive(Clone)]
struct Written {
    fd: u32,
    stream: Stream,
    writer: PcapWriter,
    /// Bytes so far.
    size: u64,
    /// Which one of a row of files it is.
    number: u64,
    /// When the last one was begun by the clock.
    since: Time,
}

/// What became of a packet.
pub(super) enum Taken {
    /// It was handled.
    Handled,
    /// It was one too many for `-W`.
    LimitReached(u64),
}

impl Sink {
    pub(super) fn open(
        sys: &mut Sys<'_, SimKernel>,
        options: Options,
        filter: Filter,
        link_type: LinkType,
    ) -> Result<Sink, Refusal> {
        let out = Stream::new(1, options.line_buffered);
        let printer = Printer::new(options.print.clone());
        let mut sink = Sink { options, filter, link_type, printer, out, file: None, captured: 0, passed: 0 };
        sink.open_file(sys, 0)?;
        Ok(sink)
    }

    /// Opens the file of that number in place of the one before.
    fn open_file(&mut self, sys: &mut Sys<'_, SimKernel>, number: u64) -> Result<(), Refusal> {
        self.close(sys);
        let Some(path) = self.options.write.as_deref() else { return Ok(()) };
        let path = self.options.rotation.name(path, number);
        let fd = match path.as_str() {
            "-" => 1,
            path => sys.open(path, Open::Write).map_err(|errno| Refusal::new(format!("{path}: {errno}")))?,
        };
        let mut writer = PcapWriter::with(self.link_type, self.options.precision(), self.options.snaplen);
        let header = writer.take_bytes();
        let mut stream = Stream::new(fd, self.options.packet_buffered);
        stream.put(sys, &header);
        let since = sys.now();
        self.file = Some(Written { fd, stream, writer, size: header.len() as u64, number, since });
        Ok(())
    }

    /// Writes what is still held of the file, and closes it.
    fn close(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if let Some(mut file) = self.file.take() {
            file.stream.flush(sys);
            if file.fd != 1 {
                sys.close(file.fd);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.options.count.is_some_and(|count| self.captured >= count)
    }

    /// Prints, writes or counts one packet.
    ///
    /// # Errors
    /// If the next file of a row cannot be opened.
    pub(super) fn take(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        frame: &Frame,
        meta: &Meta<'_>,
    ) -> Result<Taken, Refusal> {
        self.captured += 1;
        if let Some(limit) = self.rotate(sys)? {
            return Ok(Taken::LimitReached(limit));
        }
        if let Some(file) = &mut self.file {
            file.writer.append(frame.time_ns, frame.orig_len, &frame.data);
            let bytes = file.writer.take_bytes();
            file.size += bytes.len() as u64;
            file.stream.put(sys, &bytes);
        }
        let prints = self.file.is_none() || self.options.print_too;
        if prints && !self.options.count_only {
            let text = self.text(frame, meta);
            self.out.put(sys, text.as_bytes());
        }
        Ok(Taken::Handled)
    }

    fn text(&mut self, frame: &Frame, meta: &Meta<'_>) -> String {
        match frame.data.get(..self.options.snaplen as usize) {
            Some(kept) if kept.len() < frame.data.len() => {
                let cut = Frame { data: kept.to_vec(), ..frame.clone() };
                self.printer.line(&cut, self.link_type, meta)
            }
            _ => self.printer.line(frame, self.link_type, meta),
        }
    }

    /// Begins the next file if it is time (`-G`) or the file is large enough (`-C`), before the packet is written
    /// (`dump_packet_and_trunc`). `Some` if `-W` allows no other one.
    fn rotate(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<u64>, Refusal> {
        let Some(file) = &self.file else { return Ok(None) };
        let Rotation { seconds, size, files } = self.options.rotation;
        // The clock of time(2) has whole seconds.
        let second = |time: Time| time.unix_nanos() / 1_000_000_000;
        if seconds.is_some_and(|seconds| second(sys.now()).saturating_sub(second(file.since)) >= seconds) {
            let number = file.number + 1;
            if let Some(limit) = files.filter(|files| number >= *files) {
                return Ok(Some(limit));
            }
            self.open_file(sys, if size.is_some() { 0 } else { number })?;
        } else if size.is_some_and(|size| file.size > size) {
            let number = file.number + 1;
            let number = if files.is_some_and(|files| number >= files) { 0 } else { number };
            self.open_file(sys, number)?;
        }
        Ok(None)
    }

    /// Adds text to standard output, and writes all that is held of it.
    pub(super) fn flush_out(&mut self, sys: &mut Sys<'_, SimKernel>, text: &str) {
        self.out.put(sys, text.as_bytes());
        self.out.flush(sys);
    }

    /// Whether packets are only written.
    pub(super) fn is_silent(&self) -> bool {
        self.options.write.is_some() && !self.options.print_too
    }

    /// The three lines at the end of a capture, and what was held back.
    pub(super) fn finish(&mut self, sys: &mut Sys<'_, SimKernel>, status: i32) -> Step {
        if self.options.write.is_none() {
            self.out.flush(sys);
        }
        let lines = self.counts().map(|line| line + "\n").concat();
        sys.err(&lines);
        self.end(sys, status)
    }

    /// What was held back is written, and the program is over.
    pub(super) fn end(&mut self, sys: &mut Sys<'_, SimKernel>, status: i32) -> Step {
        self.close(sys);
        self.out.flush(sys);
        Step::Exit(status)
    }

    /// `N packets captured`, `received by filter`, `dropped by kernel`.
    pub(super) fn counts(&self) -> [String; 3] {
        [
            format!("{} captured", packets(self.captured)),
            format!("{} received by filter", packets(self.passed)),
            format!("{} dropped by kernel", packets(0)),
        ]
    }
}

/// `1 packet`, `2 packets`.
pub(super) fn packets(count: u64) -> String {
    format!("{count} packet{}", if count == 1 { "" } else { "s" })
}
