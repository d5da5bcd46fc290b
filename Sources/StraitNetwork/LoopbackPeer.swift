// SPDX-License-Identifier: Apache-2.0

package import NIOCore

extension SocketAddress {
    /// Whether the other end is on this machine, as far as its address tells: 127.0.0.0/8, also inside IPv6, and ::1, or
    /// a socket of the file system. A reverse proxy on this machine looks the same, whoever is behind it.
    package var isLoopback: Bool {
        if case .unixDomainSocket = self { return true }
        guard let text = ipAddress else { return false }
        return text == "::1" || text.hasPrefix("127.") || text.hasPrefix("::ffff:127.")
    }
}
