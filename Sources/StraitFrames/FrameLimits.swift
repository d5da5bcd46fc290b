// SPDX-License-Identifier: Apache-2.0

/// How much one connection is let have and do.
package struct FrameLimits: Sendable, Hashable {
    /// Streams at a time. Clients hold back more until one ends.
    package var streams = 1024
    /// Bytes that the other side may send before it is allowed more, of the connection and of each stream. HTTP/2's default
    /// is for pages; with this a tensor of 600 KB comes three times as fast.
    package var windowBytes = 8 << 20
    /// Bytes of one frame of data.
    package var frameBytes = 1 << 20
    /// Bytes of a frame that is read only when it is complete, which is any but data; and of a block of headers in
    /// several frames.
    package var wholeFrameBytes = 64 << 10
    /// Bytes that the headers of one stream stand for: names, values, and 32 for each.
    package var headerBytes = 16 << 10
    /// The same of all open streams together, which nothing else counts: a thousand calls with what libraries send have
    /// a tenth of that.
    package var allHeaderBytes = 4 << 20
    /// Frames a second that ask nothing but cost something: resets, pings, settings, frames without bytes. Clients that
    /// cancel much send hundreds; with more a connection is closed.
    package var nuisancesPerSecond = 2000

    package init() {}
}
