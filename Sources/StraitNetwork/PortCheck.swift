// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore

extension Listener {
    /// Looks whether a port can be listened on, so that this is said before models are loaded, which takes a while.
    /// Somebody else may still take it before a listener does.
    ///
    /// - Parameters:
    ///   - port: 0 for any free one, of which there is always one.
    ///   - advice: what to do where the port cannot be had, as a sentence.
    /// - Throws: what starting to listen would.
    package static func check(host: String, port: Int, advice: String) throws(StartError) {
        do {
            let address = try SocketAddress.makeAddressResolvingHost(host, port: port)
            let number = bind(address)
            guard number == 0 else { throw IOError(errnoCode: number, reason: "bind") }
        } catch {
            throw refusal(host: host, port: port, error, advice)
        }
    }

    /// What went wrong, in words that an operator can do something with.
    static func refusal(host: String, port: Int, _ error: any Error, _ advice: String) -> StartError {
        let reason =
            switch error {
            case let error as IOError: words(error.errnoCode)
            case let error as SocketAddressError.UnknownHost: "\(error.host) is no address: \(error.errorDescription)"
            default: "\(error)"
            }
        return StartError(description: "cannot listen on \(host):\(port): \(reason). \(advice)")
    }

    /// Binds a socket for a moment, as a listener does.
    ///
    /// - Returns: 0, or the system's number of what is wrong.
    private static func bind(_ address: SocketAddress) -> CInt {
        let descriptor = socket(
            address.protocol == .inet6 ? AF_INET6 : AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        var yes: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        return address.withSockAddr { address, size in
            Glibc.bind(descriptor, address, socklen_t(size)) == 0 ? 0 : errno
        }
    }

    private static func words(_ number: CInt) -> String {
        switch number {
        case EADDRINUSE: "the port is taken; ss -ltnp tells by whom"
        case EADDRNOTAVAIL: "this machine has no such address"
        case EACCES: "it is not permitted; ports below 1024 need the capability CAP_NET_BIND_SERVICE"
        default: String(cString: strerror(number))
        }
    }
}
