//! Error numbers of Linux (asm-generic/errno.h) with the words of glibc's `strerror`.

use core::fmt;

/// An error number as a system call returns it; `Display` prints glibc's text for it.
///
/// ```
/// use hopwise_sim_core::Errno;
/// assert_eq!(Errno::ENOENT.to_string(), "No such file or directory");
/// assert_eq!(Errno::ENOENT.number(), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident $number:literal $text:literal,)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Errno = Errno($number);)*
        }
        const TABLE: &[(i32, &str, &str)] = &[$(($number, stringify!($name), $text),)*];
    };
}

errnos! {
    EPERM 1 "Operation not permitted",
    ENOENT 2 "No such file or directory",
    ESRCH 3 "No such process",
    EINTR 4 "Interrupted system call",
    EIO 5 "Input/output error",
    ENXIO 6 "No such device or address",
    E2BIG 7 "Argument list too long",
    ENOEXEC 8 "Exec format error",
    EBADF 9 "Bad file descriptor",
    ECHILD 10 "No child processes",
    EAGAIN 11 "Resource temporarily unavailable",
    ENOMEM 12 "Cannot allocate memory",
    EACCES 13 "Permission denied",
    EFAULT 14 "Bad address",
    EBUSY 16 "Device or resource busy",
    EEXIST 17 "File exists",
    EXDEV 18 "Invalid cross-device link",
    ENODEV 19 "No such device",
    ENOTDIR 20 "Not a directory",
    EISDIR 21 "Is a directory",
    EINVAL 22 "Invalid argument",
    ENFILE 23 "Too many open files in system",
    EMFILE 24 "Too many open files",
    ENOTTY 25 "Inappropriate ioctl for device",
    ETXTBSY 26 "Text file busy",
    EFBIG 27 "File too large",
    ENOSPC 28 "No space left on device",
    ESPIPE 29 "Illegal seek",
    EROFS 30 "Read-only file system",
    EMLINK 31 "Too many links",
    EPIPE 32 "Broken pipe",
    EDOM 33 "Numerical argument out of domain",
    ERANGE 34 "Numerical result out of range",
    ENAMETOOLONG 36 "File name too long",
    ENOSYS 38 "Function not implemented",
    ENOTEMPTY 39 "Directory not empty",
    ELOOP 40 "Too many levels of symbolic links",
    EXFULL 54 "Exchange full",
    ENODATA 61 "No data available",
    EPROTO 71 "Protocol error",
    EOVERFLOW 75 "Value too large for defined data type",
    ENOTUNIQ 76 "Name not unique on network",
    EBADFD 77 "File descriptor in bad state",
    EDESTADDRREQ 89 "Destination address required",
    EMSGSIZE 90 "Message too long",
    ENOPROTOOPT 92 "Protocol not available",
    EPROTONOSUPPORT 93 "Protocol not supported",
    ESOCKTNOSUPPORT 94 "Socket type not supported",
    EOPNOTSUPP 95 "Operation not supported",
    EPFNOSUPPORT 96 "Protocol family not supported",
    EAFNOSUPPORT 97 "Address family not supported by protocol",
    EADDRINUSE 98 "Address already in use",
    EADDRNOTAVAIL 99 "Cannot assign requested address",
    ENETDOWN 100 "Network is down",
    ENETUNREACH 101 "Network is unreachable",
    ECONNABORTED 103 "Software caused connection abort",
    ECONNRESET 104 "Connection reset by peer",
    ENOBUFS 105 "No buffer space available",
    EISCONN 106 "Transport endpoint is already connected",
    ENOTCONN 107 "Transport endpoint is not connected",
    ETIMEDOUT 110 "Connection timed out",
    ECONNREFUSED 111 "Connection refused",
    EHOSTDOWN 112 "Host is down",
    EHOSTUNREACH 113 "No route to host",
    EALREADY 114 "Operation already in progress",
    EINPROGRESS 115 "Operation now in progress",
}

impl Errno {
    /// The error with this number, whether it has a name here or not.
    pub const fn from_number(number: i32) -> Self {
        Errno(number)
    }

    /// The positive error number.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The symbolic name (`ENOENT`), where this table knows it.
    pub fn name(self) -> Option<&'static str> {
        TABLE.iter().find(|row| row.0 == self.0).map(|row| row.1)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TABLE.iter().find(|row| row.0 == self.0) {
            Some(row) => f.write_str(row.2),
            None => write!(f, "Unknown error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl core::error::Error for Errno {}
