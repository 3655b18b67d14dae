//! Bob Jenkins's lookup3 hash, as the kernel's `jhash2` computes it: which address of a range a client gets follows from it, and
//! from nothing random, so it is the same on every Linux.

/// The hash of a few 32-bit words.
pub(crate) fn jhash2(words: &[u32], init: u32) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add((words.len() as u32) << 2).wrapping_add(init);
    let mut state = [start; 3];
    let mut rest = words;
    while let [x, y, z, more @ ..] = rest
        && !more.is_empty()
    {
        add(&mut state, [*x, *y, *z]);
        mix(&mut state);
        rest = more;
    }
    let mut last = [0; 3];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    if !rest.is_empty() {
        add(&mut state, last);
        finish(&mut state);
    }
    state[2]
}

fn add(state: &mut [u32; 3], words: [u32; 3]) {
    for (to, from) in state.iter_mut().zip(words) {
        *to = to.wrapping_add(from);
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    // Takes `z` out of `x` with a turned copy of it, then adds `y` to `z`.
    let step = |x: &mut u32, y: u32, z: &mut u32, turn: u32| {
        *x = x.wrapping_sub(*z) ^ z.rotate_left(turn);
        *z = z.wrapping_add(y);
    };
    step(a, *b, c, 4);
    step(b, *c, a, 6);
    step(c, *a, b, 8);
    step(a, *b, c, 16);
    step(b, *c, a, 19);
    step(c, *a, b, 4);
}

fn finish([a, b, c]: &mut [u32; 3]) {
    let step = |x: &mut u32, y: u32, turn: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(turn));
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}
