//! Tuns and taps for who uses the library: open one in a world, read what is sent through it, write what shall come in.

use hopwise_sim_core::Errno;
use hopwise_stack::control::tun::{TunFile, TunRequest};

use crate::world::World;

impl World {
    /// Opens a tun or tap in a namespace (`host`, or `host/name`): attaches to the one of that name, or makes it, until
    /// [`World::close_tun`]. Programs of the world are woken by what is written; who called this reads when it likes.
    ///
    /// ```
    /// use hopwise_userland::{Duration, TunRequest, World};
    ///
    /// let mut world = World::new(1);
    /// let host = world.add_machine("host");
    /// let tun = world.open_tun("host", &TunRequest::tun("tun0")).unwrap();
    /// world.run(host, "ip link set tun0 up; ip addr add 10.8.0.1 peer 10.8.0.2 dev tun0").expect_ok();
    /// world.run(host, "ping -c 1 -W 1 10.8.0.2");
    ///
    /// // The program at the other end of the link reads the echo request: an IPv4 packet, nothing in front of it.
    /// let request = world.read_tun(tun).unwrap().expect("something was sent");
    /// assert_eq!(request[..2], [0x45, 0]);
    /// assert_eq!(request[12..20], [10, 8, 0, 1, 10, 8, 0, 2]);
    /// assert_eq!(world.read_tun(tun), Ok(None));
    ///
    /// // What it writes comes in through the link.
    /// world.write_tun(tun, &request).unwrap();
    /// world.run_for(Duration::from_millis(1));
    /// let counts = world.run(host, "cat /sys/class/net/tun0/statistics/rx_packets").expect_ok();
    /// assert_eq!(counts.text, "1\n");
    /// ```
    ///
    /// # Errors
    /// `ENOENT` if there is no such namespace; `EBUSY` if a program is attached already; `EINVAL` if the link is no tun,
    /// or one of another mode.
    pub fn open_tun(&mut self, place: &str, request: &TunRequest) -> Result<TunFile, Errno> {
        let ns = self.find_ns(place).ok_or(Errno::ENOENT)?;
        self.kernel.net.tun_open(ns, request)
    }

    /// Reads the packet (of a tap: the frame) that has waited longest; `None` if there is none.
    ///
    /// # Errors
    /// `EBADFD` if the link is gone.
    pub fn read_tun(&mut self, tun: TunFile) -> Result<Option<Vec<u8>>, Errno> {
        self.kernel.net.tun_read(tun)
    }

    /// Writes a packet: it comes in through the link, once the world goes on.
    ///
    /// # Errors
    /// `EINVAL` for what is no packet, `EIO` while the link is down, `EBADFD` if it is gone.
    pub fn write_tun(&mut self, tun: TunFile, packet: &[u8]) -> Result<usize, Errno> {
        self.kernel.net.tun_write(tun, packet)
    }

    /// Closes it: a link that is not persistent goes.
    pub fn close_tun(&mut self, tun: TunFile) {
        self.kernel.net.tun_close(tun);
    }
}
